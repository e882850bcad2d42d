//! GET /containers/{id}/timeline. Not Docker's.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::Name;
use crate::http::reply;

pub(crate) async fn handle(State(app): State<App>, Name(name): Name) -> Result<Response, Error> {
    let handle = app.containers.resolve(&name)?;
    Ok(reply::json(StatusCode::OK, &app.containers.timeline(&handle)?))
}
