//! Execs: further processes in a running container. Each has a monitor of its own, connected from the beginning to
//! whoever wants to hear of it. Execs are not stored: a daemon that comes up anew does not know old ones, as with
//! Docker; so their monitors have no socket to come to and write no exit record.

mod launch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use api_spec::exec::{ExecConfig, ExecInspect, ProcessConfig};
use tokio::net::UnixStream;
use tokio::sync::watch;

use super::Service;
use super::error::Error;
use super::handle::{Handle, Streams};
use super::launchers::Connections;
use super::monitor::Control;
use super::names;
use super::signals::{self, SIGKILL};
use super::start::limit::end_monitor;
use super::state::Request;
use super::state::{Admission, Running};
use runtime::monitor::protocol::State as MonitorState;
use runtime::timeline::{Step, Timeline};
use runtime::{StepError, StepErrorKind};

/// Execs that one container may have, finished ones among them; the oldest finished ones are forgotten first.
const MAX_EXECS: usize = 1024;
/// What inspect shows of an exec that could not be started, whatever the reason: as Docker.
const FAILED_EXIT_CODE: i32 = 126;
/// How long the end of a container may take to be heard of after an exec has noticed it.
const LOST_LIMIT: Duration = Duration::from_secs(2);
/// The exit code of an exec whose monitor was killed.
const LOST_EXIT_CODE: i32 = 255;

/// Where an exec is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    Created,
    Starting,
    Running(Running),
    Exited { code: i32 },
}

/// One exec.
#[derive(Debug)]
pub(crate) struct Exec {
    pub(crate) id: String,
    pub(crate) container: Handle,
    pub(crate) config: ExecConfig,
    /// Counts up: which exec is older.
    number: u64,
    phase: watch::Sender<Phase>,
    /// Of its process, which inspect shows after its end too.
    pid: OnceLock<i32>,
    /// Of its start, when it came to its program.
    begun: OnceLock<Timeline>,
    /// The newest size asked for, rows and columns; `None` until one is.
    size: watch::Sender<Option<(u16, u16)>>,
}

/// How an exec is to be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExecStart {
    /// Nobody is connected to its streams.
    pub(crate) detach: bool,
    /// Rows and columns, instead of those given when it was made.
    pub(crate) console_size: Option<[u32; 2]>,
}

/// All execs that are known.
#[derive(Debug, Default)]
pub(super) struct Execs(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    by_id: HashMap<String, Arc<Exec>>,
    made: u64,
}

impl Execs {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Exec>> {
        self.lock().by_id.get(id).cloned()
    }

    pub(super) fn forget(&self, id: &str) {
        self.lock().by_id.remove(id);
    }

    pub(super) fn forget_container(&self, id: &str) {
        self.lock().by_id.retain(|_, exec| exec.container.id() != id);
    }

    /// Ids of the execs that run in a container; `None` if there are none, which is what Docker shows.
    pub(super) fn running_in(&self, id: &str) -> Option<Vec<String>> {
        let known = self.lock();
        let running = known.by_id.values().filter(|exec| exec.container.id() == id);
        let ids: Vec<String> = running
            .filter(|exec| matches!(*exec.phase.borrow(), Phase::Running(_) | Phase::Starting))
            .map(|exec| exec.id.clone())
            .collect();
        (!ids.is_empty()).then_some(ids)
    }

    /// The newest exec of a container that came to its program.
    pub(super) fn newest_begun(&self, id: &str) -> Option<Arc<Exec>> {
        let known = self.lock();
        let begun = known.by_id.values().filter(|exec| exec.container.id() == id);
        begun.filter(|exec| exec.begun.get().is_some()).max_by_key(|exec| exec.number).cloned()
    }

    fn insert(&self, container: &Handle, config: ExecConfig) -> Result<Arc<Exec>, Error> {
        let mut known = self.lock();
        let of_container = |exec: &&Arc<Exec>| exec.container.id() == container.id();
        if known.by_id.values().filter(of_container).count() >= MAX_EXECS {
            let done = |exec: &&Arc<Exec>| matches!(*exec.phase.borrow(), Phase::Exited { .. });
            let all = known.by_id.values().filter(of_container).filter(done);
            let oldest = all.min_by_key(|exec| exec.number).map(|exec| exec.id.clone());
            let full = || Error::Conflict(format!("container has {MAX_EXECS} execs already"));
            known.by_id.remove(&oldest.ok_or_else(full)?);
        }
        known.made += 1;
        let exec = Arc::new(Exec {
            id: names::new_id(),
            container: container.clone(),
            config,
            number: known.made,
            phase: watch::channel(Phase::Created).0,
            pid: OnceLock::new(),
            begun: OnceLock::new(),
            size: watch::channel(None).0,
        });
        known.by_id.insert(exec.id.clone(), Arc::clone(&exec));
        Ok(exec)
    }
}

