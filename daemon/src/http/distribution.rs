//! `GET /distribution/{name}/json` (1.30): what a registry has under a name.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::Name;
use crate::http::{credentials, reply};

pub(crate) async fn handle(
    State(app): State<App>,
    Name(name): Name,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let credentials = credentials::of_request(&headers);
    let found = app.images.distribution(&name, credentials).await?;
    Ok(reply::json(StatusCode::OK, &found))
}
