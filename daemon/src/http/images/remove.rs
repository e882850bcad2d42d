//! `DELETE /images/{name}` (1.24): takes a name away, or an image.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Api, Name, Query};
use crate::http::reply;
use crate::images::remove::Parents;

/// The API version that brought the platforms.
const PLATFORMS_SINCE: u32 = 50;

pub(crate) async fn handle(
    State(app): State<App>,
    api: Api,
    Name(name): Name,
    query: Query,
) -> Result<Response, Error> {
    if name.trim().is_empty() {
        return Err(Error::bad_request("image name cannot be blank"));
    }
    let platforms = super::platforms(&query, "platforms", api, PLATFORMS_SINCE)?;
    if !platforms.is_empty() {
        app.images.find_for(&name, &platforms).await?;
    }
    let parents = if query.flag("noprune") { Parents::Stay } else { Parents::Go };
    let deleted = app.images.remove(&name, query.flag("force"), parents).await?;
    Ok(reply::json(StatusCode::OK, &deleted))
}
