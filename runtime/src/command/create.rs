//! `create`: makes a container whose program waits for `start`.

use std::process::ExitCode;

use super::arguments::Parsed;
use super::error::CommandError;
use super::{Globals, Verb, make};

pub(super) const VERB: Verb = Verb {
    name: "create",
    operands: "<container-id>",
    about: "make a container; its program waits for start",
    flags: &[
        make::BUNDLE,
        make::CONFIG,
        make::CONSOLE,
        make::PID_FILE,
        make::PRESERVE,
        make::NO_PIVOT,
        make::NO_KEYRING,
    ],
    count: (1, 1),
    ends_at_operand: false,
    failure: 1,
    run,
};

fn run(globals: &Globals, parsed: &Parsed) -> Result<ExitCode, CommandError> {
    make::protect()?;
    make::make(globals, parsed, true).map(|_| ExitCode::SUCCESS)
}
