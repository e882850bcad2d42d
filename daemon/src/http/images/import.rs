//! The second half of `POST /images/create` (1.24): with `fromSrc` an image is made of an archive,
//! the request's body or what a URL gives. Progress streams.

use std::time::Duration;

use api_spec::progress::Message;
use axum::body::Body;
use axum::response::Response;
use futures_util::TryStreamExt;
use store::fetch;
use tokio::sync::mpsc;

use super::progress::{self, Failure};
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Api, Query};
use crate::http::transfer;
use crate::images::pull::PROGRESS_QUEUE;
use crate::images::{self, Import, platform};

/// The source that means the request's body.
const BODY: &str = "-";
/// Between two lines of progress.
const STEP: Duration = Duration::from_millis(100);

pub(super) async fn handle(
    app: App,
    api: Api,
    query: Query,
    body: Body,
) -> Result<Response, Error> {
    let source = query.text("fromSrc");
    let source = match source.contains("://") || source == BODY {
        true => source.to_owned(),
        false => format!("http://{source}"),
    };
    let changes: Vec<String> = query.all("changes").map(str::to_owned).collect();
    let names = (query.text("repo"), query.text("tag"));
    let platform = platform::parse(query.text("platform"))?;
    let import = Import::new(&source, names, platform, query.text("message"), &changes)?;
    let (lines, receiver) = mpsc::channel(PROGRESS_QUEUE);
    let body = match source.as_str() {
        BODY => body,
        url => download(&app, url, &lines).await?,
    };
    let job = Box::pin(async move {
        let (feed, archive) = transfer::reader();
        let work = move || app.images.import(&import, archive, &lines);
        let work = tokio::task::spawn_blocking(work);
        let ((), done) = tokio::join!(feed.all_of(body), work);
        done.map_err(|_| images::Error::Stopped)?
    });
    progress::respond(api, job, receiver, Failure::Early).await
}

/// What the URL gives, with lines that tell how far it is.
async fn download(
    app: &App,
    url: &str,
    lines: &mpsc::Sender<Message>,
) -> Result<Body, images::Error> {
    let fetched = fetch::get(&app.registries.config().user_agent, url).await?;
    let _ = lines.try_send(Message::status(format!("Downloading from {url}")));
    let (total, lines) = (fetched.size, lines.clone());
    let (mut current, mut told) = (0, None::<std::time::Instant>);
    Ok(Body::from_stream(fetched.bytes.inspect_ok(move |bytes| {
        current += bytes.len() as u64;
        if told.is_none_or(|told| told.elapsed() > STEP) || Some(current) == total {
            told = Some(std::time::Instant::now());
            let line = Message { id: None, ..Message::step("", "Importing", current, total) };
            // A full queue drops the line: the client is slow, not the download.
            let _ = lines.try_send(line);
        }
    })))
}
