//! The end of the daemon that takes the containers along: all are stopped at the same time, each by its own signal and
//! in its own time, but none before those that need it. Restart policies stay as they are: the next daemon starts
//! what they want up.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Containers;
use super::actor::Actor;
use super::error::Error;
use super::handle::{Command, Handle, Outcome, Reply};
use super::state::State;
use super::stop::DEFAULT_TIMEOUT_SECONDS;

/// What a container gets beyond its own time to stop before the daemon ends without it.
const GRACE: Duration = Duration::from_secs(5);

impl Containers {
    /// Stops every container. Nothing is started any more. Waits for `limit`, or longer if a container may take
    /// longer to stop; for ever if one may take for ever.
    pub(crate) async fn shut_down(&self, limit: Duration) {
        let handles = self.0.registry().all();
        let limit = patience(&handles, limit);
        let ends: HashMap<String, CancellationToken> = handles
            .iter()
            .map(|handle| (handle.id().to_owned(), CancellationToken::new()))
            .collect();
        let mut waits_for: HashMap<String, Vec<CancellationToken>> = HashMap::new();
        for handle in &handles {
            for needed in self.0.needs(&handle.definition) {
                waits_for.entry(needed).or_default().push(ends[handle.id()].clone());
            }
        }
        let mut stops = JoinSet::new();
        for handle in handles.clone() {
            let dependents = waits_for.remove(handle.id()).unwrap_or_default();
            let end = ends[handle.id()].clone();
            stops.spawn(async move {
                for dependent in dependents {
                    dependent.cancelled().await;
                }
                if let Err(error) = handle.ask(Command::ShutDown).await {
                    tracing::debug!(container.id = handle.id(), %error, "not stopped");
                }
                end.cancel();
            });
        }
        let all = async { while stops.join_next().await.is_some() {} };
        let done = match limit {
            Some(limit) => timeout(limit, all).await.is_ok(),
            None => {
                all.await;
                true
            }
        };
        if !done {
            let left = handles.iter().filter(|handle| is_up(handle));
            let left: Vec<_> = left.map(|handle| handle.snapshot().name.clone()).collect();
            tracing::warn!(containers = left.join(" "), "not stopped in time");
        }
    }
}

fn is_up(handle: &Handle) -> bool {
    handle.snapshot().progress.state.is_live()
}

/// How long all of them may take; `None` for ever.
fn patience(handles: &[Handle], limit: Duration) -> Option<Duration> {
    let mut longest = limit;
    for handle in handles.iter().filter(|handle| is_up(handle)) {
        let seconds = handle.definition.config.stop_timeout.unwrap_or(DEFAULT_TIMEOUT_SECONDS);
        let own = Duration::from_secs(u64::try_from(seconds).ok()?);
        longest = longest.max(own.saturating_add(GRACE));
    }
    Some(longest)
}

impl Actor {
    /// The daemon ends and takes the container along.
    pub(super) fn shut_down(&mut self, reply: Reply) {
        self.ending = true;
        for reply in std::mem::take(&mut self.stopping.restarts) {
            _ = reply.send(Err(self.daemon_ends()));
        }
        match &self.progress.state {
            // Stored as it is: the next daemon starts it.
            State::Restarting(_) => self.restart_at = None,
            state if state.running().is_some() => {
                self.last_run = true;
                self.stopping.replies.push(reply);
                return self.stop_process(None, None);
            }
            _ => {}
        }
        _ = reply.send(Ok(Outcome::NotModified));
    }

    /// The answer to who wants it up while it goes down for good.
    pub(super) fn daemon_ends(&self) -> Error {
        Error::Conflict(format!("the daemon ends, and container {} with it", self.definition.id))
    }
}
