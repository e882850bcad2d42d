//! GET /containers/{id}/json, since 1.0.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::endpoints;
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Api, Name, Query};
use crate::http::reply;

pub(crate) async fn handle(
    State(app): State<App>,
    Name(name): Name,
    query: Query,
    api: Api,
) -> Result<Response, Error> {
    let handle = app.containers.resolve(&name)?;
    let mut inspect = app.containers.inspect(&handle, query.flag("size"))?;
    endpoints::inspected(&mut inspect, api);
    Ok(reply::json(StatusCode::OK, &inspect))
}
