//! `POST /networks/create` (1.21): makes a network.

use api_spec::network::{NetworkCreate, NetworkCreated};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::{blocking, read};
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::Json;
use crate::http::reply;

pub(crate) async fn handle(
    State(app): State<App>,
    Json(body): Json<Value>,
) -> Result<Response, Error> {
    let request: NetworkCreate = read(body)?;
    let network = blocking(&app, move |networks| networks.create(&request)).await?;
    let created = NetworkCreated { id: network.id.clone(), warning: String::new() };
    Ok(reply::json(StatusCode::CREATED, &created))
}
