//! POST /containers/{id}/rename, since 1.17.

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
    let handle = app.containers.resolve(&name)?;
    Ok(done(handle.rename(query.text("name").to_owned()).await?))
}
