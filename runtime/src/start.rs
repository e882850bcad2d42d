//! Everything up to `clone3`, and what has to follow it closely: the root's mount, control groups,
//! the maps of a user namespace. Monitors and the command line start processes by it.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use crate::cgroup::{Cgroup, CgroupPlan, Layout};
use crate::error::{Attempt, StepError, StepErrorKind};
use crate::init::{self, Go, InitContext, Stdio};
use crate::launch::Kind;
use crate::launch::handshake::{self, HandshakeError, ToInit};
use crate::network;
use crate::plan::{Namespace, Namespaces, NetDevice, Plan};
use crate::rootfs::{self, Rootfs};
use crate::seccomp::Program;
use crate::sys::{self, clone::Side};
use crate::timeline::{Step, Timeline};
use crate::userns;

const STEP: &str = "process";

/// What is started, and what it gets.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) plan: Plan,
    pub(crate) kind: Kind,
    /// What the root is made of; the plan's own path if there is none. Not for an exec.
    pub(crate) rootfs: Option<Rootfs>,
    /// A network namespace to join.
    pub(crate) netns: Option<OwnedFd>,
    /// Pidfd of the container's init, for an exec.
    pub(crate) target: Option<OwnedFd>,
    pub(crate) stdio: Stdio,
    /// When the program is run.
    pub(crate) go: Go,
    /// How many descriptors from 3 on the program gets.
    pub(crate) preserved: u32,
    /// The program keeps the caller's session keyring.
    pub(crate) keeps_keyring: bool,
    /// What was done for this start until now. Init takes it on.
    pub(crate) timeline: Timeline,
}

/// A process that has been cloned and is in its control groups: on its way to its program.
#[derive(Debug)]
pub(crate) struct Started {
    /// On the host.
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    /// This side's end of the handshake socket.
    pub(crate) sync: OwnedFd,
    pub(crate) cgroup: OwnCgroup,
    /// To be kept until everybody is told of the end: the unmount may have to sync the upper
    /// directory.
    pub(crate) rootfs: Option<OwnedFd>,
}

/// The control group of the process, and what is to become of it.
#[derive(Debug)]
pub(crate) struct OwnCgroup {
    pub(crate) cgroup: Cgroup,
    /// Made here, to be removed here; not so for an exec, nor before systemd has made it.
    pub(crate) own: bool,
    /// Processes may outlive the first one: it is not the init of a pid namespace of its own.
    pub(crate) stragglers: bool,
}

impl OwnCgroup {
    /// Ends what is left and removes the groups. What the kernel refuses to remove stays: the next
    /// start of the container takes it over, and the daemon sweeps its parent.
    pub(crate) fn remove(&self) {
        if self.own {
            if self.stragglers {
                let _ = self.cgroup.kill();
            }
            let _ = self.cgroup.remove();
        }
    }
}

