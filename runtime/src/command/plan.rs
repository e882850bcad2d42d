//! `plan`: what a start of a bundle would do, for people or as JSON. Nothing is started.

use std::process::ExitCode;

use super::arguments::{Flag, Parsed};
use super::bundle::Bundle;
use super::error::CommandError;
use super::{Globals, Verb, make, report, state};
use crate::plan::Host;

pub(super) const VERB: Verb = Verb {
    name: "plan",
    operands: "[container-id]",
    about: "show what a start of a bundle would do",
    flags: &[make::BUNDLE, make::CONFIG, Flag::with("format", "FORMAT", "text or json [text]")],
    count: (0, 1),
    ends_at_operand: false,
    failure: 1,
    run,
};

fn run(globals: &Globals, parsed: &Parsed) -> Result<ExitCode, CommandError> {
    let id = if parsed.id().is_empty() { "container" } else { parsed.id() };
    let plan = Bundle::load(globals, parsed, id, &Host::probe())?.plan;
    match parsed.value("format").unwrap_or("text") {
        "json" => state::print(&plan)?,
        "text" => report::show(plan.describe().trim_end()),
        other => return Err(CommandError::Usage(format!("invalid format option: {other:?}"))),
    }
    Ok(ExitCode::SUCCESS)
}
