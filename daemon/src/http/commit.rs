//! `POST /commit` (1.0): makes an image of a container.

use api_spec::container::{CommitResponse, ContainerConfig};
use api_spec::gojson;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Json, Query};
use crate::http::reply;
use crate::images::Commit;

pub(crate) async fn handle(
    State(app): State<App>,
    query: Query,
    body: Json<Value>,
) -> Result<Response, Error> {
    let container = query.text("container");
    if container.is_empty() {
        return Err(Error::bad_request("invalid name or ID supplied: \"\""));
    }
    let config: Option<ContainerConfig> = body
        .0
        .map(gojson::from_value)
        .transpose()
        .map_err(|error| Error::bad_request(format!("invalid JSON: {error}")))?;
    let commit = Commit {
        repository: query.text("repo").to_owned(),
        tag: query.text("tag").to_owned(),
        author: query.text("author").to_owned(),
        comment: query.text("comment").to_owned(),
        changes: query.all("changes").map(str::to_owned).collect(),
        config,
        pause: query.get("pause").is_none() || query.flag("pause"),
    };
    let handle = app.containers.resolve(container)?;
    let id = app.images.commit(&handle, commit).await?;
    Ok(reply::json(StatusCode::CREATED, &CommitResponse { id: id.to_string() }))
}
