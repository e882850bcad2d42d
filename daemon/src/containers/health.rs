//! Health checks: a command that is run in the container again and again. The actor keeps the time and the result;
//! [`probe`] runs the command, [`judge`] decides. There is no probe while the container is paused.

mod judge;
mod probe;

use std::sync::Arc;

use api_spec::container::{HealthResult, HealthStatus};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::actor::Actor;
use super::state::State;
use judge::Check;
pub(super) use probe::Slots;

/// A health check that is carried out. Dropping it ends a probe that is under way.
#[derive(Debug)]
pub(super) struct Watch {
    check: Check,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// Until the next probe.
    Waiting(Instant),
    Probing(JoinHandle<HealthResult>),
}

/// What it is time for.
#[derive(Debug)]
pub(super) enum Turn {
    Probe,
    Result(HealthResult),
    /// The probe was lost: its task has panicked.
    Lost,
}

/// The next turn of a check; never comes without one. Dropping the future loses nothing.
pub(super) async fn next(watch: &mut Option<Watch>) -> Turn {
    match watch.as_mut().map(|watch| &mut watch.phase) {
        None => std::future::pending().await,
        Some(Phase::Waiting(until)) => {
            tokio::time::sleep_until(*until).await;
            Turn::Probe
        }
        Some(Phase::Probing(probe)) => probe.await.map_or(Turn::Lost, Turn::Result),
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Phase::Probing(probe) = &self.phase {
            probe.abort();
        }
    }
}

impl Actor {
    /// The container was started: a new life, but what the old ones said is kept.
    pub(super) fn begin_health(&mut self) {
        self.health = None;
        if Check::of(&self.definition).is_some() {
            let health = self.progress.health.get_or_insert_default();
            (health.status, health.failing_streak) = (HealthStatus::Starting, 0);
        }
        self.watch_health();
    }

    /// Probes from now on, if the container runs and has a check.
    pub(super) fn watch_health(&mut self) {
        let check = Check::of(&self.definition);
        let State::Running(_) = self.progress.state else { return };
        self.health = check.map(|check| Watch { phase: self.pause_before(&check), check });
    }

    /// No more probes: the container has ended or is paused, and nobody can call that healthy.
    pub(super) fn end_health(&mut self) {
        self.health = None;
        if let Some(health) = &mut self.progress.health {
            health.status = HealthStatus::Unhealthy;
        }
    }

    pub(super) fn health_turn(&mut self, turn: Turn) {
        let Some(mut watch) = self.health.take() else { return };
        watch.phase = match turn {
            Turn::Probe => {
                let (service, id) = (Arc::clone(&self.service), self.definition.id.clone());
                Phase::Probing(tokio::spawn(probe::run(service, id, watch.check.clone())))
            }
            Turn::Result(result) => {
                self.judge(&watch.check, result);
                self.pause_before(&watch.check)
            }
            Turn::Lost => self.pause_before(&watch.check),
        };
        self.health = Some(watch);
    }

    fn judge(&mut self, check: &Check, result: HealthResult) {
        let started_at = self.started_at();
        let Some(health) = &mut self.progress.health else { return };
        let before = health.status;
        judge::take(health, check, started_at, result);
        let now = health.status;
        self.publish();
        if now != before {
            self.tell(&format!("health_status: {}", now.as_str()), &[]);
        }
        self.persist();
    }

    fn pause_before(&self, check: &Check) -> Phase {
        let status = self.progress.health.as_ref().map(|health| health.status);
        let age = jiff::Timestamp::now().duration_since(self.started_at());
        Phase::Waiting(Instant::now() + check.pause(status.unwrap_or_default(), age))
    }

    fn started_at(&self) -> jiff::Timestamp {
        let running = self.progress.state.running();
        running.and_then(|running| running.started_at.parse().ok()).unwrap_or_default()
    }
}