impl Exec {
    /// What clients see.
    pub(crate) fn inspect(&self) -> ExecInspect {
        let phase = self.phase.borrow().clone();
        let words = self.config.cmd.as_deref().unwrap_or_default();
        let mut inspect = ExecInspect {
            id: self.id.clone(),
            running: matches!(phase, Phase::Running(_)),
            process_config: ProcessConfig {
                tty: self.config.tty,
                entrypoint: words.first().cloned().unwrap_or_default(),
                arguments: words.get(1..).unwrap_or_default().to_vec(),
                privileged: Some(self.config.privileged),
                user: self.config.user.clone(),
            },
            open_stdin: self.config.attach_stdin,
            open_stderr: self.config.attach_stderr,
            open_stdout: self.config.attach_stdout,
            container_id: self.container.id().to_owned(),
            detach_keys: self.config.detach_keys.clone(),
            pid: self.pid.get().copied().map_or(0, i64::from),
            ..ExecInspect::default()
        };
        if let Phase::Exited { code } = phase {
            inspect.exit_code = Some(i64::from(code));
        }
        inspect
    }

    /// Refuses what a start would refuse at once: it was started before, or the container does not run.
    pub(crate) fn check_startable(&self) -> Result<(), Error> {
        if *self.phase.borrow() != Phase::Created {
            return Err(self.started_before());
        }
        running(&self.container, &self.container.snapshot().name).map(drop)
    }

    fn started_before(&self) -> Error {
        let state = match *self.phase.borrow() {
            Phase::Exited { .. } => "has already run",
            _ => "is already running",
        };
        Error::Conflict(format!("Error: Exec command {} {state}", self.id))
    }

    /// Sets the size of its terminal.
    pub(crate) fn resize(&self, rows: u16, columns: u16) -> Result<(), Error> {
        match &*self.phase.borrow() {
            Phase::Running(_) | Phase::Starting => {}
            _ => return Err(Error::Conflict(format!("exec {} is not running", self.id))),
        }
        self.size.send_replace(Some((rows, columns)));
        Ok(())
    }

    /// When the steps of its start were done, if it came to its program.
    pub(super) fn begun(&self) -> Option<&Timeline> {
        self.begun.get()
    }

    /// Kills it, if it runs.
    pub(super) fn kill(&self) {
        if let Phase::Running(running) = &*self.phase.borrow() {
            signals::send(running, SIGKILL);
        }
    }

    /// Its exit code, once it has ended.
    pub(super) fn exit_code(&self) -> Option<i32> {
        match *self.phase.borrow() {
            Phase::Exited { code } => Some(code),
            _ => None,
        }
    }

    /// Ends when the exec has ended.
    pub(crate) async fn ended(&self) {
        let mut phase = self.phase.subscribe();
        // An error says that there is nobody left who could end it.
        let _ = phase.wait_for(|phase| matches!(phase, Phase::Exited { .. })).await;
    }

    /// Whether the start has failed because the container's namespaces went away meanwhile.
    async fn lost_its_container(&self, error: &StepError) -> bool {
        error.kind == StepErrorKind::Other
            && matches!(error.errno, None | Some(libc::ESRCH))
            && self.container_ends().await
    }

    /// Whether the container has ended: its end is about to be heard of.
    async fn container_ends(&self) -> bool {
        let mut seen = self.container.snapshot.clone();
        let ended = seen.wait_for(|seen| seen.progress.state.running().is_none());
        tokio::time::timeout(LOST_LIMIT, ended).await.is_ok()
    }

    /// The streams that an attached client gets.
    fn streams(&self) -> Streams {
        Streams {
            stdin: self.config.attach_stdin,
            stdout: self.config.attach_stdout,
            stderr: self.config.attach_stderr,
        }
    }

    /// `exec_start: sh -c true`: how events name it.
    fn action(&self, verb: &str) -> String {
        let words = self.config.cmd.as_deref().unwrap_or_default();
        let (program, arguments) =
            words.split_first().map_or(("", &[][..]), |(a, b)| (a.as_str(), b));
        format!("{verb}: {program} {}", arguments.join(" "))
    }
}

impl Service {
    pub(super) fn create_exec(
        &self,
        handle: &Handle,
        named: &str,
        config: ExecConfig,
    ) -> Result<Arc<Exec>, Error> {
        if config.cmd.as_ref().is_none_or(|cmd| cmd.is_empty()) {
            return Err(Error::Invalid("No exec command specified".to_owned()));
        }
        running(handle, named)?;
        let exec = self.execs.insert(handle, config)?;
        self.tell_exec(&exec, &exec.action("exec_create"), &[]);
        Ok(exec)
    }