/// Starts the process. It is born in its group of version 2, and enters those of version 1 itself; with a user
/// namespace it may not, and is moved; and so where systemd makes the groups of a process that is there.
pub(crate) fn start(request: Request, layout: &Layout) -> Result<Started, StepError> {
    let Request { plan, kind, rootfs: root, netns, target, stdio, .. } = request;
    let Request { go, preserved, keeps_keyring, mut timeline, .. } = request;
    // A bundle names its root in the spec; an exec has none of its own.
    let root = root.or_else(|| match kind {
        Kind::Container => plan.root.path.clone().map(Rootfs::Directory),
        Kind::Exec => None,
    });
    let rootfs = root.as_ref().map(rootfs::mount_detached).transpose()?;
    if rootfs.is_some() {
        timeline.mark(Step::RootMounted);
    }
    let mapped = userns::clone_mapped(&plan.mounts)?;
    let (sync, inits) = handshake::pair().map_err(|error| broken(&error))?;
    let namespaces = init::clone_flags(&plan, netns.is_some());
    let stragglers = kind == Kind::Container && !plan.namespaces.create.contains(&Namespace::Pid);

    let mut cgroup = groups(&plan.cgroup, kind, layout, stragglers)?;
    if cgroup.own {
        timeline.mark(Step::GroupsMade);
    }
    let moved = plan.namespaces.is_in_user() || plan.cgroup.unit.is_some();
    let alone = !moved && goes_alone(&plan, &go);
    let group = prepare_clone(&plan, target.as_ref(), &cgroup);
    let group = group.inspect_err(|_| cgroup.remove())?;
    let context = InitContext {
        plan: &plan,
        sync: inits,
        rootfs: rootfs.as_ref().map(AsFd::as_fd),
        netns,
        target,
        stdio,
        go,
        preserved,
        keeps_keyring,
        cgroup: (!moved).then_some(&cgroup.cgroup),
        mapped,
        timeline,
    };
    let cloned = match alone {
        true => clone_alone(context, namespaces, group.as_ref()).attempt(STEP, || call(namespaces)),
        false => clone(context, &sync, namespaces, group.as_ref()),
    };
    let (pid, pidfd) = cloned.inspect_err(|_| cgroup.remove())?;
    let prepared = map_ids(&plan, pid, &sync).and_then(|()| give_devices(&plan, pid, &sync));
    let attached = prepared.and_then(|()| match moved {
        true => attach(&plan.cgroup, &mut cgroup, pid, &sync, layout),
        false => Ok(()),
    });
    drop(plan);
    if let Err(error) = attached {
        kill(&pidfd);
        cgroup.remove();
        return Err(error);
    }
    Ok(Started { pid, pidfd, sync, cgroup, rootfs })
}

/// Ends a process and reaps it.
pub(crate) fn kill(pidfd: &OwnedFd) {
    // Gone already is as good.
    let _ = pidfd_send_signal(pidfd, Signal::KILL);
    let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
}

/// A handshake that could not be held.
pub(crate) fn broken(error: &HandshakeError) -> StepError {
    StepError::refused("handshake with init", error.to_string(), StepErrorKind::Other)
}

/// Whether init comes to its program, or fails, without a word from this side.
fn goes_alone(plan: &Plan, go: &Go) -> bool {
    let listens = plan.seccomp.as_ref().is_some_and(Program::notifies);
    let has_time = plan.namespaces.create.contains(&Namespace::Time);
    let waits = !plan.hooks.is_empty() || listens || !plan.namespaces.net_devices.is_empty();
    matches!(go, Go::AtOnce) && !waits && !has_time
}

/// What has to be done right before the clone; answers the group that the process is born in, if it is.
fn prepare_clone(
    plan: &Plan,
    target: Option<&OwnedFd>,
    cgroup: &OwnCgroup,
) -> Result<Option<OwnedFd>, StepError> {
    if plan.namespaces.needs_helper() {
        // That is left to who clones it: this process stays where it may write to control groups.
        return Ok(None);
    }
    init::join_before_clone(plan, target.map(AsFd::as_fd))?;
    match &plan.cgroup.unit {
        Some(_) => Ok(None),
        None => cgroup.cgroup.into_cgroup().map_err(|error| error.step()),
    }
}

fn clone(
    mut context: InitContext<'_>,
    sync: &OwnedFd,
    namespaces: u64,
    group: Option<&OwnedFd>,
) -> Result<(i32, OwnedFd), StepError> {
    let side = match context.plan.namespaces.needs_helper() {
        true => userns::clone_there(context.plan, namespaces)?,
        false => sys::clone::clone(namespaces, group.map(AsFd::as_fd))
            .attempt(STEP, || call(namespaces))?,
    };
    match side {
        Side::Child => {
            context.timeline.mark(Step::Cloned);
            sys::process::close(&[sync.as_raw_fd()]);
            init::run(context)
        }
        Side::Parent { pid, pidfd } => Ok((pid, pidfd)),
    }
}

fn call(namespaces: u64) -> String {
    format!("clone3({namespaces:#x})")
}

