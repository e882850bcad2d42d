//! GET /containers/json, since 1.0.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::endpoints;
use crate::app::App;
use crate::containers::Selection;
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
    let mut list = app.containers.list(&selection)?;
    list.iter_mut().for_each(|row| endpoints::listed(&mut row.network_settings.networks, api));
    if !api.since(HEALTH_SINCE) {
        list.iter_mut().for_each(|row| row.health = None);
    }
    if !api.since(ANNOTATIONS_SINCE) {
        list.iter_mut().for_each(|row| row.host_config.annotations = None);
    }
    Ok(reply::json(StatusCode::OK, &list))
}
