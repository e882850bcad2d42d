//! The launcher process: receives requests and forks a monitor for each. It ends when the daemon
//! is gone; the monitors go on.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::Mode;
use rustix::io::Errno;

use super::wire::{self, Received};
use crate::cgroup::{self, Layout, unit};
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
    let layout = cgroup::layout();
    if let Err(error) = unit::leave(&layout) {
        // All but `systemctl kill` goes well there, too.
        eprintln!("launcher: the unit's control group is not left: {error}");
    }
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

fn serve(socket: OwnedFd, layout: &Layout) -> ! {
    let mut socket = Some(socket);
    while let Some(daemon) = &socket {
        let answer = match wire::receive(daemon) {
            Ok(Some(Ok(received))) => match sys::clone::clone(0, None) {
                Ok(Side::Child) => {
                    drop(socket.take());
                    run_monitor(received, layout)
                }
                Ok(Side::Parent { pid, .. }) => Ok(pid),
                Err(errno) => Err(errno),
            },
            Ok(Some(Err(errno))) => Err(errno),
            // The end of file; or a socket that is of no use any more.
            Ok(None) | Err(_) => break,
        };
        if wire::answer(daemon, answer).is_err() {
            break;
        }
    }
    std::process::exit(0)
}

fn run_monitor(received: Received, layout: &Layout) -> ! {
    // A panic must not unwind into the launcher's loop.
    let run = std::panic::AssertUnwindSafe(|| monitor::run(received, layout));
    let status = i32::from(std::panic::catch_unwind(run).is_err());
    std::process::exit(status)
}
