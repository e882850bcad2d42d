//! POST /containers/{id}/stop, since 1.0.

use axum::extract::State;
use axum::response::Response;

use super::done;
use crate::app::App;
use crate::containers::parse_signal;
use crate::http::error::Error;
use crate::http::extract::{Name, Query};

pub(crate) async fn handle(
    State(app): State<App>,
    Name(name): Name,
    query: Query,
) -> Result<Response, Error> {
    let signal = match query.text("signal") {
        "" => None,
        text => Some(parse_signal(text).ok_or_else(|| {
            Error::bad_request(format!("cannot stop container: {name}: invalid signal: {text}"))
        })?),
    };
    let timeout = query.number::<i64>("t")?;
    let handle = app.containers.resolve(&name)?;
    Ok(done(handle.stop(signal, timeout).await?))
}
