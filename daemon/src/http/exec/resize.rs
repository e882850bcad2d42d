//! POST /exec/{id}/resize, since 1.15.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::App;
use crate::http::containers::size;
use crate::http::error::Error;
use crate::http::extract::{Name, Query};
use crate::http::reply;

pub(crate) async fn handle(
    State(app): State<App>,
    Name(id): Name,
    query: Query,
) -> Result<Response, Error> {
    let exec = app.containers.exec(&id)?;
    let (rows, columns) = size(&query)?;
    exec.resize(rows, columns)?;
    Ok(reply::empty(StatusCode::OK))
}
