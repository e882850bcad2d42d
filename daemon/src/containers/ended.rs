//! The end of a container: told by its monitor, or found out when the monitor is gone.

use std::time::Duration;

use runtime::cgroup::Cgroup;
use runtime::monitor::protocol::{self, ExitRecord};
use store::crash;
use tokio::time::Instant;

use super::actor::Actor;
use super::error::Error;
use super::handle::Outcome;
use super::monitor::Control;
use super::restart;
use super::sequel::{self, End, Sequel};
use super::signals::{self, SIGKILL};
use super::start::FAILED_EXIT_CODE;
use super::state::{Exit, State};
use crate::spec::cgroup_path;

/// The exit code of a container whose end nobody saw.
pub(super) const UNSEEN_EXIT_CODE: i32 = 255;

impl From<&ExitRecord> for Exit {
    fn from(record: &ExitRecord) -> Self {
        Self {
            exit_code: record.exit_code,
            oom_killed: record.oom_killed,
            error: String::new(),
            started_at: Some(record.started_at.clone()),
            finished_at: Some(record.finished_at.clone()),
        }
    }
}

impl Actor {
    /// The program has ended.
    pub(super) async fn ended(&mut self, record: &ExitRecord) {
        if !self.progress.state.is_live() {
            return;
        }
        self.start_limit = None;
        // So short a life that its beginning was not heard of.
        for (reply, outcome) in self.starting.drain(..) {
            _ = reply.send(Ok(outcome));
        }
        if record.oom_killed {
            self.tell("oom", &[]);
        }
        self.finish(Exit::from(record)).await;
    }

    /// The monitor has gone. Fine if it had told the end; else the end has to be found out.
    pub(super) async fn monitor_gone(&mut self) {
        if !self.progress.state.is_live() {
            return;
        }
        let running = self.progress.state.running();
        let was_there = running.is_some_and(|running| signals::open(running).is_some());
        if self.control.take().is_some() {
            self.end_monitors();
        }
        self.clear_cgroup().await;
        if let Some(record) = self.new_record() {
            return self.ended(&record).await;
        }
        if self.inherited_start {
            return self.never_began().await;
        }
        tracing::error!(container.id = self.definition.id, "the container's monitor has gone");
        if self.progress.state == State::Starting {
            let why = Error::Internal("the container's monitor has gone".to_owned());
            return self.failed(FAILED_EXIT_CODE, why).await;
        }
        let running = self.progress.state.running();
        let exit = Exit {
            exit_code: if was_there { 128 + SIGKILL } else { UNSEEN_EXIT_CODE },
            error: "the container's monitor has gone".to_owned(),
            started_at: running.map(|running| running.started_at.clone()),
            finished_at: Some(jiff::Timestamp::now().to_string()),
            ..Exit::default()
        };
        self.finish(exit).await;
    }

    /// The machine was started anew since it ran: it ended with it, unless an end was recorded before.
    pub(super) async fn machine_gone(&mut self) {
        let record = self.new_record();
        self.clear_cgroup().await;
        if let Some(record) = record {
            return self.ended(&record).await;
        }
        if self.inherited_start {
            return self.never_began().await;
        }
        let running = self.progress.state.running();
        let exit = Exit {
            exit_code: UNSEEN_EXIT_CODE,
            started_at: running.map(|running| running.started_at.clone()),
            finished_at: Some(jiff::Timestamp::now().to_string()),
            ..Exit::default()
        };
        self.finish(exit).await;
    }

    /// The exit record of the run that the state is about. An older one may lie there when the daemon died early in
    /// a start.
    pub(super) fn new_record(&self) -> Option<ExitRecord> {
        let last = self.progress.last_exit.as_ref().and_then(|exit| exit.started_at.as_ref());
        let record = self.run_dir.read_record()?;
        (last != Some(&record.started_at)).then_some(record)
    }

    /// What the container was before the start that a daemon's death cut short.
    pub(super) fn before_start(&self) -> State {
        self.progress.last_exit.clone().map_or(State::Created, State::Exited)
    }

