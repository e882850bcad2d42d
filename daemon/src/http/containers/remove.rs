//! DELETE /containers/{id}, since 1.0.

use axum::extract::State;
use axum::response::Response;

use super::done;
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Name, Query};

pub(crate) async fn handle(
    State(app): State<App>,
    Name(name): Name,
    query: Query,
) -> Result<Response, Error> {
    if query.flag("link") {
        return Err(Error::not_implemented("link is not supported: links are not there yet"));
    }
    let handle = app.containers.resolve(&name)?;
    Ok(done(handle.remove(query.flag("force"), query.flag("v")).await?))
}
