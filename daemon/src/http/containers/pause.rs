//! POST /containers/{id}/pause, since 1.12.

use axum::extract::State;
use axum::response::Response;

use super::done;
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::Name;

pub(crate) async fn handle(State(app): State<App>, Name(name): Name) -> Result<Response, Error> {
    let handle = app.containers.resolve(&name)?;
    Ok(done(handle.pause().await?))
}
