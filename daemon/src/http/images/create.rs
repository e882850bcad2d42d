//! `POST /images/create` (1.24): pulls an image. Progress streams, one JSON object a line.
//!
//! What fails before the first line is an HTTP error; what fails later is the stream's last line.

use std::pin::Pin;

use api_spec::progress::Message;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use store::Digest;
use store::pull::PullOptions;
use store::reference::Reference;
use tokio::sync::mpsc;

use crate::app::App;
use crate::http::credentials;
use crate::http::error::Error;
use crate::http::extract::{Api, Query};
use crate::http::reply::{self, Gone, Sender};
use crate::images::pull::PROGRESS_QUEUE;
use crate::images::{self, platform, tag};

/// What ends each line of a progress stream.
const LINE_END: &str = "\r\n";
/// API 1.52 dropped the error's second spelling.
const ERROR_FIELD_UNTIL: u32 = 52;

pub(crate) async fn handle(
    State(app): State<App>,
    api: Api,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if !query.text("fromSrc").is_empty() {
        return Err(Error::not_implemented("import (fromSrc) is not supported yet"));
    }
    let (reference, all_tags) = reference(query.text("fromImage"), query.text("tag"))?;
    let options = PullOptions {
        platform: platform::parse(query.text("platform"))?,
        credentials: credentials::of_request(&headers),
        all_tags,
    };
    let (lines, mut progress) = mpsc::channel(PROGRESS_QUEUE);
    let mut pull: Pull =
        Box::pin(async move { app.images.pull(&reference, &options, lines).await });
    let mut outcome = None;
    let first = tokio::select! {
        biased;
        first = progress.recv() => first,
        done = &mut pull => {
            outcome = Some(done);
            progress.try_recv().ok()
        }
    };
    if first.is_none()
        && let Some(Err(failed)) = outcome
    {
        return Err(failed.into());
    }
    let (sender, response) = reply::stream(reply::JSON);
    tokio::spawn(async move {
        // An error only says that the client has gone; the pull is dropped then.
        let Ok(outcome) = send_all(first, progress, pull, outcome, &sender).await else { return };
        if let Err(failed) = outcome {
            let mut last = Message::error(Error::from(failed).message);
            if api.since(ERROR_FIELD_UNTIL) {
                last.error = None;
            }
            let _ = sender.send_json(&last, LINE_END).await;
        }
    });
    Ok(response)
}

/// A pull on its way.
type Pull = Pin<Box<dyn Future<Output = Outcome> + Send>>;
type Outcome = Result<(), images::Error>;

/// Sends lines until the pull has ended and all its lines are out; what became of it.
async fn send_all(
    first: Option<Message>,
    mut progress: mpsc::Receiver<Message>,
    mut pull: Pull,
    mut outcome: Option<Outcome>,
    lines: &Sender,
) -> Result<Outcome, Gone> {
    if let Some(first) = first {
        lines.send_json(&first, LINE_END).await?;
    }
    while outcome.is_none() {
        tokio::select! {
            biased;
            Some(line) = progress.recv() => lines.send_json(&line, LINE_END).await?,
            done = &mut pull => outcome = Some(done),
            () = lines.closed() => return Err(Gone),
        }
    }
    while let Ok(line) = progress.try_recv() {
        lines.send_json(&line, LINE_END).await?;
    }
    Ok(outcome.unwrap_or(Err(images::Error::Stopped)))
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
