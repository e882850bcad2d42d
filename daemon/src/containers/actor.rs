//! The one task that writes a container's state. It takes requests from its queue one at a time, hears its monitor,
//! and watches one deadline; nothing in it waits for the container, so every request gets its answer.

use std::sync::Arc;
use std::time::Duration;

use runtime::launch::MonitorPid;
use runtime::monitor::protocol::State as MonitorState;
use runtime::timeline::{Step, Timeline};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::Service;
use super::error::Error;
use super::handle::{Attached, Command, Handle, Outcome, QUEUE, Reply, Snapshot, Streams};
use super::health::{self, Watch};
use super::monitor::{Control, RunDir};
use super::pause::Pausing;
use super::record::{Definition, Progress, Writer};
use super::state::{Admission, Request, Running, State};
use crate::events::{Event, Kind};

/// Clients that may wait for one container's start with an attach.
const MAX_WAITING_ATTACHES: usize = 64;
/// Requests put off while a start is under way.
const MAX_DEFERRED: usize = QUEUE;

/// A client that attached before the start.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) streams: Streams,
    pub(super) stream: oneshot::Sender<tokio::net::UnixStream>,
}

/// A stop under way.
#[derive(Debug, Default)]
pub(super) struct Stopping {
    /// When SIGKILL follows; `None`: never, or it was sent.
    pub(super) kill_at: Option<Instant>,
    /// When the end should have been heard of; `None` before SIGKILL.
    pub(super) end_by: Option<Instant>,
    /// The process has ended, and its monitor is late to tell.
    pub(super) awaits_news: bool,
    /// Asked for by a stop, not only a kill.
    pub(super) gently: bool,
    pub(super) replies: Vec<Reply>,
    /// Who asked for a restart, of which this stop is the first half.
    pub(super) restarts: Vec<Reply>,
}

/// A container's actor. Its verbs are in the files beside this one.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) service: Arc<Service>,
    pub(super) definition: Arc<Definition>,
    pub(super) writer: Arc<Writer>,
    pub(super) name: String,
    pub(super) progress: Progress,
    pub(super) exits: u64,
    /// Of the last start that came to its program; empty before.
    pub(super) timeline: Arc<Timeline>,
    pub(super) run_dir: RunDir,
    pub(super) control: Option<Control>,
    /// The monitor of the last start, if this daemon made it.
    pub(super) monitor: Option<MonitorPid>,
    /// Who asked for the start that is under way, and what each is told if it succeeds.
    pub(super) starting: Vec<(Reply, Outcome)>,
    /// The start under way is the second half of a restart.
    pub(super) again: bool,
    pub(super) stopping: Stopping,
    /// Who asked for the removal that waits for the end.
    pub(super) removing: Vec<Reply>,
    /// The removal takes the anonymous volumes along.
    pub(super) removing_volumes: bool,
    pub(super) waiting: Vec<Waiting>,
    pub(super) deferred: Vec<Command>,
    pub(super) pausing: Option<Pausing>,
    /// Its restart policy does not matter at the next end.
    pub(super) last_run: bool,
    /// The daemon ends and takes it along: it is not started again.
    pub(super) ending: bool,
    /// When the start under way has taken too long.
    pub(super) start_limit: Option<Instant>,
    /// The preparation of a start that was given up, while it still hangs.
    pub(super) stuck: Option<tokio::task::JoinHandle<()>>,
    /// The start under way is of a daemon that has died.
    pub(super) inherited_start: bool,
    pub(super) restart_at: Option<Instant>,
    pub(super) restart_pause: Option<Duration>,
    /// The health check, while it is carried out.
    pub(super) health: Option<Watch>,
    /// Takes the interfaces of the last run away.
    pub(super) releasing: Option<tokio::task::JoinHandle<()>>,
    /// The state that was published last; kept up only where it is checked.
    published: State,
    snapshot: watch::Sender<Arc<Snapshot>>,
    commands: mpsc::Receiver<Command>,
}

/// What an actor is made from.
#[derive(Debug)]
pub(super) struct Seed {
    pub(super) definition: Arc<Definition>,
    pub(super) writer: Writer,
    pub(super) name: String,
    pub(super) progress: Progress,
    pub(super) control: Option<Control>,
}

impl Actor {
    /// An actor that does not run yet, and the handle to it.
    pub(super) fn new(service: &Arc<Service>, seed: Seed) -> (Self, Handle) {
        let Seed { definition, writer, name, progress, control } = seed;
        let timeline = Arc::new(Timeline::default());
        let first = Snapshot {
            name: name.clone(),
            progress: progress.clone(),
            exits: 0,
            timeline: Arc::clone(&timeline),
        };
        let (snapshot, seen) = watch::channel(Arc::new(first));
        let (sender, commands) = mpsc::channel(QUEUE);
        let handle = Handle {
            definition: Arc::clone(&definition),
            commands: sender,
            snapshot: seen,
            shown: Arc::default(),
        };
        let actor = Self {
            run_dir: RunDir::new(&service.run_root, &definition.id),
            service: Arc::clone(service),
            writer: Arc::new(writer),
            definition,
            name,
            exits: 0,
            timeline,
            control,
            monitor: None,
            starting: Vec::new(),
            again: false,
            stopping: Stopping::default(),
            removing: Vec::new(),
            removing_volumes: false,
            waiting: Vec::new(),
            deferred: Vec::new(),
            pausing: None,
            last_run: progress.stopped_by_client,
            ending: false,
            start_limit: None,
            stuck: None,
            inherited_start: progress.state == State::Starting,
            restart_at: None,
            restart_pause: None,
            health: None,
            releasing: None,
            published: progress.state.clone(),
            progress,
            snapshot,
            commands,
        };
        (actor, handle)
    }

