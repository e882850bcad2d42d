//! GET /containers/{id}/changes, since 1.0: what a container changed of its image.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::blocking;
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::Name;
use crate::http::reply;

pub(crate) async fn handle(State(app): State<App>, Name(name): Name) -> Result<Response, Error> {
    let handle = app.containers.resolve(&name)?;
    let changes = blocking(move || app.containers.changes(&handle)).await?;
    // dockerd answers null when there are none.
    Ok(reply::json(StatusCode::OK, &Some(changes).filter(|changes| !changes.is_empty())))
}