    /// Starts it; returns when it runs, with the connection to its streams unless it is detached.
    pub(super) async fn start_exec(
        self: &Arc<Self>,
        exec: &Arc<Exec>,
        how: ExecStart,
    ) -> Result<Option<UnixStream>, Error> {
        let first = exec.phase.send_if_modified(|phase| {
            let first = *phase == Phase::Created;
            if first {
                *phase = Phase::Starting;
            }
            first
        });
        if !first {
            return Err(exec.started_before());
        }
        let started = self.start_first(exec, how).await;
        if let Err(error) = &started {
            tracing::debug!(exec.id = exec.id, %error, "exec not started");
            exec.phase.send_replace(Phase::Exited { code: FAILED_EXIT_CODE });
        }
        started
    }

    async fn start_first(
        self: &Arc<Self>,
        exec: &Arc<Exec>,
        how: ExecStart,
    ) -> Result<Option<UnixStream>, Error> {
        let timeline = Timeline::begin(Step::Asked);
        self.tell_exec(exec, &exec.action("exec_start"), &[]);
        let running = running(&exec.container, &exec.container.snapshot().name)?;
        let (service, of) = (Arc::clone(self), Arc::clone(exec));
        let task = launch::Task { service, exec: of, running, how, timeline };
        let work = tokio::task::spawn_blocking(move || task.run());
        let Connections { control, streams, monitor } = work.await.map_err(Error::internal)??;
        let stream = streams.into_iter().next().map(UnixStream::from_std);
        let stream = stream.transpose().map_err(Error::internal)?;
        let mut control = Control::new(control).map_err(Error::internal)?;
        loop {
            let Ok(said) = tokio::time::timeout(self.start_limit, control.next()).await else {
                monitor.into_iter().for_each(end_monitor);
                let limit = self.start_limit.as_secs();
                let why = format!("start of exec {}: no answer after {limit} s", exec.id);
                return Err(Error::Internal(why));
            };
            match said {
                Some(MonitorState::Running { pid, start_ticks, started_at, mut timeline }) => {
                    timeline.mark(Step::Heard);
                    exec.begun.get_or_init(|| timeline);
                    exec.pid.get_or_init(|| pid);
                    let running = Running { pid, start_ticks, started_at };
                    exec.phase.send_replace(Phase::Running(running));
                    tokio::spawn(Arc::clone(self).watch_exec(Arc::clone(exec), control));
                    return Ok(stream);
                }
                Some(MonitorState::Failed { error }) if exec.lost_its_container(&error).await => {
                    return Err(Error::not_running(exec.container.id()));
                }
                Some(MonitorState::Failed { error }) => return Err(Error::ExecStart(error)),
                Some(MonitorState::Exited { exit }) => {
                    self.exec_ended(exec, exit.exit_code);
                    return Ok(stream);
                }
                Some(MonitorState::Starting | MonitorState::LogLost { .. }) => {}
                // Monitor and init are one memory until the program runs: an init that is killed in the middle may
                // take the monitor along.
                None if exec.container_ends().await => {
                    return Err(Error::not_running(exec.container.id()));
                }
                Some(MonitorState::Unsupported { .. }) | None => {
                    return Err(Error::Internal(format!(
                        "the monitor of exec {} has gone",
                        exec.id
                    )));
                }
            }
        }
    }

    /// Follows a running exec to its end and passes sizes on.
    async fn watch_exec(self: Arc<Self>, exec: Arc<Exec>, mut control: Control) {
        let mut size = exec.size.subscribe();
        size.mark_changed();
        let code = loop {
            tokio::select! {
                said = control.next() => match said {
                    Some(MonitorState::Exited { exit }) => break exit.exit_code,
                    Some(_) => {}
                    None => break LOST_EXIT_CODE,
                },
                Ok(()) = size.changed() => {
                    let asked = *size.borrow_and_update();
                    if let Some((rows, columns)) = asked
                        && let Err(error) = control.resize(rows, columns).await
                    {
                        tracing::debug!(exec.id = exec.id, %error, "resize not passed on");
                    }
                }
            }
        };
        self.exec_ended(&exec, code);
    }

    fn exec_ended(&self, exec: &Exec, code: i32) {
        exec.phase.send_replace(Phase::Exited { code });
        self.tell_exec(exec, "exec_die", &[("exitCode", code.to_string())]);
    }

    fn tell_exec(&self, exec: &Exec, action: &str, attributes: &[(&str, String)]) {
        let container = &exec.container;
        let mut all = vec![("execID", exec.id.clone())];
        all.extend(attributes.iter().cloned());
        let name = &container.snapshot().name;
        self.events.publish(super::actor::event(&container.definition, name, action, &all));
    }
}

/// The first process of a container that an exec may join, or why it may not.
fn running(container: &Handle, named: &str) -> Result<Running, Error> {
    let seen = container.snapshot();
    let state = &seen.progress.state;
    match (state.admit(Request::Exec), state.running()) {
        (Admission::Accept, Some(running)) => Ok(running.clone()),
        (Admission::Refuse(refusal), _) => Err(refusal.error(container.id(), named)),
        _ => Err(Error::not_running(container.id())),
    }
}
