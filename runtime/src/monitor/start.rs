//! Everything up to `clone3`, and what has to follow it closely.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use super::input::Input;
use super::output::{Output, Stream};
use crate::cgroup::{Cgroup, CgroupError, CgroupPlan, Layout};
use crate::error::{Attempt, StepError, StepErrorKind};
use crate::init::{self, InitContext, Stdio};
use crate::launch::handshake::{self, HandshakeError, ToInit};
use crate::launch::{Kind, LaunchRequest, StdioConfig};
use crate::plan::{Namespace, Plan};
use crate::rootfs::{self, Rootfs};
use crate::sys::{self, clone::Side};

/// A process that has been cloned and is in its control groups: on its way to its program.
#[derive(Debug)]
pub(super) struct Started {
    /// On the host.
    pub(super) pid: i32,
    pub(super) pidfd: OwnedFd,
    /// The monitor's end of the handshake socket.
    pub(super) sync: OwnedFd,
    /// Empty with a terminal, whose one side comes over `sync`.
    pub(super) outputs: Vec<Output>,
    pub(super) input: Input,
    pub(super) cgroup: OwnCgroup,
    /// Kept until everybody is told of the end: the unmount may have to sync the upper directory.
    pub(super) rootfs: Option<OwnedFd>,
}

/// The control group of the process, and what is to become of it.
#[derive(Debug)]
pub(super) struct OwnCgroup {
    pub(super) cgroup: Cgroup,
    /// Made here, to be removed here; not so for an exec.
    pub(super) own: bool,
    /// Processes may outlive the first one: it is not the init of a pid namespace of its own.
    pub(super) stragglers: bool,
}

impl OwnCgroup {
    /// Ends what is left and removes the groups. What the kernel refuses to remove stays: the next
    /// start of the container takes it over, and the daemon sweeps its parent.
    pub(super) fn remove(&self) {
        if self.own {
            if self.stragglers {
                let _ = self.cgroup.kill();
            }
            let _ = self.cgroup.remove();
        }
    }
}

/// The pipes of a program without a terminal.
struct Pipes {
    theirs: Stdio,
    outputs: Vec<Output>,
    input: Input,
}

/// Starts the process. On version 1, the groups are made after the clone, while init is busy with
/// its mounts; on version 2 init is cloned into its group.
pub(super) fn start(
    request: LaunchRequest,
    netns: Option<OwnedFd>,
    target: Option<OwnedFd>,
    layout: &Layout,
) -> Result<Started, StepError> {
    let LaunchRequest { plan, rootfs: root, stdio, kind, .. } = request;
    // A bundle names its root in the spec; an exec has none of its own.
    let root = root.or_else(|| match kind {
        Kind::Container => plan.root.path.clone().map(Rootfs::Directory),
        Kind::Exec => None,
    });
    let rootfs = root.as_ref().map(rootfs::mount_detached).transpose()?;
    let Pipes { theirs, outputs, input } = pipes(&stdio)?;
    let (sync, inits) = handshake::pair().map_err(|error| broken(&error))?;
    let namespaces = init::clone_flags(&plan, netns.is_some());
    let stragglers = kind == Kind::Container && !plan.namespaces.create.contains(&Namespace::Pid);

    let mut made = match layout {
        Layout::V1 { .. } => None,
        Layout::V2 { .. } => Some(groups(&plan.cgroup, kind, layout, stragglers)?),
    };
    let cloned = clone(&plan, namespaces, target.as_ref(), made.as_ref());
    let (pid, pidfd) = match cloned {
        Ok(Side::Child) => {
            drop(sync);
            init::run(InitContext { plan, sync: inits, rootfs, netns, target, stdio: theirs })
        }
        Ok(Side::Parent { pid, pidfd }) => (pid, pidfd),
        Err(error) => {
            if let Some(cgroup) = made {
                cgroup.remove();
            }
            return Err(error);
        }
    };
    drop((inits, theirs, netns, target));
    let attached = match made.take() {
        Some(cgroup) => Ok(cgroup),
        None => attach(&plan.cgroup, kind, layout, stragglers, pid),
    };
    drop(plan);
    let cgroup = attached.inspect_err(|_| kill(&pidfd))?;
    handshake::send(&sync, &ToInit::CgroupAttached, None).map_err(|error| {
        kill(&pidfd);
        cgroup.remove();
        broken(&error)
    })?;
    Ok(Started { pid, pidfd, sync, outputs, input, cgroup, rootfs })
}

/// Ends a process and reaps it.
pub(super) fn kill(pidfd: &OwnedFd) {
    // Gone already is as good.
    let _ = pidfd_send_signal(pidfd, Signal::KILL);
    let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
}

/// A handshake that could not be held.
pub(super) fn broken(error: &HandshakeError) -> StepError {
    StepError::refused("handshake with init", error.to_string(), StepErrorKind::Other)
}

fn clone(
    plan: &Plan,
    namespaces: u64,
    target: Option<&OwnedFd>,
    cgroup: Option<&OwnCgroup>,
) -> Result<Side, StepError> {
    init::join_before_clone(plan, target.map(AsFd::as_fd))?;
    let group = match cgroup {
        Some(cgroup) => cgroup.cgroup.into_cgroup().map_err(|error| control_groups(&error))?,
        None => None,
    };
    sys::clone::clone(namespaces, group.as_ref().map(AsFd::as_fd))
        .attempt("process", || format!("clone3({namespaces:#x})"))
}

/// Makes the groups of a container, or names those that an exec joins.
fn groups(
    plan: &CgroupPlan,
    kind: Kind,
    layout: &Layout,
    stragglers: bool,
) -> Result<OwnCgroup, StepError> {
    let cgroup = match kind {
        Kind::Container => Cgroup::create(plan, layout).map_err(|error| control_groups(&error))?,
        Kind::Exec => Cgroup::open(&plan.path, layout),
    };
    Ok(OwnCgroup { cgroup, own: kind == Kind::Container, stragglers })
}

fn attach(
    plan: &CgroupPlan,
    kind: Kind,
    layout: &Layout,
    stragglers: bool,
    pid: i32,
) -> Result<OwnCgroup, StepError> {
    let cgroup = groups(plan, kind, layout, stragglers)?;
    match cgroup.cgroup.attach(pid) {
        Ok(()) => Ok(cgroup),
        Err(error) => {
            cgroup.remove();
            Err(control_groups(&error))
        }
    }
}

fn control_groups(error: &CgroupError) -> StepError {
    StepError {
        step: "control groups".to_owned(),
        call: error.to_string(),
        errno: None,
        kind: StepErrorKind::Other,
    }
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
