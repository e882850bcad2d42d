//! POST /containers/{id}/restart, since 1.0; `signal` since 1.42.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::{done, signal};
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Name, Query};

pub(crate) async fn handle(
    State(app): State<App>,
    Name(name): Name,
    query: Query,
) -> Result<Response, Error> {
    let signal = signal(&query, &format!("Cannot restart container {name}"))?;
    let timeout = query.number::<i64>("t")?;
    let handle = app.containers.resolve(&name)?;
    let told = |error: Error| match error.status {
        StatusCode::NOT_FOUND => error,
        _ => Error {
            message: format!("Cannot restart container {name}: {}", error.message),
            ..error
        },
    };
    let restarted = handle.restart(signal, timeout).await;
    Ok(done(restarted.map_err(|error| told(error.into()))?))
}
