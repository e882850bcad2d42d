//! Terminals: the master handed to a console socket, or served here between the caller's streams and
//! the program.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, connect, sendmsg, socket_with,
};
use rustix::termios::{
    OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};

use super::error::CommandError;

/// What goes with the master: the name that receivers show.
const NAME: &[u8] = b"/dev/ptmx";

/// Bytes that are moved at once.
pub(super) const PIECE_MAX: usize = 16 << 10;

/// Hands the master of a terminal to whoever listens on the socket.
pub(super) fn send(path: &Path, master: &OwnedFd) -> Result<(), CommandError> {
    hand(path, NAME, master.as_fd())
}

/// Sends a text and a descriptor to whoever listens on a socket.
pub(super) fn hand(
    path: &Path,
    text: &[u8],
    descriptor: BorrowedFd<'_>,
) -> Result<(), CommandError> {
    let failed = || CommandError::io(format!("socket {path:?}"));
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .map_err(failed())?;
    let address = SocketAddrUnix::new(path).map_err(failed())?;
    connect(&socket, &address).map_err(failed())?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let rights = [descriptor];
    ancillary.push(SendAncillaryMessage::ScmRights(&rights));
    sendmsg(&socket, &[IoSlice::new(text)], &mut ancillary, SendFlags::NOSIGNAL)
        .map_err(failed())?;
    Ok(())
}

/// The caller's terminal in raw mode, until this is dropped.
#[derive(Debug)]
pub(super) struct Raw {
    before: Option<Termios>,
}

impl Raw {
    /// Nothing happens where standard input is no terminal.
    pub(super) fn enter() -> Self {
        let stdin = rustix::stdio::stdin();
        let before = if isatty(stdin) { tcgetattr(stdin).ok() } else { None };
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.make_raw();
            // One that can not be changed is used as it is.
            let _ = tcsetattr(stdin, OptionalActions::Now, &raw);
        }
        Self { before }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Gives the program's terminal the size of the caller's.
pub(super) fn take_size(master: &OwnedFd) {
    let stdin = rustix::stdio::stdin();
    if isatty(stdin)
        && let Ok(size) = tcgetwinsize(stdin)
    {
        // A terminal that is gone has no size.
        let _ = tcsetwinsize(master, size);
    }
}

/// Moves what is there from one descriptor to another; false at the end.
pub(super) fn relay(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> bool {
    let mut piece = [0_u8; PIECE_MAX];
    match rustix::io::read(from, &mut piece) {
        Ok(0) => false,
        Ok(count) => write_all(to, &piece[..count]),
        Err(Errno::INTR | Errno::AGAIN) => true,
        // A terminal whose other side is closed answers EIO.
        Err(_) => false,
    }
}

fn write_all(to: BorrowedFd<'_>, mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        match rustix::io::write(to, rest) {
            Ok(count) => rest = &rest[count..],
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    true
}
