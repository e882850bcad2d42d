//! What `run` and `exec` do while the program runs in the foreground: signals are passed on, a
//! terminal is served, and the exit status becomes theirs.

use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::error::CommandError;
use super::make::Launched;
use super::terminal::{self, Raw};
use crate::sys;

/// How long a terminal's last output is waited for after the program's end.
const DRAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// The caller's signals, which are read and no longer act on this process.
#[derive(Debug)]
pub(super) struct Signals(SignalFd);

impl Signals {
    /// To be made before the process is cloned: a signal in between must not end this process alone.
    pub(super) fn block() -> Result<Self, CommandError> {
        let mut all = SigSet::all();
        // Those of a fault of this very process.
        for fault in [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGFPE, Signal::SIGILL] {
            all.remove(fault);
        }
        all.thread_block()
            .and_then(|()| {
                SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            })
            .map(Self)
            .map_err(CommandError::io("signalfd"))
    }

    /// Passes on what has come.
    fn forward(&self, to: &OwnedFd, master: Option<&OwnedFd>) {
        while let Ok(Some(signal)) = self.0.read_signal() {
            let number = signal.ssi_signo.cast_signed();
            match (number, master) {
                (libc::SIGCHLD | libc::SIGPIPE | libc::SIGURG, _) => {}
                (libc::SIGWINCH, Some(master)) => terminal::take_size(master),
                // Gone already is as good.
                _ => drop(sys::process::send_signal(to.as_fd(), number)),
            }
        }
    }
}

/// Serves the program until it has ended; its exit status.
pub(super) fn wait(launched: &Launched, signals: &Signals) -> Result<ExitCode, CommandError> {
    let master = launched.terminal.as_ref();
    let raw = master.map(|master| {
        terminal::take_size(master);
        Raw::enter()
    });
    let (mut reads, mut writes) = (master.is_some(), master.is_some());
    let ended = loop {
        let stdin = rustix::stdio::stdin();
        let mut waited = vec![
            PollFd::from_borrowed_fd(launched.pidfd.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(signals.0.as_fd(), PollFlags::IN),
        ];
        if let Some(master) = master {
            let flags = |on| if on { PollFlags::IN } else { PollFlags::empty() };
            if reads {
                waited.push(PollFd::from_borrowed_fd(master.as_fd(), flags(true)));
            }
            if writes {
                waited.push(PollFd::from_borrowed_fd(stdin, flags(true)));
            }
        }
        match poll(&mut waited, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(CommandError::io("poll")(errno)),
        }
        let happened: Vec<bool> = waited.iter().map(|one| !one.revents().is_empty()).collect();
        if happened[1] {
            signals.forward(&launched.pidfd, master);
        }
        if let Some(master) = master {
            let (output, input) = (2, 2 + usize::from(reads));
            if writes && happened[input] {
                writes = terminal::relay(stdin, master.as_fd());
            }
            if reads && happened[output] {
                reads = terminal::relay(master.as_fd(), rustix::stdio::stdout());
            }
        }
        if happened[0] {
            break exit_code(launched)?;
        }
    };
    if let Some(master) = master {
        drain(master);
    }
    drop(raw);
    Ok(ended)
}

/// Reaps the process: its status, or 128 + n for signal n.
fn exit_code(launched: &Launched) -> Result<ExitCode, CommandError> {
    let ended = waitid(WaitId::PidFd(launched.pidfd.as_fd()), WaitIdOptions::EXITED)
        .map_err(CommandError::io("waitid"))?;
    let code = ended.and_then(|ended| {
        ended.exit_status().or_else(|| ended.terminating_signal().map(|signal| 128 + signal))
    });
    Ok(ExitCode::from(u8::try_from(code.unwrap_or(1)).unwrap_or(u8::MAX)))
}

/// What the program has written before its end.
fn drain(master: &OwnedFd) {
    loop {
        let mut waited = [PollFd::from_borrowed_fd(master.as_fd(), PollFlags::IN)];
        let there = poll(&mut waited, Some(&DRAIN)).is_ok_and(|count| count > 0);
        if !there || !terminal::relay(master.as_fd(), rustix::stdio::stdout()) {
            return;
        }
    }
}
