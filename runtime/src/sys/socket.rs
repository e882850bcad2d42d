//! What a socket tells of its other end.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Result;

use super::last_errno;

/// What was sent and the peer of a unix socket has not read yet, in bytes of the kernel's memory
/// (`SIOCOUTQ`, unix(7)); 0 once it has read all.
pub(crate) fn unread(socket: BorrowedFd<'_>) -> Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open as long as it is borrowed; this request writes one int, and
    // `bytes` is one that lives over the call.
    let status = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if status == -1 { Err(last_errno()) } else { Ok(usize::try_from(bytes).unwrap_or(0)) }
}
