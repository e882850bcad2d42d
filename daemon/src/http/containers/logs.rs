//! GET /containers/{id}/logs, since 1.11.

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;

use super::streams;
use crate::app::App;
use crate::containers::{Condition, Handle};
use crate::http::error::Error;
use crate::http::extract::{Api, Name, Query};
use crate::http::reply::{self, Sender};
use crate::logs::{Cursor, Journal, Options, Place, Source, Watch, parse_time};

const MULTIPLEXED: &str = "application/vnd.docker.multiplexed-stream";
const RAW: &str = "application/vnd.docker.raw-stream";
/// First API version with a media type of its own for multiplexed streams.
const MULTIPLEXED_SINCE: u32 = 42;

pub(crate) async fn handle(
    State(app): State<App>,
    Name(name): Name,
    query: Query,
    api: Api,
) -> Result<Response, Error> {
    let wanted = streams(&query);
    if !wanted.stdout && !wanted.stderr {
        return Err(Error::bad_request("Bad parameters: you must choose at least one stream"));
    }
    let handle = app.containers.resolve(&name)?;
    let framed = !handle.definition.config.tty;
    let options = Options {
        stdout: wanted.stdout,
        stderr: wanted.stderr,
        since: parse_time(query.text("since")).map_err(Error::bad_request)?,
        until: parse_time(query.text("until")).map_err(Error::bad_request)?,
        timestamps: query.flag("timestamps"),
        details: query.flag("details"),
        // As dockerd: what is no number is all.
        tail: query.text("tail").parse().ok(),
        framed,
    };
    let Some(source) = app.containers.log_source(&handle)? else {
        return Err(Error::not_implemented("configured logging driver does not support reading"));
    };
    let follow = query.flag("follow");
    let log = match source {
        Source::Files(place) => Log::Files(place),
        Source::Journal(id) => {
            let journal = Journal::open(id, options).await.map_err(Error::internal)?;
            Log::Journal(journal.into())
        }
    };
    let media_type = if framed && api.since(MULTIPLEXED_SINCE) { MULTIPLEXED } else { RAW };
    let (sender, response) = reply::stream(media_type);
    tokio::spawn(async move {
        let sent = match log {
            Log::Files(place) => send(&handle, place, options, follow, &sender).await,
            Log::Journal(journal) => send_journal(&handle, *journal, follow, &sender).await,
        };
        if let Err(error) = sent {
            tracing::warn!(container.id = handle.id(), %error, "the log can not be read");
        }
    });
    Ok(response)
}

enum Log {
    Files(Place),
    Journal(Box<Journal>),
}

/// Sends what is there, then what comes, until the container has ended or the client has gone.
async fn send(
    handle: &Handle,
    place: Place,
    options: Options,
    follow: bool,
    sender: &Sender,
) -> std::io::Result<()> {
    // The watch before the first read: nothing that is written in between is missed.
    let watch = match place.path.parent() {
        Some(directory) if follow => Some(Watch::new(directory)?),
        _ => None,
    };
    let open = move || Cursor::open(place, options);
    let mut cursor = tokio::task::spawn_blocking(open).await??;
    let mut ended = std::pin::pin!(handle.wait(Condition::NotRunning).done());
    let mut last = !follow;
    loop {
        loop {
            let read = move || cursor.read().map(|piece| (cursor, piece));
            let (next, piece) = tokio::task::spawn_blocking(read).await??;
            cursor = next;
            if piece.is_empty() {
                break;
            }
            if sender.send(Bytes::from(piece)).await.is_err() {
                return Ok(());
            }
        }
        let Some(watch) = watch.as_ref().filter(|_| !last && !cursor.is_past()) else {
            return Ok(());
        };
        tokio::select! {
            changed = watch.changed() => changed?,
            _ = &mut ended => last = true,
            () = sender.closed() => return Ok(()),
        }
    }
}

/// The same from the journal, which tells by itself what comes.
async fn send_journal(
    handle: &Handle,
    mut journal: Journal,
    follow: bool,
    sender: &Sender,
) -> std::io::Result<()> {
    let mut ended = std::pin::pin!(handle.wait(Condition::NotRunning).done());
    let (mut following, mut last) = (false, !follow);
    loop {
        tokio::select! {
            piece = journal.read() => match piece? {
                Some(piece) => if sender.send(Bytes::from(piece)).await.is_err() {
                    return Ok(());
                },
                None if last || following || journal.is_past() => return Ok(()),
                None => {
                    following = true;
                    journal.go_on(true).await?;
                }
            },
            _ = &mut ended, if following && !last => {
                last = true;
                journal.go_on(false).await?;
            }
            () = sender.closed() => return Ok(()),
        }
    }
}
