//! `POST /images/{name}/tag` (1.24): gives an image a further name.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Name, Query};
use crate::http::reply;

pub(crate) async fn handle(
    State(app): State<App>,
    Name(name): Name,
    query: Query,
) -> Result<Response, Error> {
    let repository = query.text("repo");
    if repository.is_empty() {
        // dockerd does nothing then, and says 200.
        return Ok(reply::empty(StatusCode::OK));
    }
    app.images.tag(&name, repository, query.text("tag")).await?;
    Ok(reply::empty(StatusCode::CREATED))
}
