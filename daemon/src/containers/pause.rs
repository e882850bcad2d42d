//! Pausing: the freezer of the container's control group stops all its processes and lets them go on.

use runtime::cgroup::Cgroup;

use super::actor::Actor;
use super::error::Error;
use super::handle::Outcome;
use super::state::{Request, State};
use crate::spec::cgroup_path;

impl Actor {
    pub(super) async fn pause(&mut self) -> Result<Outcome, Error> {
        self.admit(Request::Pause)?;
        let group = self.cgroup();
        let frozen = tokio::task::spawn_blocking(move || group.freeze()).await;
        frozen
            .map_err(Error::internal)?
            .map_err(|error| self.failed_to("pause", &error.to_string()))?;
        self.set_paused(true);
        self.persist();
        self.tell("pause", &[]);
        Ok(Outcome::Done)
    }

    pub(super) fn unpause(&mut self) -> Result<Outcome, Error> {
        self.admit(Request::Unpause)?;
        self.thaw()?;
        Ok(Outcome::Done)
    }

    /// A signal is on its way to a container that may be paused: it is taken when the processes go on.
    pub(super) fn thaw_for_signal(&mut self) {
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
        let frozen = self.cgroup().is_frozen();
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

    fn cgroup(&self) -> Cgroup {
        let (service, definition) = (&self.service, &self.definition);
        let path = cgroup_path(&definition.host_config, &service.facts, &definition.id);
        Cgroup::open(&path, &service.host.layout)
    }

    fn failed_to(&self, verb: &str, why: &str) -> Error {
        Error::Internal(format!("cannot {verb} container {}: {why}", self.definition.id))
    }
}
