//! `start`: lets the program of a created container run.

use std::os::fd::AsFd;
use std::process::ExitCode;

use super::arguments::Parsed;
use super::directory::Directory;
use super::error::CommandError;
use super::notify::Listener;
use super::record::Record;
use super::{Globals, Verb, delete, make};
use crate::cgroup;
use crate::hooks::{self, Status};

pub(super) const VERB: Verb = Verb {
    name: "start",
    operands: "<container-id>",
    about: "run the program of a created container",
    flags: &[],
    count: (1, 1),
    ends_at_operand: false,
    failure: 1,
    run,
};

fn run(globals: &Globals, parsed: &Parsed) -> Result<ExitCode, CommandError> {
    let id = parsed.id();
    let directory = Directory::lock(&globals.root, id)?;
    let record = directory.read(id)?;
    let layout = cgroup::layout();
    let refuse = |why: &str| Err(CommandError::State(why.to_owned()));
    match record.status(&directory, &layout) {
        Status::Created => {}
        Status::Stopped => return refuse("cannot start a container that has stopped"),
        Status::Running => return refuse("cannot start an already running container"),
        other => return refuse(&format!("cannot start a container in the {} state", other.name())),
    }
    let connection =
        directory.connect().map_err(CommandError::io(format!("connect to the init of {id}")))?;
    let listener = Listener::of(&record, record.pid, Status::Created);
    make::release(&connection, record.pidfd()?.as_fd(), listener.as_ref())?;
    directory.remove_gate();
    if let Err(error) = after(&record) {
        delete::end(&record, &layout)?;
        delete::destroy(directory, &record, &layout)?;
        return Err(error);
    }
    Ok(ExitCode::SUCCESS)
}

/// The hooks once the program runs.
pub(super) fn after(record: &Record) -> Result<(), CommandError> {
    let state = record.state(Status::Running);
    Ok(hooks::run("poststart", &record.hooks.poststart, &state)?)
}
