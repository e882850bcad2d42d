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
        text => parse_signal(text).ok_or_else(|| told(Error::bad_request(no_signal(text))))?,
    };
    let handle = app.containers.resolve(&name).map_err(|error| told(error.into()))?;
    let killed = handle.kill(signal).await.map_err(|error| told(error.into()))?;
    Ok(done(killed))
}

/// Why a text is no signal, as dockerd says it: a number is one that this system does not have.
fn no_signal(text: &str) -> String {
    match text.parse::<i64>() {
        Ok(number) if number != 0 => format!("the linux daemon does not support signal {number}"),
        _ => format!("invalid signal: {text}"),
    }
}
