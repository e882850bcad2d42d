//! The calls that no safe wrapper has: clone3, execve, _exit, wait4; and a plain wait.
#![expect(unsafe_code, reason = "clone3(2), execve(2), _exit(2) and wait4(2) have no safe wrapper")]

use std::ffi::CStr;
use std::io::{Error, Result};

use rustix::process::{Pid, WaitOptions, waitpid};

/// `struct clone_args` of clone3(2), its first version (64 bytes).
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}

/// Runs `work` in a child in new mount, pid, ipc, uts, cgroup and (if asked) network namespaces;
/// the child exits with what `work` gives. Gives the child's pid.
pub(super) fn clone_into_namespaces(network: bool, work: impl FnOnce() -> i32) -> Result<i32> {
    let mut flags = libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    if network {
        flags |= libc::CLONE_NEWNET;
    }
    let args = CloneArgs {
        flags: u64::from(flags.cast_unsigned()),
        exit_signal: u64::from(libc::SIGCHLD.cast_unsigned()),
        ..CloneArgs::default()
    };
    // SAFETY: clone3(2) reads `args` of the given size during the call. Without CLONE_VM the child
    // gets a copy of this address space; this process has one thread, so no lock is left held in it.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    match pid {
        -1 => Err(Error::last_os_error()),
        0 => {
            let code = work();
            // SAFETY: _exit(2) takes any status and does not return; no destructor has to run here.
            unsafe { libc::_exit(code) }
        }
        pid => Ok(i32::try_from(pid).unwrap_or(i32::MAX)),
    }
}

/// Replaces the calling process; returns when that fails.
pub(super) fn execute(program: &CStr) {
    let argv = [program.as_ptr(), std::ptr::null()];
    let envp = [std::ptr::null()];
    // SAFETY: execve(2) reads a NUL-terminated path and two NULL-terminated arrays of such strings;
    // all live until the call returns or never returns.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
}

/// Waits for a child; its exit code, or 128 + n for a signal.
pub(super) fn wait(child: i32) -> Result<i32> {
    let status = waitpid(Pid::from_raw(child), WaitOptions::empty())?;
    let status = status.map(|(_, status)| status);
    let exited = status.and_then(|status| status.exit_status());
    let signalled = status.and_then(|status| status.terminating_signal());
    Ok(exited.or(signalled.map(|signal| 128 + signal)).unwrap_or(-1))
}

/// Waits for a child; its exit code, or 128 + n for a signal, and what it has used.
pub(super) fn wait_with_usage(child: i32) -> Result<(i32, libc::rusage)> {
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: wait4(2) writes to an int and a `struct rusage` that live until it returns.
    let waited = unsafe { libc::wait4(child, &raw mut status, 0, usage.as_mut_ptr()) };
    if waited < 0 {
        return Err(Error::last_os_error());
    }
    // SAFETY: all of it is integers, for which zeros are fine even where the kernel wrote nothing.
    let usage = unsafe { usage.assume_init() };
    let code = match libc::WIFSIGNALED(status) {
        true => 128 + libc::WTERMSIG(status),
        false => libc::WEXITSTATUS(status),
    };
    Ok((code, usage))
}
