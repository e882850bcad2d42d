//! `GET /images/search` (1.24): repositories of a registry that has a search.

use api_spec::image::SearchResult;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::Query;
use crate::http::{credentials, reply};
use crate::images;

/// Results unless the client says how many, and at most.
const DEFAULT_LIMIT: u32 = 25;
const MAX_LIMIT: i64 = 100;
const FILTERS: [&str; 3] = ["is-automated", "is-official", "stars"];

pub(crate) async fn handle(
    State(app): State<App>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let filters = query.filters()?;
    filters.validate(&FILTERS)?;
    let limit = match query.number::<i64>("limit")?.unwrap_or(0) {
        0 => DEFAULT_LIMIT,
        asked => u32::try_from(asked).ok().filter(|_| asked <= MAX_LIMIT).ok_or_else(|| {
            Error::bad_request(format!("limit {asked} is outside the range of [1, {MAX_LIMIT}]"))
        })?,
    };
    let official = filters.boolean("is-official")?;
    let automated = filters.boolean("is-automated")?;
    let mut stars = 0;
    for text in filters.get("stars") {
        let invalid = || Error::bad_request(format!("invalid filter 'stars=[{text}]'"));
        stars = stars.max(text.parse::<i64>().map_err(|_| invalid())?);
    }
    if query.text("term").contains("://") {
        let term = query.text("term");
        return Err(Error::bad_request(format!(
            "invalid repository name: repository name ({term}) should not have a scheme"
        )));
    }
    let credentials = credentials::of_request(&headers);
    let found = app.registries.search(query.text("term"), limit, credentials.as_ref()).await;
    let found = found.map_err(|error| images::Error::Search(Box::new(error)))?;
    let results: Vec<SearchResult> = (found.into_iter())
        .filter(|found| {
            official.is_none_or(|wanted| found.is_official == wanted)
                && automated.is_none_or(|wanted| found.is_automated == wanted)
                && found.star_count >= stars
        })
        .map(|found| SearchResult {
            star_count: found.star_count,
            is_official: found.is_official,
            name: found.name,
            is_automated: found.is_automated,
            description: found.description,
        })
        .collect();
    Ok(reply::json(StatusCode::OK, &results))
}
