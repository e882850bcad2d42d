//! The launcher process: keeps a spare monitor forked, which takes the next request. It ends when the
//! daemon is gone; the monitors go on.

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::wire;
use crate::cgroup::{self, Layout, unit};
use crate::error::{Attempt, StepError};
use crate::monitor;
use crate::sys::{self, clone::Side};

/// The launcher process: with the daemon's socket as standard input. Ends with status 0 when the
/// daemon closes it. Must be called first thing in `main`, while the process has one thread.
pub fn launcher_main() -> ! {
    match prepare() {
        Ok((socket, layout)) => serve(socket, &layout),
        Err((call, source)) => {
            // Nobody else is there to tell.
            eprintln!("launcher: {call}: {source}");
            std::process::exit(1)
        }
    }
}

/// Makes this process small, undumpable and independent, and takes the socket off standard input.
fn prepare() -> Result<(OwnedFd, Layout), (&'static str, io::Error)> {
    let errno = |call| move |errno: Errno| (call, io::Error::from(errno));
    sys::process::close_from(3).map_err(errno("close_range"))?;
    sys::process::set_dumpable(false).map_err(errno("prctl(PR_SET_DUMPABLE)"))?;
    sys::clone::ignore_signal(libc::SIGCHLD, true).map_err(errno("sigaction(SIGCHLD)"))?;
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)
        .map_err(errno("fcntl(F_DUPFD_CLOEXEC)"))?;
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(|error| ("open(/dev/null)", error))?;
    rustix::stdio::dup2_stdin(&null).map_err(errno("dup2"))?;
    rustix::stdio::dup2_stdout(&null).map_err(errno("dup2"))?;
    // Fails only if this process leads its session already.
    let _ = rustix::process::setsid();
    rustix::process::chdir(Path::new("/")).map_err(errno("chdir"))?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    rustix::thread::set_name(c"jocker-launcher").map_err(errno("prctl(PR_SET_NAME)"))?;
    reset_oom_score();
    sys::program::share_footprint();
    let layout = cgroup::layout();
    if let Err(error) = unit::leave(&layout) {
        // All but `systemctl kill` goes well there, too.
        eprintln!("launcher: the unit's control group is not left: {error}");
    }
    sys::program::forget();
    Ok((socket, layout))
}

/// A daemon protected from the out-of-memory killer must not hand that down to its containers.
/// Raising the value needs no privilege; where it can not be read or set, it stays.
fn reset_oom_score() {
    let path = "/proc/self/oom_score_adj";
    let protected = std::fs::read_to_string(path).is_ok_and(|value| value.starts_with('-'));
    if protected && let Ok(mut file) = File::create(path) {
        let _ = io::Write::write_all(&mut file, b"0");
    }
}

/// Sees to it that there is always a spare monitor, until the daemon is gone.
fn serve(socket: OwnedFd, layout: &Layout) -> ! {
    loop {
        let cloned = pipe_with(PipeFlags::CLOEXEC).and_then(|pipe| {
            let side = sys::clone::clone(0, None)?;
            Ok((side, pipe))
        });
        let open = match cloned {
            Ok((Side::Child, (taken, held))) => {
                drop(taken);
                run_spare(socket, held, layout)
            }
            Ok((Side::Parent { .. }, (taken, held))) => {
                drop(held);
                is_open_when_taken(&socket, &taken)
            }
            // Whoever comes next hears why there is no monitor for it.
            Err(errno) => match wire::receive(&socket) {
                Ok(Some(_)) => wire::answer(&socket, Err(errno)).is_ok(),
                Ok(None) | Err(_) => false,
            },
        };
        if !open {
            std::process::exit(0)
        }
    }
}

/// Waits until the spare monitor has let go of its end of the pipe: it has a request now, or has
/// ended. Says whether the daemon is still there.
fn is_open_when_taken(daemon: &OwnedFd, taken: &OwnedFd) -> bool {
    loop {
        let mut files =
            [PollFd::new(daemon, PollFlags::empty()), PollFd::new(taken, PollFlags::IN)];
        match poll(&mut files, None) {
            Ok(_) if !files[0].revents().is_empty() => return false,
            Ok(_) if !files[1].revents().is_empty() => return true,
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

fn run_spare(daemon: OwnedFd, held: OwnedFd, layout: &Layout) -> ! {
    // A panic must not unwind into the launcher's loop.
    let run = std::panic::AssertUnwindSafe(|| spare(daemon, held, layout));
    let status = i32::from(std::panic::catch_unwind(run).is_err());
    std::process::exit(status)
}

/// A monitor without a container: takes one request and becomes its monitor. Until then it lives no
/// longer than launcher and daemon.
fn spare(daemon: OwnedFd, held: OwnedFd, layout: &Layout) {
    let prepared = set_parent_process_death_signal(Some(Signal::KILL))
        .attempt("monitor", || "prctl(PR_SET_PDEATHSIG)".to_owned())
        .and_then(|()| monitor::detach())
        .and_then(|()| call_oneself(c"jocker-spare"));
    sys::program::follow_footprint();
    let received = loop {
        match wire::receive(&daemon) {
            Ok(Some(Ok(received))) => break received,
            Ok(Some(Err(errno))) if wire::answer(&daemon, Err(errno)).is_ok() => {}
            // The end of file; or a socket that is of no use any more.
            Ok(_) | Err(_) => return,
        }
    };
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let prepared = prepared.and_then(|()| {
        set_parent_process_death_signal(None)
            .attempt("monitor", || "prctl(PR_SET_PDEATHSIG)".to_owned())?;
        call_oneself(c"jocker-monitor")
    });
    let answered = wire::answer(&daemon, Ok(own));
    drop((daemon, held));
    if answered.is_ok() {
        monitor::run(received, prepared, layout);
    }
}

fn call_oneself(name: &CStr) -> Result<(), StepError> {
    rustix::thread::set_name(name).attempt("monitor", || "prctl(PR_SET_NAME)".to_owned())
}
