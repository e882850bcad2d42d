//! Mount calls that rustix lacks.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Result;

use super::last_errno;

/// `struct mount_attr`; mount_setattr(2).
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MountAttr {
    pub(crate) set: u64,
    pub(crate) clear: u64,
    /// `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE` or `MS_UNBINDABLE`; 0 leaves it as it is.
    pub(crate) propagation: u64,
    pub(crate) userns_fd: u64,
}

/// Changes the mount behind `mount`, and those below it if `recursive`; mount_setattr(2).
pub(crate) fn mount_setattr(
    mount: BorrowedFd<'_>,
    recursive: bool,
    attributes: &MountAttr,
) -> Result<()> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is an empty, terminated string; `attributes` is a live `struct mount_attr`
    // and its own size is given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(attributes),
            size_of::<MountAttr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}
