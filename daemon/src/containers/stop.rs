//! Stopping and killing: signals out; the end comes back from the monitor.

use std::time::Duration;

use tokio::time::Instant;

use super::actor::{Actor, Stopping};
use super::error::Error;
use super::handle::{Outcome, Reply};
use super::restart;
use super::signals::{self, SIGKILL, SIGTERM};
use super::state::State;

/// Seconds between the stop signal and SIGKILL when neither client nor container says.
pub(super) const DEFAULT_TIMEOUT_SECONDS: i64 = 10;
/// From SIGKILL to the end of the first process: as long as dockerd gives it.
const END_LIMIT: Duration = Duration::from_secs(10);
/// From there to the news of it. A monitor may wait as long for a client that does not read.
const NEWS_LIMIT: Duration = Duration::from_secs(30);

impl Actor {
    /// The stop signal now, SIGKILL after the timeout. The reply goes out at the end of the container.
    pub(super) fn stop(&mut self, signal: Option<i32>, timeout: Option<i64>, reply: Reply) {
        self.note_stop();
        self.last_run = true;
        if self.give_up_restart() {
            _ = reply.send(Ok(Outcome::Done));
            return;
        }
        self.stopping.replies.push(reply);
        self.stop_process(signal, timeout);
    }

    /// A restart that is due does not come; whether there was one.
    fn give_up_restart(&mut self) -> bool {
        let State::Restarting(exit) = &self.progress.state else { return false };
        self.progress.state = State::Exited(exit.clone());
        self.restart_at = None;
        self.publish();
        self.persist();
        true
    }

    /// A stop, and a start when the container has ended. The reply goes out when it runs again.
    pub(super) async fn restart(
        &mut self,
        signal: Option<i32>,
        timeout: Option<i64>,
        reply: Reply,
    ) {
        if self.progress.state.running().is_some() {
            self.last_run = true;
            self.stopping.restarts.push(reply);
            self.stop_process(signal, timeout);
        } else {
            self.restart_at = None;
            self.start_again(vec![reply]).await;
        }
    }

    /// The second half of a restart.
    pub(super) async fn start_again(&mut self, replies: Vec<Reply>) {
        self.starting.extend(replies.into_iter().map(|reply| (reply, Outcome::Done)));
        self.again = true;
        self.progress.restart_count = 0;
        self.start().await;
    }

    pub(super) fn stop_process(&mut self, signal: Option<i32>, timeout: Option<i64>) {
        let config = &self.definition.config;
        let own = || signals::parse(&config.stop_signal);
        let signal = signal.or_else(own).unwrap_or(SIGTERM);
        let seconds = timeout.or(config.stop_timeout).unwrap_or(DEFAULT_TIMEOUT_SECONDS);
        self.stopping.gently = true;
        self.signal(signal);
        // Of several stops the one that is less patient decides.
        let patience = u64::try_from(seconds).ok().map(Duration::from_secs);
        let kill_at = patience.and_then(|patience| Instant::now().checked_add(patience));
        self.stopping.kill_at = match (self.stopping.kill_at, kill_at) {
            (Some(old), Some(new)) => Some(old.min(new)),
            (old, new) => new.or(old),
        };
    }

    /// One signal. For SIGKILL the reply goes out at the end of the container.
    pub(super) fn kill(&mut self, signal: i32, reply: Reply) {
        self.note_stop();
        self.last_run |= self.ends_by(signal);
        if self.give_up_restart() {
            _ = reply.send(Ok(Outcome::Done));
            return;
        }
        if signal == SIGKILL {
            self.stopping.replies.push(reply);
            self.kill_now();
            return;
        }
        let sent = self.signal(signal);
        let gone = || Error::not_running(&self.definition.id);
        _ = reply.send(if sent { Ok(Outcome::Done) } else { Err(gone()) });
    }

    /// A client wants it down. Stored before anything follows from it: a daemon that comes up in between must not
    /// take the end for one that calls for a restart.
    pub(super) fn note_stop(&mut self) {
        if std::mem::replace(&mut self.progress.stopped_by_client, true) {
            return;
        }
        if restart::has_policy(&self.definition.host_config.restart_policy) {
            self.persist();
        }
    }

    /// SIGKILL.
    pub(super) fn kill_now(&mut self) {
        self.stopping.kill_at = None;
        self.signal(SIGKILL);
        if self.stopping.end_by.is_none() {
            self.stopping.end_by = Instant::now().checked_add(END_LIMIT);
        }
    }

    /// SIGKILL came to nothing. If it is the monitor that hangs, that is ended; if the kernel does not let the container
    /// end, whoever waits for it hears so.
    pub(super) async fn end_not_heard(&mut self) {
        let Some(running) = self.progress.state.running() else { return };
        if !signals::is_alive(running) {
            if std::mem::replace(&mut self.stopping.awaits_news, true) {
                return self.monitor_gone().await;
            }
            self.stopping.end_by = Instant::now().checked_add(NEWS_LIMIT);
            return;
        }
        let (id, pid, limit) = (&self.definition.id, running.pid, END_LIMIT.as_secs());
        let why = format!("cannot kill container {id}: pid {pid} is there {limit} s after SIGKILL");
        tracing::error!(container.id = id, why, "a container does not end");
        let why = Error::Internal(why);
        let Stopping { replies, restarts, .. } = std::mem::take(&mut self.stopping);
        for reply in replies.into_iter().chain(restarts).chain(std::mem::take(&mut self.removing)) {
            _ = reply.send(Err(why.clone()));
        }
    }

    fn signal(&mut self, signal: i32) -> bool {
        let Some(running) = self.progress.state.running() else { return false };
        let sent = signals::send(running, signal);
        if sent {
            self.tell("kill", &[("signal", signal.to_string())]);
            if self.ends_by(signal) {
                self.thaw_for_signal();
            }
        }
        sent
    }

    /// Whether a signal is meant to end the container: a paused one is thawed so that it can.
    fn ends_by(&self, signal: i32) -> bool {
        let own = &self.definition.config.stop_signal;
        signal == SIGKILL || own.is_empty() || signals::parse(own) == Some(signal)
    }
}
