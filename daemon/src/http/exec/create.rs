//! POST /containers/{id}/exec, since 1.15.

use api_spec::exec::{ExecConfig, ExecCreated};
use api_spec::gojson;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Json, Name};
use crate::http::reply;
use crate::streams::Keys;

pub(crate) async fn handle(
    State(app): State<App>,
    Name(name): Name,
    Json(body): Json<Value>,
) -> Result<Response, Error> {
    let body =
        body.ok_or_else(|| Error::bad_request("invalid JSON: got EOF while reading request body"))?;
    let config: ExecConfig = gojson::from_value(body)
        .map_err(|error| Error::bad_request(format!("invalid JSON: {error}")))?;
    Keys::parse(&config.detach_keys).map_err(Error::bad_request)?;
    let handle = app.containers.resolve(&name)?;
    let exec = app.containers.create_exec(&handle, config)?;
    Ok(reply::json(StatusCode::CREATED, &ExecCreated { id: exec.id.clone() }))
}
