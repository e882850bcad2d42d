//! Calls that change the calling process: namespaces, signals, limits, descriptors, keyring.

use rustix::io::Result;

use super::last_errno;

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

/// Sets a resource limit of this process by the resource's number; setrlimit(2).
pub(crate) fn set_rlimit(resource: u32, soft: u64, hard: u64) -> Result<()> {
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    // SAFETY: `limit` is a live `struct rlimit64`; no old limit is asked for.
    let result = unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            0,
            resource,
            std::ptr::from_ref(&limit),
            std::ptr::null::<libc::rlimit64>(),
        )
    };
    check(result)
}

/// Ends the process at once: no destructors, no exit handlers, nothing of the parent's is flushed.
pub(crate) fn exit(status: i32) -> ! {
    // SAFETY: takes a number and does not return.
    unsafe { libc::_exit(status) }
}

fn check(result: i64) -> Result<()> {
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}
