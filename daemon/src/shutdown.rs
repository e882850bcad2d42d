//! The end of the daemon: what asks for it, and what is waited for. Containers go on.

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

impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the signal to end; its name.
    pub(crate) async fn end(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hang_up.recv() => {
                    tracing::warn!("SIGHUP is ignored: the configuration is read at start only");
                }
            }
        }
    }
}

/// Waits for the requests in flight, at most `limit`; a second signal ends the wait.
pub(crate) async fn drain(server: &Server, signals: &mut Signals, limit: Duration) {
    tokio::select! {
        () = server.drained() => tracing::info!("all requests are answered"),
        () = tokio::time::sleep(limit) => {
            let limit_s = limit.as_secs();
            tracing::warn!(limit_s, "requests were still running at the end of the drain");
        }
        signal = signals.end() => tracing::warn!(signal, "the drain was cut short"),
    }
}
