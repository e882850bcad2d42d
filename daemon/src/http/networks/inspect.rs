//! `GET /networks/{id}` (1.21): one network with its running containers.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::shown;
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Api, Name, Query};
use crate::http::reply;

/// Since this API version it is told how full a network is.
const TELLS_STATUS_SINCE: u32 = 52;

pub(crate) async fn handle(
    State(app): State<App>,
    Name(name): Name,
    api: Api,
    query: Query,
) -> Result<Response, Error> {
    let network = app.networks.get(&name)?;
    if query.get("scope").is_some_and(|scope| !scope.is_empty() && scope != network.scope) {
        return Err(Error::not_found(format!("network {name} not found")));
    }
    let mut shown = shown(&network, api);
    shown.containers = Some(app.containers.in_network(&network.id));
    shown.status = api.since(TELLS_STATUS_SINCE).then(|| app.networks.status(&network.id));
    Ok(reply::json(StatusCode::OK, &shown))
}
