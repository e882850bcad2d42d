//! The end of the daemon: what asks for it, and what is waited for.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::http::Server;

/// The signals that the daemon obeys.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// By the signal of this name.
    End(&'static str),
    /// That the configuration is read again.
    Reload,
}

impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End("SIGTERM"),
            _ = self.interrupt.recv() => Asked::End("SIGINT"),
            _ = self.hang_up.recv() => Asked::Reload,
        }
    }

    /// Waits for a signal to end; its name.
    async fn end(&mut self) -> &'static str {
        loop {
            if let Asked::End(signal) = self.next().await {
                return signal;
            }
        }
    }
}

/// Waits for the requests in flight, at most `limit`, and for `containers`; a second signal ends the wait.
pub(crate) async fn drain(
    server: &Server,
    signals: &mut Signals,
    limit: Duration,
    containers: impl Future<Output = ()>,
) {
    let requests = async {
        match tokio::time::timeout(limit, server.drained()).await {
            Ok(()) => tracing::info!("all requests are answered"),
            Err(_) => {
                let limit_s = limit.as_secs();
                tracing::warn!(limit_s, "requests were still running at the end of the drain");
            }
        }
    };
    tokio::select! {
        _ = async { tokio::join!(requests, containers) } => {}
        signal = signals.end() => tracing::warn!(signal, "the drain was cut short"),
    }
}
