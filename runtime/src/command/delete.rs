//! `delete`: removes what is left of a container.

use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use super::arguments::{Flag, Parsed};
use super::directory::Directory;
use super::error::CommandError;
use super::record::Record;
use super::{Globals, Verb};
use crate::cgroup::{self, Layout};
use crate::hooks::{self, Status};
use crate::{process, sys};

/// How long the end of a killed process is waited for.
const END_LIMIT: Duration = Duration::from_secs(10);

pub(super) const VERB: Verb = Verb {
    name: "delete",
    operands: "<container-id>",
    about: "remove a container that has ended",
    flags: &[Flag::plain("force", "kill it first if it runs; no error if there is none").short('f')],
    count: (1, 1),
    ends_at_operand: false,
    failure: 1,
    run,
};

fn run(globals: &Globals, parsed: &Parsed) -> Result<ExitCode, CommandError> {
    let (id, force) = (parsed.id(), parsed.has("force"));
    let directory = match Directory::lock(&globals.root, id) {
        Err(CommandError::NotFound(_)) if force => return Ok(ExitCode::SUCCESS),
        directory => directory?,
    };
    let record = match directory.read(id) {
        // A killed `create` leaves no more than this.
        Err(CommandError::NotFound(_)) => {
            directory.remove()?;
            return Ok(ExitCode::SUCCESS);
        }
        record => record?,
    };
    let layout = cgroup::layout();
    match record.status(&directory, &layout) {
        Status::Stopped => {}
        Status::Created | Status::Creating => end(&record, &layout)?,
        _ if force => end(&record, &layout)?,
        status => {
            let why =
                format!("cannot delete container {id} that is not stopped: {}", status.name());
            return Err(CommandError::State(why));
        }
    }
    destroy(directory, &record, &layout)?;
    Ok(ExitCode::SUCCESS)
}

/// Removes a container whose program has just ended under this process's eyes.
pub(super) fn ended(globals: &Globals, id: &str) -> Result<(), CommandError> {
    match Directory::lock(&globals.root, id) {
        // Somebody else was quicker.
        Err(CommandError::NotFound(_)) => Ok(()),
        directory => {
            let directory = directory?;
            let record = directory.read(id)?;
            destroy(directory, &record, &cgroup::layout())
        }
    }
}

/// Removes groups and directory, then runs the last hooks.
pub(super) fn destroy(
    directory: Directory,
    record: &Record,
    layout: &Layout,
) -> Result<(), CommandError> {
    let cgroup = record.cgroup(layout);
    // Processes outlive the first one where it is not the init of a pid namespace.
    if cgroup.pids().is_ok_and(|pids| !pids.is_empty()) {
        cgroup.kill()?;
    }
    cgroup.remove()?;
    directory.remove()?;
    let state = record.state(Status::Stopped);
    for error in hooks::run_all("poststop", &record.hooks.poststop, &state) {
        // The spec wants a warning and no failure.
        eprintln!("warning: {error}");
    }
    Ok(())
}

/// Kills init and waits for its end.
pub(super) fn end(record: &Record, layout: &Layout) -> Result<(), CommandError> {
    let pidfd = match record.pidfd() {
        Err(CommandError::NotRunning(_)) => return Ok(()),
        pidfd => pidfd?,
    };
    // Gone already is as good.
    let _ = sys::process::send_signal(pidfd.as_fd(), libc::SIGKILL);
    let cgroup = record.cgroup(layout);
    if cgroup.is_frozen() {
        cgroup.thaw()?;
    }
    // A wait that fails says no more than one that is over.
    if process::wait_for_end(&pidfd, END_LIMIT).unwrap_or(false) {
        return Ok(());
    }
    Err(CommandError::State(format!("container {} does not end", record.id)))
}
