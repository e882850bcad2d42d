//! `state`: a container as JSON; runtime.md "State".

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::arguments::Parsed;
use super::directory::Directory;
use super::error::CommandError;
use super::{Globals, Verb, report};
use crate::cgroup::{self, Layout};
use crate::hooks::ContainerState;

pub(super) const VERB: Verb = Verb {
    name: "state",
    operands: "<container-id>",
    about: "show the state of a container as JSON",
    flags: &[],
    count: (1, 1),
    ends_at_operand: false,
    failure: 1,
    run,
};

/// The spec's state, and what runc adds to it.
#[derive(Debug, Serialize)]
pub(super) struct Full {
    #[serde(flatten)]
    pub(super) state: ContainerState,
    rootfs: std::path::PathBuf,
    pub(super) created: String,
    pub(super) owner: String,
}

/// The state of a container now.
pub(super) fn full(root: &Path, id: &str, layout: &Layout) -> Result<Full, CommandError> {
    let directory = Directory::open(root, id)?;
    let record = directory.read(id)?;
    let state = record.state(record.status(&directory, layout));
    Ok(Full { state, rootfs: record.rootfs, created: record.created, owner: record.owner })
}

/// Prints a value as JSON for people.
pub(super) fn print(value: &impl Serialize) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| CommandError::State(error.to_string()))?;
    report::show(text);
    Ok(())
}

fn run(globals: &Globals, parsed: &Parsed) -> Result<ExitCode, CommandError> {
    print(&full(&globals.root, parsed.id(), &cgroup::layout())?)?;
    Ok(ExitCode::SUCCESS)
}
