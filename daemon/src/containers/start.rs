//! Starting: what the actor does around it. The steps themselves are in [`super::prepare`].

pub(super) mod limit;

use std::sync::Arc;
use std::time::Duration;

use runtime::StepError;
use runtime::timeline::{Step, Timeline};
use store::crash;
use tokio::time::Instant;

use super::Service;
use super::actor::Actor;
use super::error::{Error, exit_code};
use super::launchers::Connections;
use super::monitor::Control;
use super::prepare::{Launched, Task};
use super::record::Definition;
use super::state::{Exit, Running, State};
use crate::spec::{Joined, Mode, mode};
use limit::Stage;

/// How long the monitor of the last run may take to let go of the root file system and its control group.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// The exit code of a start that failed before there was a process.
pub(super) const FAILED_EXIT_CODE: i32 = 128;

/// First processes of the containers that this one shares namespaces with.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Peers {
    pub(super) namespaces: Joined,
    pub(super) network: Option<i32>,
}

impl Actor {
    /// Starts the container. Whoever waits in `starting` hears when it runs, or why not.
    pub(super) async fn start(&mut self) {
        let timeline = Timeline::begin(Step::Asked);
        self.drain().await;
        self.released().await;
        self.progress.state = State::Starting;
        self.progress.stopped_by_client = false;
        // Whoever starts it, the restart that was due is this one.
        self.restart_at = None;
        (self.last_run, self.inherited_start) = (false, false);
        self.publish();
        let peers = self.refuse_while_stuck().and_then(|()| self.service.peers(&self.definition));
        let launched = match peers {
            Ok(peers) => self.launch(peers, timeline).await,
            Err(error) => Err(error),
        };
        match launched {
            Ok(launched) => self.launched(launched).await,
            Err(error) => self.failed(FAILED_EXIT_CODE, error).await,
        }
    }

    async fn launch(&mut self, peers: Peers, timeline: Timeline) -> Result<Launched, Error> {
        let stage = Arc::new(Stage::default());
        let task = Task {
            service: Arc::clone(&self.service),
            definition: Arc::clone(&self.definition),
            name: self.name.clone(),
            writer: Arc::clone(&self.writer),
            progress: self.progress.clone(),
            run_dir: self.run_dir.clone(),
            peers,
            attaches: self.waiting.iter().map(|waiting| waiting.streams).collect(),
            stage: Arc::clone(&stage),
            timeline,
        };
        self.bounded(tokio::task::spawn_blocking(move || task.run()), &stage).await
    }

    async fn launched(&mut self, launched: Launched) {
        self.progress.networks = launched.networks;
        let Connections { control, streams, monitor } = launched.connections;
        self.monitor = monitor;
        self.start_limit = Instant::now().checked_add(self.service.start_limit);
        for (waiting, stream) in std::mem::take(&mut self.waiting).into_iter().zip(streams) {
            match tokio::net::UnixStream::from_std(stream) {
                // An error only says that the client has gone meanwhile.
                Ok(stream) => _ = waiting.stream.send(stream),
                Err(error) => tracing::warn!(%error, "a client's stream is lost"),
            }
        }
        match Control::new(control) {
            Ok(control) => self.control = Some(control),
            Err(error) => self.failed(FAILED_EXIT_CODE, Error::internal(error)).await,
        }
    }

    /// The program runs.
    pub(super) async fn runs(&mut self, running: Running) {
        crash::step("start.heard");
        self.start_limit = None;
        self.progress.state = State::Running(running);
        self.begin_health();
        self.inherited_start = false;
        self.publish();
        for (reply, outcome) in self.starting.drain(..) {
            _ = reply.send(Ok(outcome));
        }
        self.tell_volumes_mounted();
        self.tell_networks("connect");
        self.tell("start", &[]);
        if std::mem::take(&mut self.again) {
            self.tell("restart", &[]);
        }
        self.persist();
        self.service.networks.refill();
        self.answer_if_silent().await;
        self.take_up_deferred().await;
    }

    /// The program could not be run: a step inside the container failed.
    pub(super) async fn start_failed(&mut self, step: &StepError, error: Error) {
        self.failed(exit_code(step), error).await;
    }

    pub(super) async fn failed(&mut self, exit_code: i32, error: Error) {
        (self.again, self.start_limit) = (false, None);
        let before = self.progress.last_exit.as_ref();
        let exit = Exit {
            exit_code,
            error: error.to_string(),
            oom_killed: false,
            started_at: before.and_then(|exit| exit.started_at.clone()),
            finished_at: before.and_then(|exit| exit.finished_at.clone()),
        };
        self.progress.state = State::Exited(exit);
        self.end_leases().await;
        self.service.leave_volumes(&self.definition).await;
        self.waiting.clear();
        self.publish();
        self.persist();
        let starting = std::mem::take(&mut self.starting);
        if self.definition.host_config.auto_remove {
            self.remove_now().await;
        }
        for (reply, _) in starting {
            _ = reply.send(Err(error.clone()));
        }
        self.take_up_deferred().await;
    }

    /// Waits until the monitor of the last run has let go of the control group and the root file system.
    async fn drain(&mut self) {
        let Some(mut control) = self.control.take() else { return };
        let ended = async { while control.next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_TIMEOUT, ended).await.is_err() {
            tracing::warn!(container.id = self.definition.id, "the last run's monitor goes on");
        }
    }
}

impl Service {
    /// Those that a start has to find running.
    pub(super) fn peers(&self, definition: &Definition) -> Result<Peers, Error> {
        let host_config = &definition.host_config;
        let pid = |text: &str, what: &str| match mode(text) {
            Mode::Container(name) => self.peer(name, what).map(Some),
            _ => Ok(None),
        };
        Ok(Peers {
            network: pid(&host_config.network_mode, "network")?,
            namespaces: Joined {
                ipc: self.shared_ipc(definition, pid(&host_config.ipc_mode, "IPC")?)?,
                pid: pid(&host_config.pid_mode, "PID")?,
            },
        })
    }

    /// Only a container that says so shares its IPC, or one that shares another one's.
    fn shared_ipc(&self, definition: &Definition, pid: Option<i32>) -> Result<Option<i32>, Error> {
        if let Mode::Container(name) = mode(&definition.host_config.ipc_mode) {
            let donor = self.resolve(name)?;
            let own = donor.definition.host_config.ipc_mode.as_str();
            if own != "shareable" && !matches!(mode(own), Mode::Container(_)) {
                return Err(Error::Invalid(format!(
                    "failed to join IPC namespace: container {}: non-shareable IPC (hint: use IpcMode:shareable for \
                     the donor container)",
                    donor.id()
                )));
            }
        }
        Ok(pid)
    }

    fn peer(&self, name: &str, what: &str) -> Result<i32, Error> {
        let peer = self.resolve(name)?;
        let running = peer.snapshot().progress.state.running().map(|running| running.pid);
        running.ok_or_else(|| {
            let id = peer.id();
            Error::Conflict(match what {
                "network" => format!("cannot join network of a non running container: {id}"),
                _ => format!("failed to join {what} namespace: container {id} is not running"),
            })
        })
    }
}