/// In the memory that is here: nothing has to be copied. Returns when the program runs, or init has failed.
fn clone_alone(
    context: InitContext<'_>,
    namespaces: u64,
    group: Option<&OwnedFd>,
) -> rustix::io::Result<(i32, OwnedFd)> {
    let descriptors = context.descriptors();
    // Init takes it, on its side: what is left of it here are the descriptors.
    let mut context = Some(context);
    let born =
        sys::clone::clone_sharing(namespaces, group.map(AsFd::as_fd), || match context.take() {
            Some(mut context) => {
                context.timeline.mark(Step::Cloned);
                init::run(context)
            }
            None => sys::process::exit(init::FAILED),
        })?;
    sys::process::close(&descriptors);
    Ok(born)
}

/// Writes the maps of a new user namespace, and what init may not set from inside of any.
fn map_ids(plan: &Plan, pid: i32, sync: &OwnedFd) -> Result<(), StepError> {
    if !plan.namespaces.is_in_user() {
        return Ok(());
    }
    if let Some(maps) = &plan.namespaces.user {
        userns::write_maps(pid, maps)?;
    }
    for limit in &plan.process.rlimits {
        sys::process::set_rlimit(pid, limit.resource, limit.soft, limit.hard)
            .attempt("resource limit", || format!("prlimit({pid}, {limit:?})"))?;
    }
    if let Some(score) = plan.process.oom_score_adj {
        let path = format!("/proc/{pid}/oom_score_adj");
        fs::write(&path, score.to_string())
            .attempt("oom score", || format!("write({path:?}, {score})"))?;
    }
    handshake::send(sync, &ToInit::Mapped, None).map_err(|error| broken(&error))
}

/// Moves interfaces of the host into the container's network namespace, and says so.
fn give_devices(plan: &Plan, pid: i32, sync: &OwnedFd) -> Result<(), StepError> {
    const STEP: &str = "network devices";
    let Namespaces { net_devices, join, .. } = &plan.namespaces;
    if net_devices.is_empty() {
        return Ok(());
    }
    let joined = join.iter().find(|join| join.kind == Namespace::Network);
    let path =
        joined.map_or_else(|| format!("/proc/{pid}/ns/net").into(), |join| join.path.clone());
    let netns = fs::File::open(&path).attempt(STEP, || format!("open({path:?})"))?;
    for NetDevice { name, inside } in net_devices {
        network::move_into(netns.as_fd(), name, inside).map_err(|error| {
            StepError::refused(STEP, error.to_string(), StepErrorKind::Other).of(name)
        })?;
    }
    handshake::send(sync, &ToInit::DevicesGiven, None).map_err(|error| broken(&error))
}

/// Moves the process into its groups, those that systemd makes among them, and says so.
fn attach(
    plan: &CgroupPlan,
    own: &mut OwnCgroup,
    pid: i32,
    sync: &OwnedFd,
    layout: &Layout,
) -> Result<(), StepError> {
    let attached = match &plan.unit {
        Some(unit) => {
            let started = own.cgroup.start_unit(unit, pid, plan, layout);
            // Another's of the same name is left alone.
            own.own = own.cgroup.has_unit();
            started
        }
        None => own.cgroup.attach(pid),
    };
    attached.map_err(|error| error.step())?;
    handshake::send(sync, &ToInit::CgroupAttached, None).map_err(|error| broken(&error))
}

/// Makes the groups of a container, or names those that an exec joins or that systemd will make.
fn groups(
    plan: &CgroupPlan,
    kind: Kind,
    layout: &Layout,
    stragglers: bool,
) -> Result<OwnCgroup, StepError> {
    let cgroup = match kind {
        Kind::Container if plan.unit.is_none() => {
            Cgroup::create(plan, layout).map_err(|error| error.step())?
        }
        Kind::Container | Kind::Exec => Cgroup::open(&plan.path, layout),
    };
    let own = kind == Kind::Container && plan.unit.is_none();
    Ok(OwnCgroup { cgroup, own, stragglers })
}
