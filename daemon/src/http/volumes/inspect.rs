//! `GET /volumes/{id}` (1.21): one volume.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::{blocking, shown};
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::Name;
use crate::http::reply;

pub(crate) async fn handle(State(app): State<App>, Name(name): Name) -> Result<Response, Error> {
    let volume = blocking(&app, move |volumes| volumes.get(&name)).await?;
    Ok(reply::json(StatusCode::OK, &shown(&app.volumes, &volume)))
}
