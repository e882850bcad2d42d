//! GET /containers/json, since 1.0.

use api_spec::container::ContainerSummary;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::endpoints;
use crate::app::App;
use crate::containers::{Form, Selection};
use crate::http::error::Error;
use crate::http::extract::{Api, Query};
use crate::http::reply;

/// First API version whose rows have `Health`.
const HEALTH_SINCE: u32 = 52;
/// API 1.46 gave the list its annotations.
const ANNOTATIONS_SINCE: u32 = 46;

pub(crate) async fn handle(
    State(app): State<App>,
    query: Query,
    api: Api,
) -> Result<Response, Error> {
    let selection = Selection {
        all: query.flag("all"),
        limit: usize::try_from(query.number::<i64>("limit")?.unwrap_or(0)).unwrap_or(0),
        size: query.flag("size"),
        filters: query.filters()?,
    };
    let shape = |row: &mut ContainerSummary| {
        endpoints::listed(&mut row.network_settings.networks, api);
        row.health = row.health.take().filter(|_| api.since(HEALTH_SINCE));
        let annotations = &mut row.host_config.annotations;
        *annotations = annotations.take().filter(|_| api.since(ANNOTATIONS_SINCE));
    };
    let form = Form { version: api.0, shape: &shape };
    Ok(reply::json_bytes(StatusCode::OK, app.containers.list_json(&selection, &form)?))
}
