//! `POST /images/prune` (1.25): removes images that are not needed.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::Query;
use crate::http::reply;
use crate::images::prune::FILTERS;

pub(crate) async fn handle(State(app): State<App>, query: Query) -> Result<Response, Error> {
    let filters = query.filters()?;
    filters.validate(&FILTERS)?;
    let pruned = app.images.prune(filters).await?;
    Ok(reply::json(StatusCode::OK, &pruned))
}
