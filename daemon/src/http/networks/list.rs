//! `GET /networks` (1.21): the networks, by name.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::shown;
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Api, Query};
use crate::http::reply;
use crate::networks::Selection;

/// Before 1.28 lists told the containers too; since 1.52 they do not even say that they do not.
const EMPTY_SINCE: u32 = 28;
const NONE_SINCE: u32 = 52;

pub(crate) async fn handle(
    State(app): State<App>,
    api: Api,
    query: Query,
) -> Result<Response, Error> {
    let selection = Selection::of_list(query.filters()?)?;
    let networks = app.networks.list(&selection);
    let shown = networks.iter().map(|network| {
        let mut shown = shown(network, api);
        shown.containers = match api {
            api if api.since(NONE_SINCE) => None,
            api if api.since(EMPTY_SINCE) => Some(BTreeMap::new()),
            _ => Some(app.containers.in_network(&network.id)),
        };
        shown
    });
    let networks: Vec<_> = shown.collect();
    Ok(reply::json(StatusCode::OK, &networks))
}
