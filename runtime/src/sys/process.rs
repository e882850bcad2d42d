//! Calls that change the calling process: namespaces, signals, limits, descriptors, keyring.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use rustix::io::Result;

use super::last_errno;
use crate::plan::Scheduler;

/// Highest signal number; signal(7).
const SIGNALS: i32 = 64;

/// Size of the kernel's signal set in bytes.
const SIGNAL_SET_BYTES: usize = 8;

/// Gives every signal its default disposition and blocks none; rt_sigaction(2), rt_sigprocmask(2).
/// An exec resets handlers, but keeps what is ignored and blocked.
pub(crate) fn reset_signals() -> Result<()> {
    // Handler, flags, restorer and mask of the kernel's `struct sigaction`, all zero: SIG_DFL.
    let default = [0_u64; 4];
    for signal in 1..=SIGNALS {
        if signal == libc::SIGKILL || signal == libc::SIGSTOP {
            continue;
        }
        // SAFETY: `default` is as long as the kernel's `struct sigaction` and lives through the
        // call; no old action is asked for.
        let result = unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                std::ptr::null::<u64>(),
                SIGNAL_SET_BYTES,
            )
        };
        check(result)?;
    }
    let none = 0_u64;
    // SAFETY: `none` is a signal set of the size given; no old mask is asked for.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            std::ptr::from_ref(&none),
            std::ptr::null::<u64>(),
            SIGNAL_SET_BYTES,
        )
    };
    check(result)
}

/// Marks every descriptor from `first` on close-on-exec; close_range(2).
pub(crate) fn close_on_exec_from(first: u32) -> Result<()> {
    // SAFETY: takes numbers only; with CLOEXEC nothing is closed now.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    check(result)
}

/// Closes every descriptor from `first` on; close_range(2). No owner of such a descriptor may be
/// alive in this process.
pub(crate) fn close_from(first: u32) -> Result<()> {
    // SAFETY: the caller owns nothing from `first` on.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    check(result)
}

/// Gives this process an empty session keyring of its own; keyctl(2).
pub(crate) fn join_new_session_keyring() -> Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: i32 = 1;
    // SAFETY: a null name asks for an anonymous keyring.
    let result = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            KEYCTL_JOIN_SESSION_KEYRING,
            std::ptr::null::<libc::c_char>(),
        )
    };
    if result >= 0 { Ok(()) } else { Err(last_errno()) }
}

/// Bars (or allows) ptrace and `/proc/self` access by others; PR_SET_DUMPABLE of prctl(2).
pub(crate) fn set_dumpable(dumpable: bool) -> Result<()> {
    // SAFETY: takes numbers only.
    let result =
        unsafe { libc::prctl(libc::PR_SET_DUMPABLE, libc::c_ulong::from(dumpable), 0, 0, 0) };
    check(i64::from(result))
}

/// Sets a resource limit of a process (0: this one) by the resource's number; prlimit(2).
pub(crate) fn set_rlimit(pid: i32, resource: u32, soft: u64, hard: u64) -> Result<()> {
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    // SAFETY: `limit` is a live `struct rlimit64`; no old limit is asked for.
    let result = unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            pid,
            resource,
            std::ptr::from_ref(&limit),
            std::ptr::null::<libc::rlimit64>(),
        )
    };
    check(result)
}

/// Sets the scheduling of this thread; sched_setattr(2).
pub(crate) fn set_scheduler(wanted: &Scheduler) -> Result<()> {
    /// `struct sched_attr` of the first version.
    #[repr(C)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    }
    let Scheduler { policy, flags, nice, priority, runtime, deadline, period } = *wanted;
    let size = size_of::<Attributes>() as u32;
    let attributes = Attributes { size, policy, flags, nice, priority, runtime, deadline, period };
    // SAFETY: `attributes` is a live `struct sched_attr` that names its own size.
    let result =
        unsafe { libc::syscall(libc::SYS_sched_setattr, 0, std::ptr::from_ref(&attributes), 0) };
    check(result)
}

/// Sets the I/O priority of this thread; ioprio_set(2).
pub(crate) fn set_io_priority(value: u32) -> Result<()> {
    const IOPRIO_WHO_PROCESS: i32 = 1;
    // SAFETY: takes numbers only.
    check(unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value) })
}

/// Sets where this thread's memory comes from; set_mempolicy(2). `nodes` is a set of bits, 64 a word.
pub(crate) fn set_memory_policy(mode: u32, nodes: &[u64]) -> Result<()> {
    // The kernel takes one bit less than it is told of.
    let (mask, bits) = match nodes {
        [] => (std::ptr::null(), 0),
        _ => (nodes.as_ptr(), nodes.len() * 64 + 1),
    };
    // SAFETY: `mask` is null, or a live set of at least the bits that are read.
    check(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, mask, bits) })
}

/// Sets the execution domain of this process; personality(2).
pub(crate) fn set_personality(domain: u32) -> Result<()> {
    // SAFETY: takes a number only.
    let old = unsafe { libc::personality(libc::c_ulong::from(domain)) };
    if old >= 0 { Ok(()) } else { Err(last_errno()) }
}

/// Sends a signal, real-time ones too, by its number; pidfd_send_signal(2).
pub(crate) fn send_signal(process: BorrowedFd<'_>, signal: i32) -> Result<()> {
    // SAFETY: no siginfo is given; the rest are numbers.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    check(result)
}

/// Lets `count` descriptors from `first` on pass an exec.
pub(crate) fn keep_on_exec(first: u32, count: u32) -> Result<()> {
    for number in first..first.saturating_add(count) {
        // SAFETY: takes numbers only; who owns the descriptor keeps it.
        let result = unsafe { libc::fcntl(number.cast_signed(), libc::F_SETFD, 0) };
        check(i64::from(result))?;
    }
    Ok(())
}

/// Ends the process at once: no destructors, no exit handlers, nothing of the parent's is flushed.
pub(crate) fn exit(status: i32) -> ! {
    // SAFETY: takes a number and does not return.
    unsafe { libc::_exit(status) }
}

/// Closes descriptors that nobody in this process uses any more, though something may still own them: what a child that
/// shares this process's memory has taken, and has copies of.
pub(crate) fn close(descriptors: &[RawFd]) {
    for descriptor in descriptors {
        // SAFETY: as the caller says, nobody uses them.
        let _ = unsafe { libc::close(*descriptor) };
    }
}

fn check(result: i64) -> Result<()> {
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}
