//! `GET /images/{name}/history` (1.24): the steps that made an image.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::Name;
use crate::http::reply;

pub(crate) async fn handle(State(app): State<App>, Name(name): Name) -> Result<Response, Error> {
    let steps = app.images.history(&name).await?;
    Ok(reply::json(StatusCode::OK, &steps))
}