    /// A daemon died in the middle of a start that came to nothing: it has not been.
    async fn never_began(&mut self) {
        (self.inherited_start, self.start_limit) = (false, None);
        self.end_leases().await;
        self.progress.state = self.before_start();
        self.publish();
        self.persist();
        if self.definition.host_config.auto_remove {
            self.remove_now().await;
        } else if restart::applies_at_boot(&self.definition.host_config, &self.progress) {
            self.start().await;
        }
        self.take_up_deferred().await;
    }

    /// The monitor is of a newer build than this daemon, and does not speak its version. The container goes on, and
    /// its end is noticed; its streams are out of reach until a newer daemon comes.
    pub(super) async fn estranged(&mut self, version: u32) {
        tracing::error!(
            container.id = self.definition.id,
            monitor.version = version,
            daemon.version = protocol::VERSION,
            "the container's monitor speaks another version: its streams are out of reach"
        );
        match (&mut self.control, self.progress.state.running()) {
            (Some(control), Some(running)) => control.estrange(running.clone()),
            _ => {
                self.control = None;
                self.monitor_gone().await;
            }
        }
    }

    /// An error if the monitor cannot be spoken to.
    pub(super) fn refuse_strange_monitor(&self) -> Result<(), Error> {
        if !self.control.as_ref().is_some_and(Control::is_strange) {
            return Ok(());
        }
        let id = &self.definition.id;
        Err(Error::Internal(format!(
            "the monitor of container {id} is of a newer version than this daemon: restart the container, or start a \
             newer daemon"
        )))
    }

    /// Kills what is left of the container and removes its control group: the monitor can not any more.
    pub(super) async fn clear_cgroup(&self) {
        let (service, definition) = (self.service.clone(), self.definition.clone());
        let clear = move || {
            let path = cgroup_path(&definition.host_config, &service.facts, &definition.id);
            let group = Cgroup::open(&path, &service.host.layout);
            if let Err(error) = group.kill().and_then(|()| group.remove()) {
                tracing::warn!(container.id = definition.id, %error, "a control group is left");
            }
        };
        if let Err(error) = tokio::task::spawn_blocking(clear).await {
            tracing::error!(%error, "a control group is left");
        }
    }

    /// Everything that follows an end: waiters, restart, removal, network.
    pub(super) async fn finish(&mut self, exit: Exit) {
        crash::step("end.heard");
        self.end_leases().await;
        self.service.leave_volumes(&self.definition).await;
        self.end_pausing(&Error::not_running(&self.definition.id));
        self.exits += 1;
        self.end_health();
        self.progress.last_exit = Some(exit.clone());
        self.again = false;
        let stopping = std::mem::take(&mut self.stopping);
        let sequel = sequel::of(&End {
            host_config: &self.definition.host_config,
            progress: &self.progress,
            exit_code: exit.exit_code,
            last_run: self.last_run,
            restart_asked: !stopping.restarts.is_empty(),
            removal_asked: !self.removing.is_empty(),
        });
        if sequel == Sequel::Restarting {
            let pause = restart::pause(self.restart_pause, length(&exit));
            self.restart_pause = Some(pause);
            self.restart_at = Some(Instant::now() + pause);
            self.progress.state = State::Restarting(exit.clone());
        } else {
            self.progress.state = State::Exited(exit.clone());
        }
        self.publish();
        self.tell_networks("disconnect");
        self.tell_volumes_unmounted();
        self.tell(
            "die",
            &[
                ("exitCode", exit.exit_code.to_string()),
                ("execDuration", length(&exit).as_secs().to_string()),
            ],
        );
        if stopping.gently {
            self.tell("stop", &[]);
        }
        for reply in stopping.replies {
            _ = reply.send(Ok(Outcome::Done));
        }
        match sequel {
            Sequel::Removal => self.remove_now().await,
            Sequel::Rest | Sequel::Restarting => self.persist(),
            Sequel::Restart => {
                self.persist();
                self.start_again(stopping.restarts).await;
            }
        }
        self.take_up_deferred().await;
    }
}

/// How long the run was, in whole seconds of the clock.
fn length(exit: &Exit) -> Duration {
    let time = |text: &Option<String>| text.as_ref()?.parse::<jiff::Timestamp>().ok();
    let seconds = match (time(&exit.started_at), time(&exit.finished_at)) {
        (Some(start), Some(end)) => end.as_second() - start.as_second(),
        _ => 0,
    };
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
