//! The states of a container and what is allowed in each. Pure; [`super::actor`] is the only writer.
//!
//! ```text
//!            start           running ◄─ pause, unpause ─► Paused (ends as Running does)
//!                                                     exit
//! Created ──────────► Starting ──────► Running ──────────────► Exited ──┐ start
//!    │                   │  failed       │  exit, policy         ▲      │
//!    │                   └──────────► Exited ◄── stop ──┐        │      ▼
//!    │ remove                            ▼              │        │   Starting
//!    └──────────► Removing ◄──────── Restarting ────────┴─► Starting
//!                    └─► Removed
//! ```
//!
//! A container whose first start failed is `Exited` without a start time; Docker calls it `created`.

use api_spec::container::{ContainerState, ZERO_TIME};
use serde::{Deserialize, Serialize};

use super::error::Error;

/// Where a container is in its life. Persisted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(crate) enum State {
    Created,
    Starting,
    Running(Running),
    /// Runs, and all its processes are frozen.
    Paused(Running),
    /// Ended, and about to be started again by its restart policy.
    Restarting(Exit),
    Exited(Exit),
    Removing(Exit),
    /// The last state that waiters see; never stored.
    Removed(Exit),
}

/// The first process of a running container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) pid: i32,
    /// With the pid, names the process for good; proc_pid_stat(5), field 22.
    pub(crate) start_ticks: u64,
    /// RFC 3339.
    pub(crate) started_at: String,
}

/// How a container ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exit {
    pub(crate) exit_code: i32,
    pub(crate) oom_killed: bool,
    /// Why it could not be started, or what went wrong; empty if nothing did.
    pub(crate) error: String,
    /// RFC 3339; `None` if it never ran.
    pub(crate) started_at: Option<String>,
    pub(crate) finished_at: Option<String>,
}

/// What a client asks of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    Start,
    Stop,
    Kill,
    Exec,
    Resize,
    Pause,
    Unpause,
    Restart,
    /// A look at its processes.
    Top,
    /// Another name or other limits.
    Change,
    Remove {
        force: bool,
    },
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Admission {
    Accept,
    /// It is so already: 304.
    NotModified,
    /// Join the request of the same kind that is under way.
    Join,
    Refuse(Refusal),
}

/// Why a request is refused; see [`Refusal::error`] for the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotRunning,
    RunningCannotBeRemoved,
    RestartingCannotBeRemoved,
    PausedCannotBeRemoved,
    PausedCannotStart,
    PausedCannotExec,
    AlreadyPaused,
    NotPaused,
    Restarting,
    BeingRemoved,
    Gone,
}

impl State {
    /// Whether the request is legal now.
    pub(crate) fn admit(&self, request: Request) -> Admission {
        use Admission::{Accept, Join, NotModified, Refuse};
        match (self, request) {
            (Self::Removed(_), _) => Refuse(Refusal::Gone),
            (Self::Removing(_), Request::Remove { .. }) => Refuse(Refusal::BeingRemoved),
            (Self::Removing(_), Request::Start | Request::Restart | Request::Change) => {
                Refuse(Refusal::BeingRemoved)
            }
            (_, Request::Restart | Request::Change) => Accept,
            (Self::Paused(_), request) => match request {
                Request::Start => Refuse(Refusal::PausedCannotStart),
                Request::Remove { force: false } => Refuse(Refusal::PausedCannotBeRemoved),
                Request::Exec => Refuse(Refusal::PausedCannotExec),
                Request::Pause => Refuse(Refusal::AlreadyPaused),
                _ => Accept,
            },
            (_, Request::Unpause) => Refuse(Refusal::NotPaused),
            // There is nobody to signal, but the restart that is due is given up.
            (Self::Restarting(_), Request::Kill) => Accept,
            (Self::Restarting(_), Request::Pause | Request::Top) => Refuse(Refusal::Restarting),
            (Self::Running(_), Request::Start) => NotModified,
            (Self::Starting, Request::Start) => Join,
            (_, Request::Start) => Accept,
            (Self::Running(_) | Self::Starting, Request::Remove { force: false }) => {
                Refuse(Refusal::RunningCannotBeRemoved)
            }
            (Self::Restarting(_), Request::Remove { force: false }) => {
                Refuse(Refusal::RestartingCannotBeRemoved)
            }
            (_, Request::Remove { .. }) => Accept,
            (Self::Running(_) | Self::Starting | Self::Restarting(_), Request::Stop) => Accept,
            (_, Request::Stop) => NotModified,
            (Self::Running(_), _) => Accept,
            (
                _,
                Request::Kill | Request::Exec | Request::Resize | Request::Pause | Request::Top,
            ) => Refuse(Refusal::NotRunning),
        }
    }

