//! What launcher and monitor need to make processes: clone3(2) with the semantics of fork(2) or of vfork(2),
//! dispositions of signals, the heap.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Result;

use crate::init::FAILED;

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
/// `CLONE_PARENT` among the bits makes it a sibling.
///
/// Only for processes with one thread: the child has a copy of this thread alone, and locks that
/// others held would stay locked.
pub(crate) fn clone(namespaces: u64, group: Option<BorrowedFd<'_>>) -> Result<Side> {
    let mut pidfd: libc::c_int = -1;
    let arguments = arguments(namespaces, group, &mut pidfd);
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
    parent_or_child(result, pidfd)
}

/// As [`clone`], but the child has this process's memory itself, and the caller stands still until the child has
/// executed a program or ended: no page is copied, none is touched for the first time twice. Descriptors are copied.
///
/// One memory is one fate: if the kernel kills the child for want of memory, it kills the caller, too.
///
/// The child does `run`, and ends with [`FAILED`] if that comes back. What it leaves in memory stays there, so whoever
/// moves something with descriptors into it has to close the caller's own ones; [`super::process::close`].
pub(crate) fn clone_sharing(
    namespaces: u64,
    group: Option<BorrowedFd<'_>>,
    mut run: impl FnMut(),
) -> Result<(i32, OwnedFd)> {
    let mut pidfd: libc::c_int = -1;
    let mut arguments = arguments(namespaces, group, &mut pidfd);
    arguments.flags |= (libc::CLONE_VM | libc::CLONE_VFORK) as u64;
    let mut child: &mut dyn FnMut() = &mut run;
    let result = vfork::clone3(&mut arguments, &mut child);
    match parent_or_child(result, pidfd)? {
        Side::Parent { pid, pidfd } => Ok((pid, pidfd)),
        Side::Child => {
            run();
            super::process::exit(FAILED)
        }
    }
}

fn arguments(
    namespaces: u64,
    group: Option<BorrowedFd<'_>>,
    pidfd: &mut libc::c_int,
) -> libc::clone_args {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut flags = namespaces | libc::CLONE_PIDFD as u64;
    if group.is_some() {
        flags |= CLONE_INTO_CGROUP;
    }
    libc::clone_args {
        flags,
        pidfd: std::ptr::from_mut(pidfd) as u64,
        child_tid: 0,
        parent_tid: 0,
        // A sibling gets that of this process; clone3 refuses another.
        exit_signal: match namespaces & libc::CLONE_PARENT as u64 {
            0 => libc::SIGCHLD as u64,
            _ => 0,
        },
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: group.map_or(0, |group| group.as_raw_fd().cast_unsigned().into()),
    }
}

fn parent_or_child(result: i64, pidfd: libc::c_int) -> Result<Side> {
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

/// The call whose child runs on a stack of its own: it never comes back from it.
#[cfg(target_arch = "x86_64")]
mod vfork {
    use super::FAILED;

    type Run<'a> = &'a mut dyn FnMut();

    /// What the child leaves free above its stack: the caller's red zone, and more.
    const GAP: u64 = 512;
    /// The kernel adds it to the stack's begin, and looks at nothing else.
    const STACK: u64 = 64 << 10;

    /// Returns in the parent alone: what clone3(2) does, or -1 and `errno`.
    pub(super) fn clone3(arguments: &mut libc::clone_args, run: &mut Run<'_>) -> i64 {
        arguments.stack_size = STACK;
        let result: i64;
        // SAFETY: the child begins on the unused part of this stack, below everything that the parent, which stands
        // still until the child has executed or ended, will look at again; it calls `enter`, which does not return.
        // Its registers r12 to r14 are the parent's. `arguments` is a live `struct clone_args`.
        unsafe {
            std::arch::asm!(
                "lea rax, [rsp - {gap} - {stack}]",
                "and rax, -16",
                "mov [r14], rax",
                "mov eax, {call}",
                "syscall",
                "test rax, rax",
                "jnz 2f",
                "xor ebp, ebp",
                "mov rdi, r12",
                "call r13",
                "ud2",
                "2:",
                gap = const GAP,
                stack = const STACK,
                call = const libc::SYS_clone3,
                in("rdi") std::ptr::from_mut(arguments),
                in("rsi") size_of::<libc::clone_args>(),
                in("r12") std::ptr::from_mut(run),
                in("r13") enter as extern "sysv64" fn(*mut Run<'_>) -> !,
                in("r14") &raw mut arguments.stack,
                lateout("rax") result,
                lateout("rcx") _,
                lateout("r11") _,
            );
        }
        if result < 0 {
            // SAFETY: errno is this thread's own.
            unsafe { *libc::__errno_location() = i32::try_from(-result).unwrap_or(libc::EINVAL) };
            return -1;
        }
        result
    }

    /// Where the child begins.
    extern "sysv64" fn enter(run: *mut Run<'_>) -> ! {
        // SAFETY: it is the parent's own reference, which that one does not use before this process has ended or has
        // other memory.
        let run = unsafe { &mut *run };
        // A panic must not unwind into the assembly above, nor be counted as one of the parent's.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        super::super::process::exit(FAILED)
    }
}

/// Elsewhere the child has a copy of the memory, which is slower and nothing else.
#[cfg(not(target_arch = "x86_64"))]
mod vfork {
    pub(super) fn clone3(arguments: &mut libc::clone_args, _run: &mut &mut dyn FnMut()) -> i64 {
        arguments.flags &= !((libc::CLONE_VM | libc::CLONE_VFORK) as u64);
        // SAFETY: fork(2), as in [`super::clone`].
        unsafe {
            libc::syscall(
                libc::SYS_clone3,
                std::ptr::from_ref(&*arguments),
                size_of::<libc::clone_args>(),
            )
        }
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

/// Gives back what lies below the stack's end at the moment: what a deeper call, or a child that shared this memory,
/// has used of it. Does nothing on the stack of a thread.
pub(crate) fn trim_stack() {
    /// The frames of the calls below, and of signals.
    const KEPT: usize = 16 << 10;
    const PAGE: usize = 4096;
    let here = 0_u8;
    let end = ((&raw const here as usize).saturating_sub(KEPT)) / PAGE * PAGE;
    let Some(begin) = stack().filter(|stack| stack.contains(&end)).map(|stack| stack.start) else {
        return;
    };
    // SAFETY: this is the lower part of the main stack, of which nothing is read again before it is written.
    unsafe { libc::madvise(begin as *mut libc::c_void, end - begin, libc::MADV_DONTNEED) };
}

/// Where the main stack is mapped; proc_pid_maps(5).
fn stack() -> Option<std::ops::Range<usize>> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.ends_with("[stack]"))?;
    let (begin, end) = line.split_once(' ')?.0.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    Some(address(begin)?..address(end)?)
}

/// How many heaps the threads of this process share at most; mallopt(3).
pub(crate) fn limit_heaps(count: i32) {
    // SAFETY: takes numbers; a number that is not taken changes nothing.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, count) };
}
