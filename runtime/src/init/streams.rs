//! The program's standard streams: the pipes that the monitor made, or a terminal of the container's
//! own devpts, whose master goes out to the monitor.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, Uid, fchown, fstatfs, openat};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{ioctl_tiocsctty, setsid};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::termios::{Winsize, tcsetwinsize};

use super::devices::is_device;
use super::mounts::{Mounted, clone_itself, onto};
use super::resolve::{self, Leaf};
use crate::error::{Attempt, StepError, StepErrorKind};
use crate::launch::handshake::{self, FromInit};
use crate::plan::DeviceKind;

const STEP: &str = "terminal";

/// `f_type` of devpts; statfs(2).
const DEVPTS_SUPER_MAGIC: i64 = 0x1cd1;

/// Both ends of the container's terminal.
#[derive(Debug)]
pub(super) struct Terminal {
    pub(super) master: OwnedFd,
    pub(super) slave: OwnedFd,
}

/// Makes the process the leader of a new session.
pub(super) fn new_session() -> Result<(), StepError> {
    setsid().attempt("session", || "setsid()".to_owned())?;
    Ok(())
}

/// Opens a terminal of the container. `root` is the container's root directory.
pub(super) fn open_terminal(
    root: BorrowedFd<'_>,
    mounted: &Mounted,
    size: Option<(u16, u16)>,
) -> Result<Terminal, StepError> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = match &mounted.pts {
        Some(pts) => openat(pts, "ptmx", flags | OFlags::NOFOLLOW, Mode::empty()),
        None => resolve::open(root, Path::new("/dev/pts/ptmx"), flags),
    }
    .attempt(STEP, || "open(\"/dev/pts/ptmx\")".to_owned())?;
    // A running container may have put anything in the place of its ptmx.
    let on_devpts = fstatfs(&master).is_ok_and(|found| found.f_type == DEVPTS_SUPER_MAGIC);
    if !on_devpts || !is_device(master.as_fd(), DeviceKind::Character, 5, 2) {
        let why = "/dev/pts/ptmx in the container is not a terminal multiplexer";
        return Err(StepError::refused(STEP, why, StepErrorKind::Other));
    }
    unlockpt(&master).attempt(STEP, || "ioctl(TIOCSPTLCK)".to_owned())?;
    let peer = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave =
        ioctl_tiocgptpeer(&master, peer).attempt(STEP, || "ioctl(TIOCGPTPEER)".to_owned())?;
    if let Some((rows, columns)) = size {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).attempt(STEP, || format!("ioctl(TIOCSWINSZ, {size:?})"))?;
    }
    Ok(Terminal { master, slave })
}

/// Shows the terminal at `/dev/console` of the container's own `/dev`.
pub(super) fn bind_console(terminal: &Terminal, mounted: &Mounted) -> Result<(), StepError> {
    let Some(dev) = &mounted.dev else {
        return Ok(());
    };
    let tree = clone_itself(terminal.slave.as_fd(), false)
        .attempt(STEP, || "open_tree(terminal)".to_owned())?;
    let target = resolve::make(dev.as_fd(), Path::new("console"), Leaf::File)?;
    onto(tree.as_fd(), target.as_fd()).map_err(|error| error.of("/dev/console"))
}

/// Sends the master out, makes the slave the controlling terminal and the three streams.
pub(super) fn take_terminal(terminal: Terminal, sync: BorrowedFd<'_>) -> Result<(), StepError> {
    handshake::send(sync, &FromInit::Terminal, Some(terminal.master.as_fd()))
        .map_err(|error| StepError::refused(STEP, error.to_string(), StepErrorKind::Other))?;
    drop(terminal.master);
    ioctl_tiocsctty(&terminal.slave).attempt(STEP, || "ioctl(TIOCSCTTY)".to_owned())?;
    let copy = || terminal.slave.try_clone().attempt(STEP, || "dup".to_owned());
    take_streams([copy()?, copy()?, copy()?])
}

/// Puts the descriptors in the places 0, 1 and 2.
pub(super) fn take_streams(streams: [OwnedFd; 3]) -> Result<(), StepError> {
    let step = "standard streams";
    // A stream that already has one of these numbers must not be overwritten before its turn.
    let mut high = Vec::with_capacity(3);
    for stream in streams {
        let stream = if rustix::fd::AsRawFd::as_raw_fd(&stream) > 2 {
            stream
        } else {
            fcntl_dupfd_cloexec(&stream, 3).attempt(step, || "fcntl(F_DUPFD_CLOEXEC)".to_owned())?
        };
        high.push(stream);
    }
    dup2_stdin(&high[0])
        .and_then(|()| dup2_stdout(&high[1]))
        .and_then(|()| dup2_stderr(&high[2]))
        .attempt(step, || "dup2".to_owned())
}

/// Gives the streams to the user, so that `/dev/stdout` and its kin can be opened again.
pub(super) fn own_streams(uid: u32) -> Result<(), StepError> {
    if uid == 0 {
        return Ok(());
    }
    for stream in [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] {
        // Refusals are harmless: read-only file systems, the null device on a host's mount.
        if !is_device(stream, DeviceKind::Character, 1, 3) {
            let _ = fchown(stream, Some(Uid::from_raw(uid)), None);
        }
    }
    Ok(())
}
