//! `GET /images/json` (1.24): the images, newest first.

use api_spec::image::Summary;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Api, Query};
use crate::http::reply;
use crate::images::list::{FILTERS, Wanted};

/// API 1.44 dropped `VirtualSize`.
const VIRTUAL_SIZE_UNTIL: u32 = 44;
/// API 1.47 has `manifests`.
const MANIFESTS_SINCE: u32 = 47;
/// Before API 1.43 an image without a name had `<none>` ones.
const PLACEHOLDERS_UNTIL: u32 = 43;

/// API 1.42 gave the list its `shared-size`.
const SHARED_SIZE_SINCE: u32 = 42;

pub(crate) async fn handle(
    State(app): State<App>,
    api: Api,
    query: Query,
) -> Result<Response, Error> {
    let filters = query.filters()?;
    filters.validate(&FILTERS)?;
    let wanted = Wanted {
        filters,
        shared_size: query.flag("shared-size") && api.since(SHARED_SIZE_SINCE),
        containers: false,
        all: query.flag("all"),
        manifests: query.flag("manifests") && api.since(MANIFESTS_SINCE),
    };
    let mut summaries = app.images.list(wanted).await?;
    for summary in &mut summaries {
        shape(summary, api);
    }
    Ok(reply::json(StatusCode::OK, &summaries))
}

/// What older clients expect.
pub(crate) fn shape(summary: &mut Summary, api: Api) {
    if !api.since(VIRTUAL_SIZE_UNTIL) {
        summary.virtual_size = Some(summary.size);
    }
    let nameless =
        summary.repo_tags.is_empty() && summary.repo_digests.as_ref().is_none_or(Vec::is_empty);
    if nameless && !api.since(PLACEHOLDERS_UNTIL) {
        summary.repo_tags = vec!["<none>:<none>".to_owned()];
        summary.repo_digests = Some(vec!["<none>@<none>".to_owned()]);
    } else if !api.since(PLACEHOLDERS_UNTIL) {
        summary.repo_digests = summary.repo_digests.take().filter(|digests| !digests.is_empty());
    }
}
