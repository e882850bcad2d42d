//! `GET /networks` (1.21): the networks, by name.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::shown;
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Api, Query};
use crate::http::reply;
use crate::networks::Selection;

pub(crate) async fn handle(
    State(app): State<App>,
    api: Api,
    query: Query,
) -> Result<Response, Error> {
    let selection = Selection::of_list(query.filters()?)?;
    let networks = app.networks.list(&selection);
    let networks: Vec<_> = networks.iter().map(|network| shown(network, api)).collect();
    Ok(reply::json(StatusCode::OK, &networks))
}