    /// Whether a container may come from this state into that one; see the head of this file. Every state may be
    /// told again.
    pub(crate) fn may_become(&self, next: &Self) -> bool {
        match (self, next) {
            (Self::Created, Self::Created | Self::Starting | Self::Removing(_)) => true,
            // What a dead daemon began and what came to nothing is as it was before.
            (Self::Starting, next) => !matches!(next, Self::Paused(_) | Self::Removed(_)),
            (Self::Running(_) | Self::Paused(_), next) => matches!(
                next,
                Self::Running(_) | Self::Paused(_) | Self::Restarting(_) | Self::Exited(_)
            ),
            (Self::Restarting(_), next) => matches!(
                next,
                Self::Restarting(_) | Self::Starting | Self::Exited(_) | Self::Removing(_)
            ),
            (Self::Exited(_), Self::Exited(_) | Self::Starting | Self::Removing(_)) => true,
            // A removal may fail.
            (Self::Removing(_), next) => {
                matches!(next, Self::Removing(_) | Self::Removed(_) | Self::Exited(_))
            }
            _ => false,
        }
    }

    /// Docker's word.
    pub(crate) fn status(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Exited(exit) | Self::Removed(exit) if exit.started_at.is_none() => "created",
            Self::Starting => "created",
            Self::Running(_) => "running",
            Self::Paused(_) => "paused",
            Self::Restarting(_) => "restarting",
            Self::Exited(_) | Self::Removed(_) => "exited",
            Self::Removing(_) => "removing",
        }
    }

    /// The first process, while there is one.
    pub(crate) fn running(&self) -> Option<&Running> {
        match self {
            Self::Running(running) | Self::Paused(running) => Some(running),
            _ => None,
        }
    }

    /// Whether there is a process, or is about to be.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self, Self::Starting) || self.running().is_some()
    }

    /// How it ended last, unless it runs.
    pub(crate) fn exit(&self) -> Option<&Exit> {
        match self {
            Self::Restarting(exit)
            | Self::Exited(exit)
            | Self::Removing(exit)
            | Self::Removed(exit) => Some(exit),
            Self::Created | Self::Starting | Self::Running(_) | Self::Paused(_) => None,
        }
    }

    /// Docker's view of the state. `before` is how the container ended the time before.
    pub(crate) fn to_api(&self, before: Option<&Exit>) -> ContainerState {
        let exit = self.exit().or(before);
        let time = |time: Option<&String>| time.cloned().unwrap_or_else(|| ZERO_TIME.to_owned());
        let restarting = matches!(self, Self::Restarting(_));
        let mut state = ContainerState {
            status: self.status().to_owned(),
            running: self.running().is_some() || restarting,
            paused: matches!(self, Self::Paused(_)),
            restarting,
            exit_code: exit.map_or(0, |exit| i64::from(exit.exit_code)),
            oom_killed: exit.is_some_and(|exit| exit.oom_killed),
            error: exit.map(|exit| exit.error.clone()).unwrap_or_default(),
            started_at: time(exit.and_then(|exit| exit.started_at.as_ref())),
            finished_at: time(exit.and_then(|exit| exit.finished_at.as_ref())),
            ..ContainerState::default()
        };
        if let Some(running) = self.running() {
            state.pid = i64::from(running.pid);
            state.started_at.clone_from(&running.started_at);
            (state.exit_code, state.oom_killed) = (0, false);
            state.error.clear();
        }
        state
    }
}

