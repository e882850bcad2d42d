//! What a socket tells of its other end, and of its network namespace's interfaces.

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

/// Sets the loopback interface of the socket's network namespace up (`SIOCSIFFLAGS`, netdevice(7)).
pub(crate) fn set_loopback_up(socket: BorrowedFd<'_>) -> Result<()> {
    let mut ifr_name = [0; libc::IFNAMSIZ];
    ifr_name[..2].copy_from_slice(&[b'l'.cast_signed(), b'o'.cast_signed()]);
    let flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    let request =
        libc::ifreq { ifr_name, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: flags } };
    // SAFETY: the descriptor is open as long as it is borrowed; this request reads a `struct ifreq` with flags, which
    // `request` is, and lives over the call.
    let status = unsafe {
        libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, std::ptr::from_ref(&request))
    };
    if status == -1 { Err(last_errno()) } else { Ok(()) }
}
