//! `POST /networks/{id}/disconnect` (1.21): disconnects a container from a network, whether it runs or not.

use api_spec::network::NetworkDisconnect;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::read;
use crate::app::App;
use crate::containers;
use crate::http::error::Error;
use crate::http::extract::{Json, Name};
use crate::http::reply;

pub(crate) async fn handle(
    State(app): State<App>,
    Name(name): Name,
    Json(body): Json<Value>,
) -> Result<Response, Error> {
    let request: NetworkDisconnect = read(body)?;
    if request.container.is_empty() {
        return Err(Error::bad_request("invalid name or ID supplied: \"\""));
    }
    let handle = match app.containers.resolve(&request.container) {
        Err(containers::Error::NoContainer(_)) if request.force => {
            return Err(Error::not_found(format!("endpoint {} not found", request.container)));
        }
        found => found?,
    };
    let network = app.networks.get(&name)?;
    handle.disconnect(network).await?;
    Ok(reply::empty(StatusCode::OK))
}
