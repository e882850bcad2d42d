//! POST /containers/{id}/resize, since 1.0.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::size;
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Name, Query};
use crate::http::reply;

pub(crate) async fn handle(
    State(app): State<App>,
    Name(name): Name,
    query: Query,
) -> Result<Response, Error> {
    let (rows, columns) = size(&query)?;
    app.containers.resolve(&name)?.resize(rows, columns).await?;
    Ok(reply::empty(StatusCode::OK))
}