    /// Runs until the container is removed or the daemon ends.
    pub(super) async fn run(mut self) {
        while !matches!(self.progress.state, State::Removed(_)) {
            let look = self.pausing.as_ref().map(|pausing| pausing.next_look);
            let Stopping { kill_at, end_by, .. } = self.stopping;
            let deadlines = [look, kill_at, end_by, self.restart_at, self.start_limit];
            let deadline = deadlines.into_iter().flatten().min();
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.command(command).await,
                    None => return,
                },
                said = hear(&mut self.control) => self.heard(said).await,
                () = until(deadline) => self.deadline_passed().await,
                turn = health::next(&mut self.health) => self.health_turn(turn),
            }
        }
    }

    async fn command(&mut self, command: Command) {
        let under_way = self.progress.state == State::Starting;
        if under_way && !matches!(command, Command::Start(_) | Command::Attach { .. }) {
            return self.defer(command);
        }
        match command {
            Command::Start(reply) => match self.admit(Request::Start) {
                Ok(Admission::NotModified) => _ = reply.send(Ok(Outcome::NotModified)),
                Ok(Admission::Join) => self.starting.push((reply, Outcome::NotModified)),
                Ok(_) => {
                    self.starting.push((reply, Outcome::Done));
                    self.progress.restart_count = 0;
                    self.start().await;
                }
                Err(error) => _ = reply.send(Err(error)),
            },
            Command::Stop { signal, timeout, reply } => match self.admit(Request::Stop) {
                Ok(Admission::NotModified) => _ = reply.send(Ok(Outcome::NotModified)),
                Ok(_) => self.stop(signal, timeout, reply),
                Err(error) => _ = reply.send(Err(error)),
            },
            Command::Restart { signal, timeout, reply } => match self.admit(Request::Restart) {
                Ok(_) => self.restart(signal, timeout, reply).await,
                Err(error) => _ = reply.send(Err(error)),
            },
            Command::ShutDown(reply) => self.shut_down(reply),
            Command::Pause(reply) => self.pause(reply),
            Command::Unpause(reply) => _ = reply.send(self.unpause()),
            Command::Rename { name, reply } => _ = reply.send(self.rename(&name)),
            Command::Unlink { alias, reply } => _ = reply.send(self.unlink(&alias)),
            Command::Update { update, reply } => _ = reply.send(self.update(&update).await),
            Command::Kill { signal, reply } => match self.admit(Request::Kill) {
                Ok(_) => self.kill(signal, reply),
                Err(error) => _ = reply.send(Err(error)),
            },
            Command::Remove { force, volumes, reply } => {
                match self.admit(Request::Remove { force }) {
                    Ok(_) => self.remove(volumes, reply).await,
                    Err(error) => _ = reply.send(Err(error)),
                }
            }
            Command::Network { change, reply } => {
                _ = reply.send(self.change_networks(change).await);
            }
            Command::Attach { streams, reply } => _ = reply.send(self.attach(streams)),
            Command::Resize { rows, columns, reply } => {
                let resized = self.resize(rows, columns).await;
                _ = reply.send(resized.map(|()| Outcome::Done));
            }
        }
    }

    pub(super) fn admit(&self, request: Request) -> Result<Admission, Error> {
        if self.ending && matches!(request, Request::Start | Request::Restart) {
            return Err(self.daemon_ends());
        }
        match self.progress.state.admit(request) {
            Admission::Refuse(refusal) => Err(refusal.error(&self.definition.id, &self.name)),
            admission => Ok(admission),
        }
    }

    /// Puts a request off until the start under way has come to something.
    fn defer(&mut self, command: Command) {
        if self.deferred.len() < MAX_DEFERRED {
            return self.deferred.push(command);
        }
        let id = &self.definition.id;
        let full = format!("{MAX_DEFERRED} requests wait for the start of container {id} already");
        command.refuse(Error::Conflict(full));
    }

    async fn heard(&mut self, said: Option<MonitorState>) {
        match said {
            Some(MonitorState::Running { pid, start_ticks, started_at, mut timeline }) => {
                let running = Running { pid, start_ticks, started_at };
                // An adopted container's monitor tells what is known, but for its timeline.
                let known = self.progress.state.running() == Some(&running);
                if !known {
                    timeline.mark(Step::Heard);
                }
                self.timeline = Arc::new(timeline);
                match known {
                    true => self.publish(),
                    false => self.runs(running).await,
                }
            }
            Some(MonitorState::Failed { error }) => {
                self.start_failed(&error, Error::Start(error.clone())).await;
            }
            Some(MonitorState::Exited { exit }) => self.ended(&exit).await,
            Some(MonitorState::Starting) => {}
            Some(MonitorState::LogLost { error, lost, over }) => {
                self.log_lost(&error, lost, over);
            }
            Some(MonitorState::Unsupported { version }) => self.estranged(version).await,
            None => {
                self.control = None;
                self.monitor_gone().await;
            }
        }
    }

    async fn deadline_passed(&mut self) {
        let now = Instant::now();
        let passed = |deadline: &mut Instant| *deadline <= now;
        if self.pausing.as_ref().is_some_and(|pausing| pausing.next_look <= now) {
            self.look_whether_paused();
        }
        if self.start_limit.take_if(passed).is_some() {
            self.start_hangs().await;
        } else if self.stopping.kill_at.take_if(passed).is_some() {
            self.kill_now();
        } else if self.stopping.end_by.take_if(passed).is_some() {
            self.end_not_heard().await;
        } else if self.restart_at.take_if(passed).is_some() {
            self.progress.restart_count += 1;
            self.start().await;
        }
    }

    fn attach(&mut self, streams: Streams) -> Result<Attached, Error> {
        if self.progress.state.is_live() {
            self.refuse_strange_monitor()?;
            match self.connect(streams) {
                Ok(stream) => return Ok(Attached::Now(stream)),
                // It has just ended, which is about to be heard of: this client comes after the end.
                Err(error) => {
                    tracing::debug!(container.id = self.definition.id, %error, "no monitor")
                }
            }
        }
        if self.waiting.len() >= MAX_WAITING_ATTACHES {
            return Err(Error::Conflict(format!(
                "{MAX_WAITING_ATTACHES} clients wait for container {} already",
                self.definition.id
            )));
        }
        let (stream, receiver) = oneshot::channel();
        self.waiting.retain(|waiting| !waiting.stream.is_closed());
        self.waiting.push(Waiting { streams, stream });
        Ok(Attached::Later(receiver))
    }

    fn connect(&self, streams: Streams) -> std::io::Result<tokio::net::UnixStream> {
        tokio::net::UnixStream::from_std(self.run_dir.connect(streams.into())?)
    }

    async fn resize(&mut self, rows: u16, columns: u16) -> Result<(), Error> {
        self.admit(Request::Resize)?;
        self.refuse_strange_monitor()?;
        let sent = match &mut self.control {
            Some(control) => control.resize(rows, columns).await.is_ok(),
            None => false,
        };
        // A monitor that does not listen has just ended.
        sent.then_some(()).ok_or_else(|| Error::not_running(&self.definition.id))
    }

    /// Takes up what was put off while the start was under way.
    pub(super) async fn take_up_deferred(&mut self) {
        for command in std::mem::take(&mut self.deferred) {
            if !matches!(self.progress.state, State::Removed(_)) {
                Box::pin(self.command(command)).await;
            }
        }
    }

    /// Lets everybody see the state as it is now.
    pub(super) fn publish(&mut self) {
        let state = &self.progress.state;
        debug_assert!(self.published.may_become(state), "from {:?} to {state:?}", self.published);
        if cfg!(debug_assertions) {
            self.published = state.clone();
        }
        self.show(&self.progress);
    }

    pub(super) fn show(&self, progress: &Progress) {
        self.snapshot.send_replace(Arc::new(Snapshot {
            name: self.name.clone(),
            progress: progress.clone(),
            exits: self.exits,
            timeline: Arc::clone(&self.timeline),
        }));
    }

    /// Stores the state as it is now. A failure is told and survived: the record is one state behind, which the
    /// next boot makes good from the monitor or its exit record.
    pub(super) fn persist(&self) {
        if let Err(error) = self.writer.update(&self.progress) {
            tracing::error!(container.id = self.definition.id, %error, "state not stored");
        }
    }

    /// Tells everybody who listens for events.
    pub(super) fn tell(&self, action: &str, attributes: &[(&str, String)]) {
        self.service.events.publish(event(&self.definition, &self.name, action, attributes));
    }
}

/// An event of a container, with the attributes that every one has.
pub(super) fn event(
    definition: &Definition,
    name: &str,
    action: &str,
    attributes: &[(&str, String)],
) -> Event {
    let labels = definition.config.labels.iter().flatten();
    Event::new(Kind::Container, action, definition.id.as_str())
        .with("image", definition.config.image.as_str())
        .with("name", name)
        .with_all(attributes.iter().map(|(key, value)| (*key, value.clone())))
        .with_all(labels.map(|(key, value)| (key.clone(), value.clone())))
}

async fn hear(control: &mut Option<Control>) -> Option<MonitorState> {
    match control {
        Some(control) => control.next().await,
        None => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
