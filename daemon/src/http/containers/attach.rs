//! POST /containers/{id}/attach, since 1.0.

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use tokio::io::AsyncWriteExt;

use super::streams;
use crate::app::App;
use crate::containers::{Attached, Condition, Handle};
use crate::http::error::Error;
use crate::http::extract::{Name, Query};
use crate::http::hijack::{Hijack, Stream};
use crate::logs::{Cursor, Options};
use crate::streams::{End, Form, Keys, join};

pub(crate) async fn handle(
    State(app): State<App>,
    Name(name): Name,
    query: Query,
    hijack: Hijack,
) -> Result<Response, Error> {
    let keys = Keys::parse(query.text("detachKeys")).map_err(Error::bad_request)?;
    let handle = app.containers.resolve(&name)?;
    let mut wanted = streams(&query);
    let config = &handle.definition.config;
    wanted.stdin &= config.open_stdin;
    let tty = config.tty;
    let past = query.flag("logs").then(|| log(&app, &handle, &query)).transpose()?.flatten();
    // Before the head goes out: a start that the client asks for next must find it waiting.
    let attached = match query.flag("stream") {
        true => Some(handle.attach(wanted).await?),
        false => None,
    };
    app.containers.tell(&handle, "attach", &[]);
    Ok(hijack.accept(!tty, move |mut client| async move {
        if let Some(past) = past
            && send(past, &mut client).await.is_err()
        {
            return;
        }
        let monitor = match attached {
            Some(Attached::Now(monitor)) => Some(monitor),
            Some(Attached::Later(monitor)) => monitor.await.ok(),
            None => None,
        };
        let Some(monitor) = monitor else {
            // Nothing to stream; errors only say that the client has gone.
            let _ = client.shutdown().await;
            return;
        };
        let keys = (tty && wanted.stdin).then_some(keys);
        let ended = async { _ = handle.wait(Condition::NotRunning).done().await };
        if join(client, monitor, Form::AsIs, wanted.stdin, keys, ended).await == End::Detached {
            app.containers.tell(&handle, "detach", &[]);
        }
    }))
}

/// The log so far, if the container has one.
fn log(app: &App, handle: &Handle, query: &Query) -> Result<Option<Cursor>, Error> {
    let options = Options {
        stdout: query.flag("stdout"),
        stderr: query.flag("stderr"),
        since: None,
        until: None,
        timestamps: false,
        details: false,
        tail: None,
        framed: !handle.definition.config.tty,
    };
    let place = app.containers.log_place(handle)?;
    place.map(|place| Cursor::open(place, options).map_err(Error::internal)).transpose()
}

async fn send(mut cursor: Cursor, client: &mut Stream) -> std::io::Result<()> {
    client.head_is_read().await;
    loop {
        let read = move || cursor.read().map(|piece| (cursor, piece));
        let (next, piece) = tokio::task::spawn_blocking(read).await??;
        if piece.is_empty() {
            return Ok(());
        }
        client.write_all(&Bytes::from(piece)).await?;
        cursor = next;
    }
}
