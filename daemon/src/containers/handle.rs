//! One container as the rest of the daemon sees it: a snapshot that never waits, and a queue to its actor.

use std::sync::Arc;

use api_spec::container::HostConfig;
use runtime::timeline::Timeline;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};

use super::error::Error;
use super::networks::Change;
use super::record::{Definition, Progress};
use super::select::Shown;

/// Requests that may wait for one container's actor.
pub(super) const QUEUE: usize = 64;

/// What a container was when the snapshot was taken.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) name: String,
    pub(crate) progress: Progress,
    /// How often it has ended since the daemon came up.
    pub(crate) exits: u64,
    /// Of the last start that came to its program; empty before.
    pub(crate) timeline: Arc<Timeline>,
}

/// What a request did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// It was so before: 304.
    NotModified,
}

/// Where the answer to a request goes.
pub(super) type Reply<T = Outcome> = oneshot::Sender<Result<T, Error>>;

/// Streams that an attached client wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Streams {
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

/// An accepted attach.
#[derive(Debug)]
pub(crate) enum Attached {
    /// Connected to the monitor.
    Now(UnixStream),
    /// The container does not run: the stream comes when it is started, or never.
    Later(oneshot::Receiver<UnixStream>),
}

/// A request to the actor.
#[derive(Debug)]
pub(super) enum Command {
    Start(Reply),
    Stop {
        /// Instead of the container's own stop signal.
        signal: Option<i32>,
        /// Seconds until SIGKILL; negative waits for ever.
        timeout: Option<i64>,
        reply: Reply,
    },
    /// As a stop, and a start behind it.
    Restart {
        signal: Option<i32>,
        timeout: Option<i64>,
        reply: Reply,
    },
    /// The daemon ends and takes the container along.
    ShutDown(Reply),
    Pause(Reply),
    Unpause(Reply),
    Rename {
        name: String,
        reply: Reply,
    },
    Update {
        update: Box<HostConfig>,
        reply: Reply,
    },
    Kill {
        signal: i32,
        reply: Reply,
    },
    Remove {
        force: bool,
        /// With its anonymous volumes.
        volumes: bool,
        reply: Reply,
    },
    /// Takes the link with this alias away.
    Unlink {
        alias: String,
        reply: Reply,
    },
    /// Another network, or one less.
    Network {
        change: Change,
        reply: Reply,
    },
    Attach {
        streams: Streams,
        reply: Reply<Attached>,
    },
    Resize {
        rows: u16,
        columns: u16,
        reply: Reply,
    },
}

/// A container. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    pub(crate) definition: Arc<Definition>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) snapshot: watch::Receiver<Arc<Snapshot>>,
    pub(super) shown: Arc<Shown>,
}

impl Command {
    /// Answers with an error.
    pub(super) fn refuse(self, error: Error) {
        match self {
            Self::Start(reply)
            | Self::ShutDown(reply)
            | Self::Pause(reply)
            | Self::Unpause(reply)
            | Self::Stop { reply, .. }
            | Self::Restart { reply, .. }
            | Self::Rename { reply, .. }
            | Self::Unlink { reply, .. }
            | Self::Update { reply, .. }
            | Self::Network { reply, .. }
            | Self::Kill { reply, .. }
            | Self::Remove { reply, .. }
            | Self::Resize { reply, .. } => _ = reply.send(Err(error)),
            Self::Attach { reply, .. } => _ = reply.send(Err(error)),
        }
    }
}

impl Handle {
    pub(crate) fn id(&self) -> &str {
        &self.definition.id
    }

    /// What the container is now. Never waits.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    /// Starts it; returns when it runs.
    pub(crate) async fn start(&self) -> Result<Outcome, Error> {
        self.ask(Command::Start).await
    }

    /// Stops it: the stop signal, after `timeout` seconds SIGKILL. Returns when it has ended.
    pub(crate) async fn stop(
        &self,
        signal: Option<i32>,
        timeout: Option<i64>,
    ) -> Result<Outcome, Error> {
        self.ask(|reply| Command::Stop { signal, timeout, reply }).await
    }

    /// Stops it as [`Handle::stop`] does, if it runs, and starts it; returns when it runs.
    pub(crate) async fn restart(
        &self,
        signal: Option<i32>,
        timeout: Option<i64>,
    ) -> Result<Outcome, Error> {
        self.ask(|reply| Command::Restart { signal, timeout, reply }).await
    }

    /// Freezes all its processes.
    pub(crate) async fn pause(&self) -> Result<Outcome, Error> {
        self.ask(Command::Pause).await
    }

    /// Lets frozen processes go on.
    pub(crate) async fn unpause(&self) -> Result<Outcome, Error> {
        self.ask(Command::Unpause).await
    }

    /// Gives it another name.
    pub(crate) async fn rename(&self, name: String) -> Result<Outcome, Error> {
        self.ask(|reply| Command::Rename { name, reply }).await
    }

    /// Sends a signal to its first process. SIGKILL returns when it has ended.
    pub(crate) async fn kill(&self, signal: i32) -> Result<Outcome, Error> {
        self.ask(|reply| Command::Kill { signal, reply }).await
    }

    /// Removes it, if asked for with its anonymous volumes; `force` kills it before.
    pub(crate) async fn remove(&self, force: bool, volumes: bool) -> Result<Outcome, Error> {
        self.ask(|reply| Command::Remove { force, volumes, reply }).await
    }

    /// Connects a client to its streams, now or when it is started.
    pub(crate) async fn attach(&self, streams: Streams) -> Result<Attached, Error> {
        self.ask(|reply| Command::Attach { streams, reply }).await
    }

    /// Sets the size of its terminal.
    pub(crate) async fn resize(&self, rows: u16, columns: u16) -> Result<Outcome, Error> {
        self.ask(|reply| Command::Resize { rows, columns, reply }).await
    }

    pub(super) async fn ask<T>(
        &self,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, Error> {
        let (reply, mut answer) = oneshot::channel();
        let gone = || Error::NoContainer(self.id().to_owned());
        self.commands.send(command(reply)).await.map_err(|_| gone())?;
        // A request that slips into the queue while the actor ends is dropped only with the last sender, which may be
        // ours: the end of the actor is an answer too. What it answered, it answered before its end.
        tokio::select! {
            biased;
            answer = &mut answer => answer.map_err(|_| gone())?,
            () = self.commands.closed() => answer.try_recv().map_err(|_| gone())?,
        }
    }
}
