//! POST /containers/prune, since 1.25.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::Query;
use crate::http::reply;

pub(crate) async fn handle(State(app): State<App>, query: Query) -> Result<Response, Error> {
    let pruned = app.containers.prune(&query.filters()?).await?;
    Ok(reply::json(StatusCode::OK, &pruned))
}
