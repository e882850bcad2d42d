//! GET /exec/{id}/timeline. Not Docker's.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::Name;
use crate::http::reply;

pub(crate) async fn handle(State(app): State<App>, Name(id): Name) -> Result<Response, Error> {
    let exec = app.containers.exec(&id)?;
    Ok(reply::json(StatusCode::OK, &exec.timeline()?))
}
