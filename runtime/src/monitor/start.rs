//! A monitor's start: the pipes of the program, and the process on their other ends.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};

use super::input::Input;
use super::output::{Output, Stream};
use crate::cgroup::Layout;
use crate::error::{Attempt, StepError, StepErrorKind};
use crate::init::{Go, Stdio};
use crate::launch::{LaunchRequest, StdioConfig};
use crate::seccomp::Program;
use crate::start::{self, Request};

/// A process on its way to its program, and the monitor's ends of its streams.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) started: start::Started,
    /// Empty with a terminal, whose one side comes over the handshake socket.
    pub(super) outputs: Vec<Output>,
    pub(super) input: Input,
}

/// The pipes of a program without a terminal.
struct Pipes {
    theirs: Stdio,
    outputs: Vec<Output>,
    input: Input,
}

/// Starts the process of a request.
pub(super) fn start(
    request: LaunchRequest,
    netns: Option<OwnedFd>,
    target: Option<OwnedFd>,
    layout: &Layout,
) -> Result<Connected, StepError> {
    let LaunchRequest { mut plan, rootfs, stdio, kind, timeline, .. } = request;
    if plan.seccomp.as_ref().is_some_and(Program::notifies) {
        let why = "SCMP_ACT_NOTIFY is for the command line: nobody here could take the descriptor";
        return Err(StepError::refused("seccomp", why, StepErrorKind::Other));
    }
    // Init sets it: nobody here is in time for a program that asks at once.
    plan.process.console_size = stdio.console_size.or(plan.process.console_size);
    let Pipes { theirs, outputs, input } = pipes(&stdio)?;
    let request = Request {
        plan,
        kind,
        rootfs,
        netns,
        target,
        stdio: theirs,
        go: Go::AtOnce,
        preserved: 0,
        keeps_keyring: false,
        timeline,
    };
    let started = start::start(request, layout)?;
    Ok(Connected { started, outputs, input })
}

fn pipes(config: &StdioConfig) -> Result<Pipes, StepError> {
    const STEP: &str = "standard streams";
    if config.tty {
        let (outputs, input) = (Vec::new(), Input::default());
        return Ok(Pipes { theirs: Stdio::Terminal, outputs, input });
    }
    let pipe = || pipe_with(PipeFlags::CLOEXEC).attempt(STEP, || "pipe2(O_CLOEXEC)".to_owned());
    let (stdin, input) = if config.stdin {
        let (reader, writer) = pipe()?;
        set_nonblocking(&writer).attempt(STEP, || "fcntl(F_SETFL)".to_owned())?;
        (reader, Some(writer))
    } else {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let null = rustix::fs::open("/dev/null", flags, Mode::empty());
        (null.attempt(STEP, || "open(\"/dev/null\")".to_owned())?, None)
    };
    let ((stdout, stdout_writer), (stderr, stderr_writer)) = (pipe()?, pipe()?);
    Ok(Pipes {
        theirs: Stdio::Pipes([stdin, stdout_writer, stderr_writer]),
        outputs: vec![Output::new(Stream::Stdout, stdout), Output::new(Stream::Stderr, stderr)],
        input: Input::new(input),
    })
}

/// Reads and writes return at once.
pub(super) fn set_nonblocking(file: &OwnedFd) -> rustix::io::Result<()> {
    let flags = fcntl_getfl(file)?;
    fcntl_setfl(file, flags | OFlags::NONBLOCK)
}
