//! `run`: create, start and, in the foreground, wait and delete.

use std::os::fd::AsFd;
use std::process::ExitCode;

use super::arguments::{Flag, Parsed};
use super::error::CommandError;
use super::make::{self, Made};
use super::notify::Listener;
use super::supervise::{self, Signals};
use super::{Globals, Verb, delete, start};
use crate::cgroup;
use crate::hooks::Status;

pub(super) const VERB: Verb = Verb {
    name: "run",
    operands: "<container-id>",
    about: "make a container and run its program",
    flags: &[
        make::BUNDLE,
        make::CONFIG,
        make::CONSOLE,
        make::PID_FILE,
        make::PRESERVE,
        make::NO_PIVOT,
        make::NO_KEYRING,
        Flag::plain("detach", "do not wait for the program").short('d'),
        Flag::plain("keep", "do not delete the container when its program has ended"),
        Flag::plain("no-subreaper", "accepted for runc's sake"),
    ],
    count: (1, 1),
    ends_at_operand: false,
    failure: 1,
    run,
};

fn run(globals: &Globals, parsed: &Parsed) -> Result<ExitCode, CommandError> {
    make::protect()?;
    check_console(parsed)?;
    let detach = parsed.has("detach");
    let signals = if detach { None } else { Some(Signals::block()?) };
    let Made { directory, record, launched } = make::make(globals, parsed, false)?;
    if detach && launched.terminal.is_some() {
        make::undo(&launched);
        directory.remove()?;
        let why = "cannot allocate tty in the background without a console socket";
        return Err(CommandError::Usage(why.to_owned()));
    }
    let listener = Listener::of(&record, launched.pid, Status::Created);
    let started = make::release(&launched.sync, launched.pidfd.as_fd(), listener.as_ref());
    let started = started.map_err(CommandError::from);
    let started = started.and_then(|()| start::after(&record));
    if let Err(error) = started {
        make::undo(&launched);
        delete::destroy(directory, &record, &cgroup::layout())?;
        return Err(error);
    }
    let Some(signals) = signals else {
        return Ok(ExitCode::SUCCESS);
    };
    // Others may act on the container while it runs.
    let id = parsed.id();
    drop(directory);
    let code = supervise::wait(&launched, &signals)?;
    if !parsed.has("keep") {
        delete::ended(globals, id)?;
    }
    Ok(code)
}

/// A console socket is for those who do not stay.
fn check_console(parsed: &Parsed) -> Result<(), CommandError> {
    if parsed.value("console-socket").is_some() && !parsed.has("detach") {
        let why = "a console socket is for a tty in the background";
        return Err(CommandError::Usage(why.to_owned()));
    }
    Ok(())
}
