//! `POST /images/create` (1.24): pulls an image, or imports one. Progress streams, one JSON object a line.
//!
//! What fails before the first line is an HTTP error; what fails later is the stream's last line.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use store::Digest;
use store::pull::PullOptions;
use store::reference::Reference;
use tokio::sync::mpsc;

use super::import;
use super::progress::{self, Failure};
use crate::app::App;
use crate::http::credentials;
use crate::http::error::Error;
use crate::http::extract::{Api, Query};
use crate::images::pull::PROGRESS_QUEUE;
use crate::images::{self, platform, tag};

pub(crate) async fn handle(
    State(app): State<App>,
    api: Api,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    if query.text("fromImage").is_empty() && !query.text("fromSrc").is_empty() {
        return import::handle(app, api, query, body).await;
    }
    let (reference, all_tags) = reference(query.text("fromImage"), query.text("tag"))?;
    let options = PullOptions {
        platform: match query.text("platform") {
            "" => None,
            asked => Some(platform::parse(asked)?),
        },
        credentials: credentials::of_request(&headers),
        all_tags,
    };
    let (lines, receiver) = mpsc::channel(PROGRESS_QUEUE);
    let pull = Box::pin(async move { app.images.pull(&reference, &options, lines).await });
    progress::respond(api, pull, receiver, Failure::Early).await
}

/// What to pull, and whether it is every tag of the repository. The tag may be a digest.
fn reference(name: &str, tag: &str) -> Result<(Reference, bool), images::Error> {
    if name.is_empty() {
        return Err(images::Error::Invalid("fromImage is missing".to_owned()));
    }
    let named = Reference::parse_named(name)?;
    let reference = match (tag, Digest::parse(tag)) {
        ("", _) => named,
        (_, Ok(digest)) => named.with_digest(&digest),
        (tag, Err(_)) => tag::with_tag(&named, tag)?,
    };
    if reference.familiar_name() == "scratch" {
        return Err(images::Error::Reserved("scratch"));
    }
    let all_tags = reference.tag().is_none() && reference.digest().is_none();
    Ok((reference, all_tags))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_may_be_a_digest() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let read = |name: &str, tag: &str| {
            reference(name, tag).map(|(reference, all)| (reference.familiar(), all))
        };
        assert_eq!(read("busybox", "1").unwrap(), ("busybox:1".to_owned(), false));
        assert_eq!(read("busybox:2", "").unwrap(), ("busybox:2".to_owned(), false));
        assert_eq!(read("busybox", "").unwrap(), ("busybox".to_owned(), true));
        assert_eq!(read("busybox", &digest).unwrap(), (format!("busybox@{digest}"), false));
        let text = |name: &str, tag: &str| read(name, tag).unwrap_err().to_string();
        assert_eq!(text("busybox", "x y"), "invalid tag format");
        assert_eq!(text("a b", ""), "invalid reference format");
        assert_eq!(text("scratch", "latest"), "'scratch' is a reserved name");
    }
}
