//! `POST /networks/{id}/connect` (1.21): connects a container to a network, whether it runs or not.

use api_spec::network::NetworkConnect;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::read;
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Json, Name};
use crate::http::reply;
use crate::networks::Asked;

pub(crate) async fn handle(
    State(app): State<App>,
    Name(name): Name,
    Json(body): Json<Value>,
) -> Result<Response, Error> {
    let request: NetworkConnect = read(body)?;
    if request.container.is_empty() {
        return Err(Error::bad_request("invalid name or ID supplied: \"\""));
    }
    let handle = app.containers.resolve(&request.container)?;
    let network = app.networks.get(&name)?;
    let asked = Asked::from(request.endpoint_config.unwrap_or_default());
    handle.connect(network, asked).await?;
    Ok(reply::empty(StatusCode::OK))
}
