//! `DELETE /networks/{id}` (1.21): removes a network that no running container is in.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::blocking;
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::Name;
use crate::http::reply;

pub(crate) async fn handle(State(app): State<App>, Name(name): Name) -> Result<Response, Error> {
    blocking(&app, move |networks| networks.remove(&name)).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}
