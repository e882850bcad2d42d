//! `POST /run` `{"image","name"}`: pulls the image if it is missing, creates the container and
//! starts it. Older than the Docker API here, and without a version.

use api_spec::container::{ContainerConfig, CreateRequest, StringList};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use store::pull::PullOptions;
use store::reference::Reference;
use tokio::sync::mpsc;

use super::Command;
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::Json;
use crate::http::reply;
use crate::images;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Body {
    image: String,
    /// The daemon chooses one if it is empty.
    name: String,
    /// The image's own command if it is absent.
    cmd: Option<Command>,
}

#[derive(Debug, Serialize)]
struct Answer {
    status: &'static str,
    name: String,
}

pub(crate) async fn handle(
    State(app): State<App>,
    Json(body): Json<Body>,
) -> Result<Response, Error> {
    let body = body.unwrap_or_default();
    if body.image.is_empty() {
        return Err(Error::bad_request("image is missing"));
    }
    have(&app.images, &body.image).await?;
    let config = ContainerConfig {
        image: body.image,
        cmd: body.cmd.map(|command| StringList(command.words())),
        ..ContainerConfig::default()
    };
    let request = CreateRequest { config, ..CreateRequest::default() };
    let name = Some(body.name).filter(|name| !name.is_empty());
    let created = app.containers.create(request, name, String::new()).await?;
    let container = app.containers.resolve(&created.id)?;
    container.start().await?;
    let name = container.snapshot().name.trim_start_matches('/').to_owned();
    Ok(reply::json(StatusCode::OK, &Answer { status: "started", name }))
}

/// Pulls the image unless it is here.
async fn have(images: &images::Images, name: &str) -> Result<(), images::Error> {
    match images.find(name).await {
        Err(images::Error::NoSuchImage(_)) => {}
        found => return found.map(drop),
    }
    let reference = Reference::parse_normalized(name)?;
    // Nobody reads the progress.
    let (lines, _) = mpsc::channel(1);
    images.pull(&reference, &PullOptions::default(), lines).await
}