impl Refusal {
    /// Docker's text for the container with this id and name.
    pub(crate) fn error(self, id: &str, name: &str) -> Error {
        match self {
            Self::NotRunning => Error::not_running(id),
            Self::RunningCannotBeRemoved => Error::Conflict(format!(
                "cannot remove container \"/{name}\": container is running: stop the container before removing or \
                 force remove"
            )),
            Self::RestartingCannotBeRemoved => Error::Conflict(format!(
                "cannot remove container \"/{name}\": container is restarting: stop the container before removing \
                 or force remove"
            )),
            Self::PausedCannotBeRemoved => Error::Conflict(format!(
                "cannot remove container \"/{name}\": container is paused and must be unpaused first"
            )),
            Self::PausedCannotStart => {
                Error::Conflict("cannot start a paused container, try unpause instead".to_owned())
            }
            Self::PausedCannotExec => Error::Conflict(format!(
                "Container {name} is paused, unpause the container before exec"
            )),
            Self::AlreadyPaused => Error::Conflict(format!("Container {id} is already paused")),
            Self::NotPaused => Error::Internal(format!("Container {id} is not paused")),
            Self::Restarting => Error::Conflict(format!(
                "Container {id} is restarting, wait until the container is running"
            )),
            Self::BeingRemoved => {
                Error::Conflict(format!("removal of container {name} is already in progress"))
            }
            Self::Gone => Error::NoContainer(id.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states() -> [State; 8] {
        let running = Running { pid: 1, start_ticks: 2, started_at: "t".into() };
        let exit = Exit::default();
        [
            State::Created,
            State::Starting,
            State::Running(running.clone()),
            State::Paused(running),
            State::Restarting(exit.clone()),
            State::Exited(exit.clone()),
            State::Removing(exit.clone()),
            State::Removed(exit),
        ]
    }

    fn row(request: Request) -> String {
        let letter = |state: &State| match state.admit(request) {
            Admission::Accept => 'a',
            Admission::NotModified => 'n',
            Admission::Join => 'j',
            Admission::Refuse(Refusal::NotRunning) => '-',
            Admission::Refuse(Refusal::RunningCannotBeRemoved) => 'r',
            Admission::Refuse(Refusal::Restarting) => 'w',
            Admission::Refuse(Refusal::NotPaused) => 'u',
            Admission::Refuse(Refusal::BeingRemoved) => 'b',
            Admission::Refuse(Refusal::Gone) => 'g',
            Admission::Refuse(_) => 'p',
        };
        states().iter().map(letter).collect()
    }

    #[test]
    fn every_request_has_an_answer_in_every_state() {
        // created, starting, running, paused, restarting, exited, removing, removed
        assert_eq!(row(Request::Start), "ajnpaabg");
        assert_eq!(row(Request::Stop), "naaaanng");
        assert_eq!(row(Request::Kill), "--aaa--g");
        assert_eq!(row(Request::Exec), "--ap---g");
        assert_eq!(row(Request::Remove { force: false }), "arrppabg");
        assert_eq!(row(Request::Remove { force: true }), "aaaaaabg");
        assert_eq!(row(Request::Pause), "--apw--g");
        assert_eq!(row(Request::Unpause), "uuuauuug");
        assert_eq!(row(Request::Restart), "aaaaaabg");
        assert_eq!(row(Request::Top), "--aaw--g");
        assert_eq!(row(Request::Change), "aaaaaabg");
    }

    #[test]
    fn states_survive_being_stored() {
        for state in states() {
            let json = serde_json::to_string(&state).unwrap();
            assert_eq!(serde_json::from_str::<State>(&json).unwrap(), state);
        }
    }

    #[test]
    fn a_failed_first_start_is_still_created() {
        let exit = Exit { exit_code: 127, error: "no".into(), ..Exit::default() };
        let api = State::Exited(exit).to_api(None);
        assert_eq!((api.status.as_str(), api.exit_code), ("created", 127));
        assert_eq!(api.started_at, ZERO_TIME);
    }
}
