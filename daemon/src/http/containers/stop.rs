//! POST /containers/{id}/stop, since 1.0.

use axum::extract::State;
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
    let signal = signal(&query, &format!("cannot stop container: {name}"))?;
    let timeout = query.number::<i64>("t")?;
    let handle = app.containers.resolve(&name)?;
    Ok(done(handle.stop(signal, timeout).await?))
}
