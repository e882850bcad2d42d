//! seccomp(2).

use rustix::io::{Errno, Result};

use super::last_errno;

use crate::seccomp::Instruction;

/// Loads a filter for the calling thread. It can not be taken back.
pub(crate) fn load_filter(flags: u64, program: &[Instruction]) -> Result<()> {
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
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}
