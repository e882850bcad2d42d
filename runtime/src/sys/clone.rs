//! What launcher and monitor need to make processes: clone3(2) with the semantics of fork(2),
//! dispositions of signals, the heap.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Result;

/// Which side of a clone this is.
#[derive(Debug)]
pub(crate) enum Side {
    Child,
    Parent {
        /// As the caller's pid namespace numbers it.
        pid: i32,
        /// Close-on-exec.
        pidfd: OwnedFd,
    },
}

/// Clones the calling process: a copy of its memory and descriptors, in new namespaces by the
/// `CLONE_NEW*` bits of `namespaces`, on version 2 directly in the control group `group`.
///
/// Only for processes with one thread: the child has a copy of this thread alone, and locks that
/// others held would stay locked.
pub(crate) fn clone(namespaces: u64, group: Option<BorrowedFd<'_>>) -> Result<Side> {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut pidfd: libc::c_int = -1;
    let mut flags = namespaces | libc::CLONE_PIDFD as u64;
    if group.is_some() {
        flags |= CLONE_INTO_CGROUP;
    }
    let arguments = libc::clone_args {
        flags,
        pidfd: std::ptr::from_mut(&mut pidfd) as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: libc::SIGCHLD as u64,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: group.map_or(0, |group| group.as_raw_fd().cast_unsigned().into()),
    };
    // SAFETY: without CLONE_VM and without a stack this is fork(2): the child goes on with a copy
    // of this stack. `arguments` is a live `struct clone_args` of the size given and `pidfd` a live
    // int that the kernel writes to.
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            std::ptr::from_ref(&arguments),
            size_of::<libc::clone_args>(),
        )
    };
    match i32::try_from(result) {
        Ok(0) => Ok(Side::Child),
        Ok(pid) if pid > 0 => {
            // SAFETY: on success with CLONE_PIDFD the kernel has stored a new descriptor there.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Side::Parent { pid, pidfd })
        }
        _ => Err(super::last_errno()),
    }
}

/// Has a signal ignored, or treated by default; sigaction(2). Ignoring SIGCHLD reaps children.
pub(crate) fn ignore_signal(signal: i32, ignore: bool) -> Result<()> {
    let handler = if ignore { libc::SIG_IGN } else { libc::SIG_DFL };
    // SAFETY: neither disposition runs code of ours.
    let old = unsafe { libc::signal(signal, handler) };
    if old == libc::SIG_ERR { Err(super::last_errno()) } else { Ok(()) }
}

/// Gives free memory of the heap back to the kernel; malloc_trim(3).
pub(crate) fn trim_heap() {
    // SAFETY: takes a number; touches free memory of the heap only.
    unsafe { libc::malloc_trim(0) };
}
