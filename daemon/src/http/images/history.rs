//! `GET /images/{name}/history` (1.24): the steps that made an image.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Api, Name, Query};
use crate::http::reply;

/// The API version that brought the platform.
const PLATFORM_SINCE: u32 = 48;

pub(crate) async fn handle(
    State(app): State<App>,
    api: Api,
    Name(name): Name,
    query: Query,
) -> Result<Response, Error> {
    let platforms = super::platforms(&query, "platform", api, PLATFORM_SINCE)?;
    if !platforms.is_empty() {
        app.images.find_for(&name, &platforms).await?;
    }
    let steps = app.images.history(&name).await?;
    Ok(reply::json(StatusCode::OK, &steps))
}
