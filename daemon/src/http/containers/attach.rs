//! POST /containers/{id}/attach, since 1.0.

use axum::extract::State;
use axum::response::Response;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::streams;
use crate::app::App;
use crate::containers::{Attached, Condition, Handle, Streams};
use crate::http::error::Error;
use crate::http::extract::{Name, Query};
use crate::http::hijack::Hijack;
use crate::logs::{Options, Past};
use crate::streams::{End, Form, Keys, Terms, join};

pub(crate) async fn handle(
    State(app): State<App>,
    Name(name): Name,
    query: Query,
    hijack: Hijack,
) -> Result<Response, Error> {
    let framed = |tty: bool| !tty;
    let attach = Attach::begin(app, &name, &query, streams(&query), framed).await?;
    let multiplexed = framed(attach.tty());
    Ok(hijack.accept(multiplexed, move |client| async move {
        client.head_is_read().await;
        attach.run(client, Form::AsIs).await;
    }))
}

/// A client on its way to a container's streams.
#[derive(Debug)]
pub(super) struct Attach {
    app: App,
    handle: Handle,
    wanted: Streams,
    keys: Keys,
    past: Option<Past>,
    attached: Option<Attached>,
}

impl Attach {
    /// Everything that can be refused. Before the head goes out: a start that the client asks for next must find it
    /// waiting. `framed` says for a container with a terminal, or without, whether its log is sent in frames.
    pub(super) async fn begin(
        app: App,
        name: &str,
        query: &Query,
        mut wanted: Streams,
        framed: impl FnOnce(bool) -> bool,
    ) -> Result<Self, Error> {
        let keys = Keys::parse(query.text("detachKeys")).map_err(Error::bad_request)?;
        let handle = app.containers.resolve(name)?;
        let any = wanted.stdin || wanted.stdout || wanted.stderr;
        wanted.stdin &= handle.definition.config.open_stdin;
        let framed = framed(handle.definition.config.tty);
        let past = match query.flag("logs") {
            true => log(&app, &handle, wanted, framed).await?,
            false => None,
        };
        let attached = match query.flag("stream") && any {
            true => Some(handle.attach(wanted).await?),
            false => None,
        };
        app.containers.tell(&handle, "attach", &[]);
        Ok(Self { app, handle, wanted, keys, past, attached })
    }

    pub(super) fn tty(&self) -> bool {
        self.handle.definition.config.tty
    }

    /// Sends the log if it was asked for, and then moves bytes both ways.
    pub(super) async fn run(self, mut client: impl AsyncRead + AsyncWrite + Unpin, form: Form) {
        let tty = self.tty();
        let Self { app, handle, wanted, keys, past, attached } = self;
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
        let leaves = tty || !handle.definition.config.stdin_once;
        let terms = Terms { form, stdin: wanted.stdin, keys, leaves };
        if join(client, monitor, terms, ended).await == End::Detached {
            app.containers.tell(&handle, "detach", &[]);
        }
    }
}

/// The log so far, if the container has one.
async fn log(
    app: &App,
    handle: &Handle,
    wanted: Streams,
    framed: bool,
) -> Result<Option<Past>, Error> {
    let options = Options {
        stdout: wanted.stdout,
        stderr: wanted.stderr,
        since: None,
        until: None,
        timestamps: false,
        details: false,
        tail: None,
        framed,
    };
    let Some(source) = app.containers.log_source(handle)? else { return Ok(None) };
    Past::open(source, options).await.map(Some).map_err(Error::internal)
}

async fn send(mut past: Past, client: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<()> {
    while let Some(piece) = past.read().await? {
        client.write_all(&piece).await?;
    }
    client.flush().await
}
