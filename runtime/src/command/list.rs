//! `list`: all containers of a root.

use std::process::ExitCode;

use super::arguments::{Flag, Parsed};
use super::error::CommandError;
use super::state::{self, Full};
use super::{Globals, Verb, directory, report};
use crate::cgroup;

pub(super) const VERB: Verb = Verb {
    name: "list",
    operands: "",
    about: "show the containers",
    flags: &[
        Flag::with("format", "FORMAT", "table or json").short('f'),
        Flag::plain("quiet", "ids only").short('q'),
    ],
    count: (0, 0),
    ends_at_operand: false,
    failure: 1,
    run,
};

fn run(globals: &Globals, parsed: &Parsed) -> Result<ExitCode, CommandError> {
    let layout = cgroup::layout();
    let ids = directory::ids(&globals.root)?;
    // One that goes away meanwhile is not there.
    let all: Vec<Full> =
        ids.iter().filter_map(|id| state::full(&globals.root, id, &layout).ok()).collect();
    if parsed.has("quiet") {
        all.iter().for_each(|one| report::show(&one.state.id));
        return Ok(ExitCode::SUCCESS);
    }
    match parsed.value("format").unwrap_or("table") {
        "json" => state::print(&all)?,
        "table" => report::show(table(&all).trim_end()),
        other => return Err(CommandError::Usage(format!("invalid format option: {other:?}"))),
    }
    Ok(ExitCode::SUCCESS)
}

/// Columns as wide as their widest cell, three spaces between two.
fn table(all: &[Full]) -> String {
    let head = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
    let row = |one: &Full| {
        let Full { state, created, owner, .. } = one;
        let bundle = state.bundle.display().to_string();
        let (id, pid) = (state.id.clone(), state.pid.to_string());
        [id, pid, state.status.name().to_owned(), bundle, created.clone(), owner.clone()]
    };
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(all.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let mut text = String::new();
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            text += &format!("{cell:<width$}   ", width = width(column));
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}
