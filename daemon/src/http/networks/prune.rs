//! `POST /networks/prune` (1.25): removes networks that no running container is in.

use api_spec::network::NetworksPruned;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::blocking;
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::Query;
use crate::http::reply;
use crate::networks::Selection;

pub(crate) async fn handle(State(app): State<App>, query: Query) -> Result<Response, Error> {
    let selection = Selection::of_prune(query.filters()?)?;
    let pruned = blocking(&app, move |networks| networks.prune(&selection)).await?;
    let networks_deleted = (!pruned.is_empty()).then_some(pruned);
    Ok(reply::json(StatusCode::OK, &NetworksPruned { networks_deleted }))
}
