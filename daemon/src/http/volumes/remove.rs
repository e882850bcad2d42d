//! `DELETE /volumes/{id}` (1.21): removes a volume that no container has.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::blocking;
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Name, Query};
use crate::http::reply;

pub(crate) async fn handle(
    State(app): State<App>,
    Name(name): Name,
    query: Query,
) -> Result<Response, Error> {
    let force = query.flag("force");
    blocking(&app, move |volumes| volumes.remove(&name, force)).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}
