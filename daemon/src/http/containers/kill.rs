//! POST /containers/{id}/kill, since 1.0.

use axum::extract::State;
use axum::response::Response;

use super::done;
use crate::app::App;
use crate::containers::{SIGKILL, parse_signal};
use crate::http::error::Error;
use crate::http::extract::{Name, Query};

pub(crate) async fn handle(
    State(app): State<App>,
    Name(name): Name,
    query: Query,
) -> Result<Response, Error> {
    let told = |error: Error| Error {
        message: format!("cannot kill container: {name}: {}", error.message),
        ..error
    };
    let signal = match query.text("signal") {
        "" => SIGKILL,
        text => parse_signal(text)
            .ok_or_else(|| told(Error::bad_request(format!("invalid signal: {text}"))))?,
    };
    let handle = app.containers.resolve(&name).map_err(|error| told(error.into()))?;
    let killed = handle.kill(signal).await.map_err(|error| told(error.into()))?;
    Ok(done(killed))
}
