//! `kill`: sends a signal to a container's first process, or to all.

use std::os::fd::AsFd;
use std::process::ExitCode;

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::arguments::{Flag, Parsed};
use super::directory::Directory;
use super::error::CommandError;
use super::{Globals, Verb};
use crate::cgroup;
use crate::hooks::Status;
use crate::sys;

/// Highest signal; signal(7).
const SIGNAL_MAX: i32 = 64;

pub(super) const VERB: Verb = Verb {
    name: "kill",
    operands: "<container-id> [signal]",
    about: "send a signal (TERM if none is named) to a container",
    flags: &[Flag::plain("all", "to all processes of the container").short('a')],
    count: (1, 2),
    ends_at_operand: false,
    failure: 1,
    run,
};

fn run(globals: &Globals, parsed: &Parsed) -> Result<ExitCode, CommandError> {
    let id = parsed.id();
    let name = parsed.operands.get(1).map_or("SIGTERM", String::as_str);
    let signal =
        number(name).ok_or_else(|| CommandError::Usage(format!("unknown signal {name:?}")))?;
    let directory = Directory::open(&globals.root, id)?;
    let record = directory.read(id)?;
    let layout = cgroup::layout();
    let group = record.cgroup(&layout);
    if parsed.has("all") {
        return to_all(&group, signal).map(|()| ExitCode::SUCCESS);
    }
    if record.status(&directory, &layout) == Status::Stopped {
        return Err(CommandError::NotRunning(id.to_owned()));
    }
    let pidfd = record.pidfd()?;
    sys::process::send_signal(pidfd.as_fd(), signal)
        .map_err(CommandError::io(format!("signal {signal} to {id}")))?;
    // Only what is thawed can end; on version 2 the kernel sees to it.
    if signal == libc::SIGKILL && group.is_frozen() {
        group.thaw()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn to_all(group: &cgroup::Cgroup, signal: i32) -> Result<(), CommandError> {
    if signal == libc::SIGKILL {
        return Ok(group.kill()?);
    }
    for pid in group.pids()? {
        let handle = Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        if let Some(handle) = handle {
            // Gone already is as good.
            let _ = sys::process::send_signal(handle.as_fd(), signal);
        }
    }
    Ok(())
}

/// `9`, `KILL`, `SIGKILL`, `RTMIN+1`, in any case.
fn number(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (0..=SIGNAL_MAX).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let (low, high) = (libc::SIGRTMIN(), libc::SIGRTMAX());
    let real_time = match name.split_at_checked(5) {
        Some(("RTMIN", "")) => Some(low),
        Some(("RTMAX", "")) => Some(high),
        Some(("RTMIN", offset)) => {
            offset.strip_prefix('+').and_then(|n| Some(low + n.parse::<i32>().ok()?))
        }
        Some(("RTMAX", offset)) => {
            offset.strip_prefix('-').and_then(|n| Some(high - n.parse::<i32>().ok()?))
        }
        _ => None,
    };
    match real_time {
        Some(number) => (low..=high).contains(&number).then_some(number),
        None => format!("SIG{name}")
            .parse::<nix::sys::signal::Signal>()
            .ok()
            .map(|signal| signal as i32),
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn signals() {
        for (text, expected) in [
            ("9", Some(9)),
            ("KILL", Some(9)),
            ("sigterm", Some(15)),
            ("SIGRTMIN", Some(34)),
            ("RTMIN+3", Some(37)),
            ("RTMAX-1", Some(63)),
            ("RTMAX", Some(64)),
            ("RTMIN+31", None),
            ("65", None),
            ("-1", None),
            ("NOPE", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }
}
