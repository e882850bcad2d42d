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
    let body = body.ok_or_else(|| Error::bad_request("No exec command specified"))?;
    let config: ExecConfig = gojson::from_value(body)
        .map_err(|error| Error::bad_request(format!("invalid JSON: {error}")))?;
    if Keys::parse(&config.detach_keys).is_err() {
        let text = format!("Invalid escape keys ({}) provided", config.detach_keys);
        return Err(Error::bad_request(text));
    }
    let handle = app.containers.resolve(&name)?;
    let exec = app.containers.create_exec(&handle, &name, config)?;
    Ok(reply::json(StatusCode::CREATED, &ExecCreated { id: exec.id.clone() }))
}
