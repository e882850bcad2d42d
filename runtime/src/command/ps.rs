//! `ps`: the processes of a container, as the host's ps(1) shows them.

use std::process::{Command, ExitCode};

use super::arguments::{Flag, Parsed};
use super::directory::Directory;
use super::error::CommandError;
use super::{Globals, Verb, report};
use crate::cgroup;

pub(super) const VERB: Verb = Verb {
    name: "ps",
    operands: "<container-id> [ps options]",
    about: "show the processes of a container",
    flags: &[Flag::with("format", "FORMAT", "table or json").short('f')],
    count: (1, usize::MAX),
    ends_at_operand: true,
    failure: 1,
    run,
};

fn run(globals: &Globals, parsed: &Parsed) -> Result<ExitCode, CommandError> {
    let directory = Directory::open(&globals.root, parsed.id())?;
    let record = directory.read(parsed.id())?;
    let pids = record.cgroup(&cgroup::layout()).pids()?;
    match parsed.value("format").unwrap_or("table") {
        "json" => {
            let text = serde_json::to_string(&pids);
            report::show(text.map_err(|error| CommandError::State(error.to_string()))?);
        }
        "table" => report::show(table(&pids, &parsed.operands[1..])?.trim_end()),
        other => return Err(CommandError::Usage(format!("invalid format option: {other:?}"))),
    }
    Ok(ExitCode::SUCCESS)
}

/// The lines of ps(1) that show these processes. Its output must have a column PID.
fn table(pids: &[i32], options: &[String]) -> Result<String, CommandError> {
    let options = if options.is_empty() { &["-ef".to_owned()] } else { options };
    let output = Command::new("ps").args(options).output().map_err(CommandError::io("ps"))?;
    if !output.status.success() {
        let why = format!("ps: {}", String::from_utf8_lossy(&output.stderr).trim());
        return Err(CommandError::State(why));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    let column = head
        .split_whitespace()
        .position(|name| name == "PID")
        .ok_or_else(|| CommandError::State("couldn't find PID field in ps output".to_owned()))?;
    let shown = lines.filter(|line| {
        let pid = line.split_whitespace().nth(column).and_then(|pid| pid.parse::<i32>().ok());
        pid.is_some_and(|pid| pids.contains(&pid))
    });
    Ok(std::iter::once(head).chain(shown).map(|line| format!("{line}\n")).collect())
}
