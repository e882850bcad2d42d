//! A start that comes to nothing, not even a failure: a file system that does not answer, a process that somebody
//! stopped. It is given up after the daemon's `--start-timeout`, with an error that names the step.

use std::fs;
use std::sync::{Mutex, PoisonError};

use runtime::launch::MonitorPid;
use runtime::process;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::FAILED_EXIT_CODE;
use crate::containers::actor::Actor;
use crate::containers::error::Error;
use crate::containers::monitor::{is_monitor, listeners};
use crate::containers::prepare::Launched;
use crate::containers::signals::SIGKILL;
use crate::containers::state::State;

/// Which step of its preparation a start is at.
#[derive(Debug, Default)]
pub(in crate::containers) struct Stage(Mutex<At>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum At {
    #[default]
    Begin,
    Step(&'static str),
    /// Handed over: launcher and monitor have limits of their own.
    Left,
    /// Nobody waits for it any more.
    GivenUp,
}

impl Stage {
    /// The next step begins, unless the start was given up.
    pub(in crate::containers) fn enter(&self, step: &'static str) -> Result<(), Error> {
        self.to(At::Step(step))
    }

    /// The preparation is over.
    pub(in crate::containers) fn leave(&self) -> Result<(), Error> {
        self.to(At::Left)
    }

    fn to(&self, next: At) -> Result<(), Error> {
        let mut at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *at == At::GivenUp {
            return Err(Error::Internal("the start was given up".to_owned()));
        }
        *at = next;
        Ok(())
    }

    /// Gives the preparation up, if it is not over; the step that it was at.
    fn give_up(&self) -> Option<&'static str> {
        let mut at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let step = match *at {
            At::Begin => "begin",
            At::Step(step) => step,
            At::Left | At::GivenUp => return None,
        };
        *at = At::GivenUp;
        Some(step)
    }
}

impl Actor {
    /// Waits for the preparation of a start, if need be for the whole limit.
    pub(super) async fn bounded(
        &mut self,
        mut work: JoinHandle<Result<Launched, Error>>,
        stage: &Stage,
    ) -> Result<Launched, Error> {
        let limit = self.service.start_limit;
        if let Ok(done) = timeout(limit, &mut work).await {
            return done.map_err(Error::internal)?;
        }
        let Some(step) = stage.give_up() else {
            return work.await.map_err(Error::internal)?;
        };
        // What it made it takes back by itself when it wakes up.
        self.stuck = Some(tokio::spawn(async { drop(work.await) }));
        let limit = limit.as_secs();
        let why = format!("start of container: {step}: no answer after {limit} s");
        tracing::error!(container.id = self.definition.id, why, "a start is given up");
        Err(Error::Internal(why))
    }

    /// An error while an earlier start still hangs: the two would be in each other's way.
    pub(super) fn refuse_while_stuck(&mut self) -> Result<(), Error> {
        if self.stuck.as_ref().is_some_and(|stuck| !stuck.is_finished()) {
            let id = &self.definition.id;
            return Err(Error::Conflict(format!("an earlier start of container {id} still hangs")));
        }
        self.stuck = None;
        Ok(())
    }

    /// A start that a daemon before this one began has the whole limit again.
    pub(in crate::containers) fn bound_inherited_start(&mut self) {
        if self.inherited_start {
            self.start_limit = Instant::now().checked_add(self.service.start_limit);
        }
    }

    /// The start has taken too long: everything of it is ended, and whoever waits hears how far it had come.
    pub(in crate::containers) async fn start_hangs(&mut self) {
        if self.progress.state != State::Starting {
            return;
        }
        let limit = self.service.start_limit.as_secs();
        let stuck = self.first_stuck();
        let why = format!("start of container: {stuck}: no answer after {limit} s");
        tracing::error!(container.id = self.definition.id, why, "a start is given up");
        self.control = None;
        self.end_monitors();
        self.clear_cgroup().await;
        self.failed(FAILED_EXIT_CODE, Error::Internal(why)).await;
    }

    /// Ends a monitor that hangs.
    pub(in crate::containers) fn end_monitors(&mut self) {
        self.known_monitors().into_iter().for_each(end_monitor);
        self.monitor = None;
    }

    /// Its monitor. Whoever inherited the start knows it by its socket alone.
    fn known_monitors(&self) -> Vec<MonitorPid> {
        match self.monitor {
            Some(monitor) => vec![monitor],
            None => listeners(&self.definition.id),
        }
    }

    /// The step that hangs, and in what state the process is that does it.
    fn first_stuck(&self) -> String {
        let of = |what: &str, pid: i32| match state(pid) {
            Some(state) => format!("{what} (pid {pid}: {state})"),
            None => format!("{what} (pid {pid}: gone)"),
        };
        match self.cgroup().pids().unwrap_or_default().first() {
            Some(init) => of("init, mounts and program", *init),
            None => match self.known_monitors().first() {
                Some(monitor) => of("monitor, root file system and control groups", monitor.0),
                None => "monitor, root file system and control groups".to_owned(),
            },
        }
    }
}

/// Ends a monitor that has not answered, if the pid is still that of one: it must not go on when it wakes up.
pub(in crate::containers) fn end_monitor(MonitorPid(pid): MonitorPid) {
    let Some(pidfd) = process::open(pid, process::start_ticks(pid)) else { return };
    if is_monitor(pid) {
        // Ended already is as good.
        _ = process::send_signal(pidfd, SIGKILL);
    }
}

/// As in proc_pid_status(5): `D (disk sleep)`, `T (stopped)`.
fn state(pid: i32) -> Option<String> {
    status(pid, "State:")
}

/// A line of proc_pid_status(5).
fn status(pid: i32, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(value.trim().replace('\t', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_up_goes_no_further() {
        let stage = Stage::default();
        stage.enter("one").unwrap();
        assert_eq!(stage.give_up(), Some("one"));
        assert!(stage.enter("two").is_err() && stage.leave().is_err());
        assert_eq!(stage.give_up(), None);
    }

    #[test]
    fn what_is_over_is_not_given_up() {
        let stage = Stage::default();
        stage.leave().unwrap();
        assert_eq!(stage.give_up(), None);
    }
}
