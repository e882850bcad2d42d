//! `docker-init`: process 1 of a container that was created with `--init`.
//!
//! It starts the container's command in a process group of its own, hands every signal on to it, reaps
//! whatever is orphaned into it, and ends with the command's exit code (128 + n for signal n). The
//! few C functions that the standard library lacks are declared here.

use std::ffi::{CString, c_char, c_int};

const SIG_BLOCK: c_int = 0;
const SIG_SETMASK: c_int = 2;
const SIGCHLD: c_int = 17;
const SIGTTIN: c_int = 21;
const SIGTTOU: c_int = 22;
const WNOHANG: c_int = 1;
const EINTR: i32 = 4;
const ENOENT: i32 = 2;
/// Signals that report a fault of this very process: blocking them would make it spin.
const FAULTS: [c_int; 7] = [4, 5, 6, 7, 8, 11, 31];

/// glibc's `sigset_t`: 1024 bits.
#[repr(C)]
#[derive(Clone, Copy)]
struct SignalSet([u64; 16]);

unsafe extern "C" {
    fn sigfillset(set: *mut SignalSet) -> c_int;
    fn sigdelset(set: *mut SignalSet, signal: c_int) -> c_int;
    fn sigprocmask(how: c_int, set: *const SignalSet, old: *mut SignalSet) -> c_int;
    fn sigwait(set: *const SignalSet, signal: *mut c_int) -> c_int;
    fn fork() -> c_int;
    fn setpgid(pid: c_int, group: c_int) -> c_int;
    fn tcsetpgrp(fd: c_int, group: c_int) -> c_int;
    fn execvp(file: *const c_char, args: *const *const c_char) -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn kill(pid: c_int, signal: c_int) -> c_int;
}

/// Becomes process 1; ends with the command.
pub fn main() -> ! {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.peek().is_some_and(|arg| arg == "--") {
        args.next();
    }
    let command: Vec<CString> = args
        .map(|arg| CString::new(std::os::unix::ffi::OsStringExt::into_vec(arg)))
        .collect::<Result<_, _>>()
        .expect("arguments come from C strings");
    if command.is_empty() {
        eprintln!("docker-init: no command given");
        std::process::exit(127);
    }
    let (handled, before) = block_signals();
    // SAFETY: fork(2) in a process with one thread; the child only restores its signal mask and execs.
    let child = unsafe { fork() };
    match child {
        -1 => {
            eprintln!("docker-init: fork: {}", std::io::Error::last_os_error());
            std::process::exit(126);
        }
        0 => exec(&command, &before),
        _ => std::process::exit(supervise(child, &handled)),
    }
}

/// Blocks what is handed on to the command, and returns that set and the mask from before.
fn block_signals() -> (SignalSet, SignalSet) {
    let mut handled = SignalSet([0; 16]);
    let mut before = SignalSet([0; 16]);
    // SAFETY: both sets are live, writable and of sigset_t's size.
    unsafe {
        sigfillset(&mut handled);
        for fault in FAULTS {
            sigdelset(&mut handled, fault);
        }
        sigprocmask(SIG_BLOCK, &handled, &mut before);
    }
    (handled, before)
}

/// The child's side: its own foreground process group, the mask from before, then the command.
fn exec(command: &[CString], mask: &SignalSet) -> ! {
    let mut args: Vec<*const c_char> = command.iter().map(|arg| arg.as_ptr()).collect();
    args.push(std::ptr::null());
    // SAFETY: setpgid and tcsetpgrp take plain numbers (tcsetpgrp fails harmlessly without a terminal;
    // SIGTTOU is still blocked); `args` ends with a null and its strings outlive the call.
    unsafe {
        setpgid(0, 0);
        tcsetpgrp(0, std::process::id() as c_int);
        sigprocmask(SIG_SETMASK, mask, std::ptr::null_mut());
        execvp(args[0], args.as_ptr());
    }
    let error = std::io::Error::last_os_error();
    eprintln!("docker-init: exec {:?}: {error}", command[0]);
    std::process::exit(if error.raw_os_error() == Some(ENOENT) { 127 } else { 126 })
}

/// Waits for signals until the command has ended; returns the exit code to end with.
fn supervise(child: c_int, handled: &SignalSet) -> i32 {
    loop {
        let mut signal = 0;
        // SAFETY: `handled` is a full sigset_t and `signal` is writable.
        if unsafe { sigwait(handled, &mut signal) } != 0 {
            continue;
        }
        match signal {
            SIGCHLD => {
                if let Some(code) = reap(child) {
                    return code;
                }
            }
            // From touching the terminal while the command's group owns it; nothing for the command.
            SIGTTIN | SIGTTOU => {}
            // SAFETY: plain numbers; a child that is already gone is an error that needs no answer.
            other => drop(unsafe { kill(child, other) }),
        }
    }
}

/// Collects every ended process; the command's exit code if it was among them.
fn reap(child: c_int) -> Option<i32> {
    let mut code = None;
    loop {
        let mut status = 0;
        // SAFETY: `status` is writable.
        let pid = unsafe { waitpid(-1, &mut status, WNOHANG) };
        match pid {
            0 => return code,
            -1 if std::io::Error::last_os_error().raw_os_error() == Some(EINTR) => {}
            -1 => return code,
            _ if pid == child => {
                let signal = status & 0x7f;
                code = Some(if signal == 0 { status >> 8 & 0xff } else { 128 + signal });
            }
            _ => {}
        }
    }
}
