//! Processes by pid and start time: what the kernel tells of them (proc_pid_stat(5)), and signals to them
//! that cannot reach another process with the same pid.

use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::sys;

/// Longer than the line: some fifty numbers and a name of at most 64 bytes.
const STAT_MAX: usize = 2048;

/// A bit of the kernel's flags: in its exit. `PF_EXITING` of linux/sched.h.
const PF_EXITING: u32 = 0x4;
/// SIGKILL in a mask of signals.
const SIGKILL_BIT: u64 = 1 << (9 - 1);

/// State and start time of a process or of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// `R`, `S`, `Z`, …
    pub(crate) state: char,
    /// In its exit, whatever state it is in.
    is_exiting: bool,
    /// Clock ticks since boot: with the pid, it names a process for good.
    pub(crate) start_ticks: u64,
}

/// Start time of a process in clock ticks since boot. 0 when it can not be read.
pub fn start_ticks(pid: i32) -> u64 {
    stat(pid).map_or(0, |stat| stat.start_ticks)
}

/// Whether the process that had this pid then is there and has not ended.
pub fn is_alive(pid: i32, start_ticks: u64) -> bool {
    stat(pid)
        .is_some_and(|stat| stat.start_ticks == start_ticks && !matches!(stat.state, 'Z' | 'X'))
}

/// Whether nothing that the process is made of will run again, though it may not have ended: each of its threads is on
/// its way out, or has a SIGKILL before it. A process that has ended is, too.
///
/// The init of a pid namespace stays in this state until all others of the namespace have ended.
pub fn is_doomed(pid: i32, start_ticks: u64) -> bool {
    if !is_alive(pid, start_ticks) {
        return true;
    }
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    threads.flatten().all(|thread| {
        let thread = thread.path();
        stat_in(&thread).is_none_or(|stat| stat.is_exiting)
            || fs::read_to_string(thread.join("status")).is_ok_and(|status| has_sigkill(&status))
    })
}

/// A descriptor of the process that had this pid then; `None` if it is gone, even if another has its pid.
pub fn open(pid: i32, start_ticks: u64) -> Option<OwnedFd> {
    let descriptor = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
    // Read after the descriptor is open: if the process is the right one now, the descriptor is its.
    (stat(pid)?.start_ticks == start_ticks).then_some(descriptor)
}

/// Sends a signal by its number, real-time ones too; pidfd_send_signal(2).
///
/// # Errors
/// `ESRCH` when the process has ended, `EINVAL` for a number that is no signal.
pub fn send_signal(process: impl AsFd, signal: i32) -> io::Result<()> {
    Ok(sys::process::send_signal(process.as_fd(), signal)?)
}

/// Waits until the process has ended; false when `limit` is over before.
pub(crate) fn wait_for_end(process: impl AsFd, limit: Duration) -> io::Result<bool> {
    let give_up = Instant::now() + limit;
    loop {
        let left = give_up.saturating_duration_since(Instant::now());
        let timeout =
            Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        let mut waited = [PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)];
        match poll(&mut waited, Some(&timeout)) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn stat(pid: i32) -> Option<Stat> {
    stat_in(Path::new(&format!("/proc/{pid}")))
}

fn stat_in(directory: &Path) -> Option<Stat> {
    let mut line = [0; STAT_MAX];
    let count = fs::File::open(directory.join("stat")).ok()?.read(&mut line).ok()?;
    parse(&String::from_utf8_lossy(&line[..count]))
}

/// Whether SIGKILL is pending for a thread, or for its process, with this `/proc/[pid]/status`; proc_pid_status(5).
fn has_sigkill(status: &str) -> bool {
    let fields = status.lines().filter_map(|line| line.split_once(":\t"));
    let mut masks = fields.filter(|(name, _)| matches!(*name, "SigPnd" | "ShdPnd"));
    masks.any(|(_, mask)| u64::from_str_radix(mask, 16).is_ok_and(|mask| mask & SIGKILL_BIT != 0))
}

/// The name in field 2 may hold spaces and parentheses: count from the last one.
fn parse(line: &str) -> Option<Stat> {
    let mut fields = line.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    // Fields 9 and 22.
    let flags: u32 = fields.nth(5)?.parse().ok()?;
    let start_ticks = fields.nth(12)?.parse().ok()?;
    Some(Stat { state, is_exiting: flags & PF_EXITING != 0, start_ticks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let line = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 424242 99 100";
        let seen = Stat { state: 'S', is_exiting: false, start_ticks: 424_242 };
        assert_eq!(parse(line), Some(seen));
        assert_eq!(parse("7 (a"), None);
        let own = std::process::id().cast_signed();
        assert!(start_ticks(1) < start_ticks(own));
        assert!(is_alive(own, start_ticks(own)) && !is_alive(own, 1));
        assert!(open(own, start_ticks(own)).is_some() && open(own, 1).is_none());
    }

    #[test]
    fn who_will_not_run_again() {
        let exiting = "7 (a) b) S 1 7 7 0 -1 4194564 1 2 3 4 5 6 7 8 20 0 1 0 424242 99 100";
        let is_exiting = |line: &str| parse(line).unwrap().is_exiting;
        assert!(is_exiting(exiting) && !is_exiting(&exiting.replace("4194564", "4194560")));
        let status = |mask| format!("Name:\ta\nSigPnd:\t0000000000000000\nShdPnd:\t{mask}\n");
        assert!(has_sigkill(&status("0000000000004100")));
        assert!(!has_sigkill(&status("0000000000004000")));
        let own = std::process::id().cast_signed();
        assert!(!is_doomed(own, start_ticks(own)) && is_doomed(own, 1));
    }
}
