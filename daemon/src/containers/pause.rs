//! Pausing: the freezer of the container's control group stops all its processes and lets them go on. Processes that
//! the kernel is busy with stand only later: until then the actor looks again and again, and does what else is asked.
//!
//! An init that is being killed waits for the other processes of its pid namespace, so none may stand in its way: a
//! container whose init can do nothing but end is not paused any more.

use std::time::Duration;

use runtime::cgroup::Cgroup;
use tokio::time::Instant;

use super::actor::Actor;
use super::error::Error;
use super::handle::{Outcome, Reply};
use super::signals;
use super::state::{Request, State};
use crate::spec::cgroup_path;

/// How long processes may take to stand.
const FREEZE_LIMIT: Duration = Duration::from_secs(10);
/// Time between two looks: at first, and at most.
const FIRST_LOOK: Duration = Duration::from_micros(500);
const LAST_LOOK: Duration = Duration::from_millis(20);

/// A pause under way.
#[derive(Debug)]
pub(super) struct Pausing {
    replies: Vec<Reply>,
    pub(super) next_look: Instant,
    interval: Duration,
    give_up: Instant,
}

impl Actor {
    /// Begins to freeze. The reply goes out when all processes stand.
    pub(super) fn pause(&mut self, reply: Reply) {
        if let Some(pausing) = &mut self.pausing {
            return pausing.replies.push(reply);
        }
        let begun = self.admit(Request::Pause).and_then(|_| {
            let begun = self.cgroup().start_freezing();
            begun.map_err(|error| self.failed_to("pause", &error.to_string()))
        });
        if let Err(error) = begun {
            _ = reply.send(Err(error));
            return;
        }
        let now = Instant::now();
        self.pausing = Some(Pausing {
            replies: vec![reply],
            next_look: now,
            interval: FIRST_LOOK,
            give_up: now + FREEZE_LIMIT,
        });
        self.look_whether_paused();
    }

    /// Ends the pause under way if all processes stand, or if they took too long.
    pub(super) fn look_whether_paused(&mut self) {
        let Some(mut pausing) = self.pausing.take() else { return };
        let now = Instant::now();
        if self.is_doomed() {
            self.pausing = Some(pausing);
            self.end_pausing(&Error::not_running(&self.definition.id));
        } else if self.cgroup().stands() {
            self.set_paused(true);
            self.persist();
            self.tell("pause", &[]);
            for reply in pausing.replies {
                _ = reply.send(Ok(Outcome::Done));
            }
        } else if now < pausing.give_up {
            pausing.next_look = now + pausing.interval;
            pausing.interval = (pausing.interval * 2).min(LAST_LOOK);
            self.pausing = Some(pausing);
        } else {
            let limit = FREEZE_LIMIT.as_secs();
            let why = format!("its processes do not stand after {limit} s");
            self.pausing = Some(pausing);
            self.end_pausing(&self.failed_to("pause", &why));
        }
    }

    /// Gives the pause under way up, if there is one.
    pub(super) fn end_pausing(&mut self, why: &Error) {
        let Some(pausing) = self.pausing.take() else { return };
        if let Err(error) = self.cgroup().thaw() {
            // It is the freezer of a container that has ended, as a rule.
            tracing::debug!(container.id = self.definition.id, %error, "not thawed");
        }
        for reply in pausing.replies {
            _ = reply.send(Err(why.clone()));
        }
    }

    pub(super) fn unpause(&mut self) -> Result<Outcome, Error> {
        self.admit(Request::Unpause)?;
        self.thaw()?;
        Ok(Outcome::Done)
    }

    /// A signal is on its way to a container that may be paused: it is taken when the processes go on.
    pub(super) fn thaw_for_signal(&mut self) {
        self.end_pausing(&Error::Conflict("the container is being killed".to_owned()));
        if matches!(self.progress.state, State::Paused(_))
            && let Err(error) = self.thaw()
        {
            tracing::error!(container.id = self.definition.id, %error, "still paused");
        }
    }

    /// The daemon may have ended between the freezer and the record: the freezer is right.
    pub(super) fn see_whether_frozen(&mut self) {
        if self.progress.state.running().is_none() {
            return;
        }
        let mut frozen = self.cgroup().is_frozen();
        if frozen && self.is_doomed() {
            frozen = self.cgroup().thaw().is_err();
        }
        if frozen != matches!(self.progress.state, State::Paused(_)) {
            self.set_paused(frozen);
            self.persist();
        }
    }

    /// One write, which does not wait for the processes.
    fn thaw(&mut self) -> Result<(), Error> {
        let thawed = self.cgroup().thaw();
        thawed.map_err(|error| self.failed_to("unpause", &error.to_string()))?;
        self.set_paused(false);
        self.persist();
        self.tell("unpause", &[]);
        Ok(())
    }

    fn set_paused(&mut self, paused: bool) {
        if let Some(running) = self.progress.state.running().cloned() {
            self.progress.state =
                if paused { State::Paused(running) } else { State::Running(running) };
            if paused {
                self.end_health()
            } else {
                self.watch_health()
            }
            self.publish();
        }
    }

    pub(super) fn cgroup(&self) -> Cgroup {
        let (service, definition) = (&self.service, &self.definition);
        let path = cgroup_path(&definition.host_config, &service.facts, &definition.id);
        Cgroup::open(&path, &service.host.layout)
    }

    /// Whether its init can do nothing but end.
    fn is_doomed(&self) -> bool {
        self.progress.state.running().is_none_or(signals::is_doomed)
    }

    /// Why it failed: the freezer goes with the processes, before the end of the container is heard of.
    fn failed_to(&self, verb: &str, why: &str) -> Error {
        if !self.progress.state.running().is_some_and(signals::is_alive) {
            return Error::not_running(&self.definition.id);
        }
        Error::Internal(format!("cannot {verb} container {}: {why}", self.definition.id))
    }
}
