//! Signals by name or number, and sending them to a process that is surely the one meant.

use std::os::fd::OwnedFd;

use runtime::process;

use super::state::Running;

pub(crate) const SIGTERM: i32 = 15;
pub(crate) const SIGKILL: i32 = 9;
/// The highest signal; signal(7).
const SIGNAL_MAX: i32 = 64;
const RTMIN: i32 = 34;

/// A signal as clients write it: `TERM`, `SIGTERM`, `15`, `RTMIN+3`.
pub(crate) fn parse(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (1..=SIGNAL_MAX).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let realtime =
        |offset: Option<i32>| offset.filter(|number| (RTMIN..=SIGNAL_MAX).contains(number));
    if let Some(rest) = name.strip_prefix("RTMIN") {
        return realtime(match rest {
            "" => Some(RTMIN),
            rest => rest.strip_prefix('+')?.parse::<i32>().ok().map(|offset| RTMIN + offset),
        });
    }
    if let Some(rest) = name.strip_prefix("RTMAX") {
        return realtime(match rest {
            "" => Some(SIGNAL_MAX),
            rest => rest.strip_prefix('-')?.parse::<i32>().ok().map(|offset| SIGNAL_MAX - offset),
        });
    }
    let name = match name {
        "CLD" => "CHLD",
        "POLL" => "IO",
        name => name,
    };
    format!("SIG{name}").parse::<nix::sys::signal::Signal>().ok().map(|signal| signal as i32)
}

/// A descriptor of the process; `None` if it has ended, even if its pid lives on in another process.
pub(super) fn open(running: &Running) -> Option<OwnedFd> {
    process::open(running.pid, running.start_ticks)
}

/// Whether the process has not ended.
pub(super) fn is_alive(running: &Running) -> bool {
    process::is_alive(running.pid, running.start_ticks)
}

/// Whether the process has ended, or can do nothing but end.
pub(super) fn is_doomed(running: &Running) -> bool {
    process::is_doomed(running.pid, running.start_ticks)
}

/// Sends a signal; says whether the process was there.
pub(super) fn send(running: &Running, signal: i32) -> bool {
    open(running).is_some_and(|pidfd| process::send_signal(pidfd, signal).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!(parse("SIGTERM"), Some(15));
        assert_eq!(parse("kill"), Some(9));
        assert_eq!(parse("28"), Some(28));
        assert_eq!(parse("WINCH"), Some(28));
        assert_eq!(parse("RTMIN+3"), Some(37));
        assert_eq!(parse("SIGRTMAX-1"), Some(63));
        for wrong in ["", "0", "65", "-1", "NOPE", "SIG", "RTMIN+99"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
