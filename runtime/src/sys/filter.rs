//! seccomp(2).

use std::os::fd::{FromRawFd, OwnedFd};

use rustix::io::{Errno, Result};

use super::last_errno;

use crate::seccomp::Instruction;

/// Loads a filter for the calling thread. It can not be taken back. With `SECCOMP_FILTER_FLAG_NEW_LISTENER` among the
/// flags, returns the descriptor by which notified calls are answered, close-on-exec.
pub(crate) fn load_filter(flags: u64, program: &[Instruction]) -> Result<Option<OwnedFd>> {
    let Ok(len) = u16::try_from(program.len()) else {
        return Err(Errno::INVAL);
    };
    let filter =
        libc::sock_fprog { len, filter: program.as_ptr().cast::<libc::sock_filter>().cast_mut() };
    // SAFETY: `Instruction` has the layout of `struct sock_filter` (repr(C), the same fields); the
    // kernel only reads, and copies before it returns.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            std::ptr::from_ref(&filter),
        )
    };
    let result = i32::try_from(result).unwrap_or(-1);
    match result {
        ..0 => Err(last_errno()),
        _ if flags & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER == 0 => Ok(None),
        // SAFETY: with that flag, the kernel has just made the descriptor for this process.
        number => Ok(Some(unsafe { OwnedFd::from_raw_fd(number) })),
    }
}
