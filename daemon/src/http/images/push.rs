//! `POST /images/{name}/push` (1.24): sends an image to its registry. Progress streams.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use store::reference::Reference;
use tokio::sync::mpsc;

use super::progress::{self, Failure};
use crate::app::App;
use crate::http::credentials;
use crate::http::error::Error;
use crate::http::extract::{Api, Name, Query};
use crate::images::pull::PROGRESS_QUEUE;
use crate::images::{self, tag};

/// The API version that brought the platform; older clients may send one that they do not mean.
const PLATFORM_SINCE: u32 = 46;

pub(crate) async fn handle(
    State(app): State<App>,
    api: Api,
    Name(name): Name,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let reference = reference(&name, query.text("tag"))?;
    let platforms = super::platforms(&query, "platform", api, PLATFORM_SINCE)?;
    if !platforms.is_empty() {
        app.images.find_for(&reference.familiar(), &platforms).await?;
    }
    let credentials = credentials::of_request(&headers);
    let (lines, receiver) = mpsc::channel(PROGRESS_QUEUE);
    let job =
        Box::pin(async move { app.images.push(&reference, credentials.as_ref(), lines).await });
    progress::respond(api, job, receiver, Failure::Early).await
}

/// What to push; without a tag every one of the repository.
fn reference(name: &str, tag: &str) -> Result<Reference, images::Error> {
    let named = Reference::parse_named(name)?;
    if named.digest().is_some() {
        return Err(images::Error::Invalid("cannot push a digest reference".to_owned()));
    }
    match tag {
        "" => Ok(named),
        tag => tag::with_tag(&named, tag),
    }
}
