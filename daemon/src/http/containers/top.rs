//! GET /containers/{id}/top, since 1.0.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Name, Query};
use crate::http::reply;

pub(crate) async fn handle(
    State(app): State<App>,
    Name(name): Name,
    query: Query,
) -> Result<Response, Error> {
    let handle = app.containers.resolve(&name)?;
    let table = app.containers.top(&handle, query.text("ps_args").trim()).await?;
    Ok(reply::json(StatusCode::OK, &table))
}
