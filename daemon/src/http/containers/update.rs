//! POST /containers/{id}/update, since 1.22.

use api_spec::container::{HostConfig, UpdateResponse};
use api_spec::gojson;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use crate::app::App;
use crate::http::containers::older;
use crate::http::error::Error;
use crate::http::extract::{Api, Json, Name};
use crate::http::reply;

pub(crate) async fn handle(
    State(app): State<App>,
    api: Api,
    Name(name): Name,
    Json(body): Json<Value>,
) -> Result<Response, Error> {
    let mut update: HostConfig = gojson::from_value(body.unwrap_or_default())
        .map_err(|error| Error::bad_request(format!("invalid JSON: {error}")))?;
    older::adjust_update(&mut update, api);
    let warnings = app.containers.check_update(&mut update)?;
    let handle = app.containers.resolve(&name)?;
    handle.update(update).await?;
    let warnings = Some(warnings).filter(|warnings| !warnings.is_empty());
    Ok(reply::json(StatusCode::OK, &UpdateResponse { warnings }))
}
