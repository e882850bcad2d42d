//! `POST /volumes/prune` (1.25): removes volumes that no container has.

use api_spec::volume::PruneReport;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::blocking;
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Api, Query};
use crate::http::reply;
use crate::volumes::Selection;

/// Since API 1.42 named volumes are taken only when `all` asks for it.
const ANONYMOUS_ONLY_SINCE: u32 = 42;

pub(crate) async fn handle(
    State(app): State<App>,
    api: Api,
    query: Query,
) -> Result<Response, Error> {
    let everything = !api.since(ANONYMOUS_ONLY_SINCE);
    let selection =
        Selection::of_prune(query.filters()?, everything).map_err(Error::bad_request)?;
    let pruned = blocking(&app, move |volumes| volumes.prune(&selection)).await?;
    let report = PruneReport { volumes_deleted: pruned.names, space_reclaimed: pruned.bytes };
    Ok(reply::json(StatusCode::OK, &report))
}
