//! `GET /networks/{id}` (1.21): one network with its running containers.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::shown;
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Api, Name, Query};
use crate::http::reply;

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
    Ok(reply::json(StatusCode::OK, &shown))
}
