//! `pause` and `resume`: freezing by control groups.

use std::process::ExitCode;

use super::arguments::Parsed;
use super::directory::Directory;
use super::error::CommandError;
use super::{Globals, Verb};
use crate::cgroup;
use crate::hooks::Status;

pub(super) const PAUSE: Verb = Verb {
    name: "pause",
    operands: "<container-id>",
    about: "stop all processes of a container where they stand",
    flags: &[],
    count: (1, 1),
    ends_at_operand: false,
    failure: 1,
    run: pause,
};

pub(super) const RESUME: Verb = Verb {
    name: "resume",
    operands: "<container-id>",
    about: "let the processes of a paused container go on",
    flags: &[],
    count: (1, 1),
    ends_at_operand: false,
    failure: 1,
    run: resume,
};

fn pause(globals: &Globals, parsed: &Parsed) -> Result<ExitCode, CommandError> {
    let directory = Directory::lock(&globals.root, parsed.id())?;
    let record = directory.read(parsed.id())?;
    let layout = cgroup::layout();
    match record.status(&directory, &layout) {
        Status::Running | Status::Created => record.cgroup(&layout).freeze()?,
        _ => {
            let why = format!("container not running or created: {}", record.id);
            return Err(CommandError::State(why));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn resume(globals: &Globals, parsed: &Parsed) -> Result<ExitCode, CommandError> {
    let directory = Directory::lock(&globals.root, parsed.id())?;
    let record = directory.read(parsed.id())?;
    let layout = cgroup::layout();
    if record.status(&directory, &layout) != Status::Paused {
        return Err(CommandError::State(format!("container not paused: {}", record.id)));
    }
    record.cgroup(&layout).thaw()?;
    Ok(ExitCode::SUCCESS)
}
