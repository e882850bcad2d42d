//! POST /containers/create, since 1.0.

use api_spec::container::CreateRequest;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::older;
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Api, Json, Query};
use crate::http::reply;

/// API 1.41 gave create its `platform`.
const PLATFORM_SINCE: u32 = 41;

pub(crate) async fn handle(
    State(app): State<App>,
    query: Query,
    api: Api,
    Json(body): Json<Value>,
) -> Result<Response, Error> {
    let body =
        body.ok_or_else(|| Error::bad_request("invalid JSON: got EOF while reading request body"))?;
    if is_empty(&body) {
        return Err(Error::bad_request("config cannot be empty in order to create a container"));
    }
    let mut request = CreateRequest::from_value(body)
        .map_err(|error| Error::bad_request(format!("invalid JSON: {error}")))?;
    older::check_networks(&request, api)?;
    older::adjust(&mut request, api);
    let name = query.get("name").map(str::to_owned);
    let platform = if api.since(PLATFORM_SINCE) { query.text("platform") } else { "" }.to_owned();
    let mut created = app.containers.create(request, name, platform).await?;
    older::warnings(&mut created.warnings, api);
    Ok(reply::json(StatusCode::CREATED, &created))
}

/// Whether a body says nothing about the container itself.
fn is_empty(body: &Value) -> bool {
    let beside = |key: &String| {
        ["HostConfig", "NetworkingConfig"].iter().any(|name| name.eq_ignore_ascii_case(key))
    };
    body.is_null() || body.as_object().is_some_and(|members| members.keys().all(beside))
}
