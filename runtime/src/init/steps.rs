//! The order of the steps: of a container's first process, of a process added to it, and of what
//! both have in common at the end.

use std::convert::Infallible;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::net::{SocketFlags, accept_with};
use rustix::process::umask;
use rustix::thread::{CpuSet, sched_setaffinity, set_no_new_privs};

use super::mounts::{Mounted, mount_all};
use super::security::Labels;
use super::{Go, InitContext, Stdio};
use super::{devices, identity, kernel, masks, namespaces, program, root, streams};
use crate::caps::CapabilitySet;
use crate::error::{Attempt, StepError, StepErrorKind};
use crate::hooks::{self, ContainerState, Status};
use crate::launch::handshake::{self, FromInit, ToInit};
use crate::plan::{Mount, MountKind, Namespace, Plan, Process};
use crate::seccomp::Program;
use crate::sys;
use crate::timeline::{Step, Timeline};

/// First descriptor that the program does not get.
const FIRST_CLOSED: u32 = 3;

/// Umask of a program whose plan names none.
const UMASK: u32 = 0o022;

/// The container's first process.
pub(super) fn start(context: &mut InitContext<'_>) -> Result<Infallible, StepError> {
    let mut timeline = std::mem::take(&mut context.timeline);
    let mut mounted = Mounted::with(std::mem::take(&mut context.mapped));
    let InitContext { plan, sync, rootfs, .. } = &*context;
    let rootfs = rootfs.ok_or_else(|| {
        StepError::refused("attach root", "the launch brought no root", StepErrorKind::Other)
    })?;
    let sync = sync.as_fd();
    streams::new_session()?;
    let labels = Labels::open(&plan.process)?;
    enter_namespaces(context, &mut timeline)?;
    let (terminal, after) = furnish(plan, rootfs, &context.stdio, &mut mounted, &mut timeline)?;

    kernel::set_parameters(plan, &mut mounted)?;
    if !plan.namespaces.is_in_user() {
        set_process_limits(&plan.process, &mut mounted)?;
    }
    timeline.mark(Step::ParametersSet);
    let masks_wait = masks_touch(plan, after);
    if !masks_wait {
        masks::apply(rootfs, plan)?;
        timeline.mark(Step::Masked);
    }

    if context.cgroup.is_none() {
        // Everything above went on while the other side moved us.
        expect(sync, ToInit::CgroupAttached)?;
        timeline.mark(Step::GroupsEntered);
    }
    mount_all(rootfs, after.iter(), &mut mounted)?;
    if plan.namespaces.create.contains(&Namespace::Cgroup) {
        namespaces::unshare_cgroup()?;
    }
    timeline.mark(Step::GroupsMounted);
    if masks_wait {
        masks::apply(rootfs, plan)?;
        timeline.mark(Step::Masked);
    }
    let mut state = None;
    if plan.hooks.before_root() {
        state = Some(run_hooks(plan, sync)?);
        timeline.mark(Step::HooksRun);
    }
    mounted.seal()?;
    root::enter(rootfs, plan.root.propagation)?;
    if plan.root.readonly {
        program::make_directory(rootfs, &plan.process)?;
        root::make_readonly(rootfs)?;
    }
    timeline.mark(Step::RootEntered);
    take_streams(context, terminal)?;
    timeline.mark(Step::StreamsTaken);
    finish(context, timeline, state, &labels)
}

/// Takes on ids, keyring and namespaces, and waits for what the other side has to put there.
fn enter_namespaces(context: &InitContext<'_>, timeline: &mut Timeline) -> Result<(), StepError> {
    let InitContext { plan, sync, netns, .. } = context;
    let in_user_namespace = plan.namespaces.is_in_user();
    if in_user_namespace {
        expect(sync.as_fd(), ToInit::Mapped)?;
        namespaces::become_root()?;
    }
    timeline.mark(Step::SessionMade);
    if !context.keeps_keyring {
        new_keyring()?;
        timeline.mark(Step::KeyringMade);
    }
    if !in_user_namespace {
        namespaces::join_all(plan, netns.as_ref().map(AsFd::as_fd))?;
        timeline.mark(Step::NamespacesJoined);
    }
    if netns.is_none() && plan.namespaces.create.contains(&Namespace::Network) {
        namespaces::set_loopback_up()?;
    }
    if !plan.namespaces.net_devices.is_empty() {
        expect(sync.as_fd(), ToInit::DevicesGiven)?;
    }
    Ok(())
}

/// Puts the root in its place and into it all but what needs the process attached to its control groups: the mounts
/// from there on are returned, after the terminal.
fn furnish<'p>(
    plan: &'p Plan,
    rootfs: BorrowedFd<'_>,
    stdio: &Stdio,
    mounted: &mut Mounted,
    timeline: &mut Timeline,
) -> Result<(Option<streams::Terminal>, &'p [Mount]), StepError> {
    kernel::set_names(plan)?;
    umask(Mode::empty());
    // Hooks look for the container's files where the bundle has them.
    let at = plan.root.path.as_deref().filter(|_| plan.hooks.before_root());
    root::attach(rootfs, at.unwrap_or(Path::new("/")), plan.root.propagation)?;
    timeline.mark(Step::RootAttached);
    let (before, after) = split_at_cgroup(&plan.mounts);
    mount_all(rootfs, before.iter(), mounted)?;
    timeline.mark(Step::Mounted);
    devices::make(rootfs, &plan.devices, mounted)?;
    timeline.mark(Step::DevicesMade);
    if !matches!(stdio, Stdio::Terminal) {
        return Ok((None, after));
    }
    let terminal = streams::open_terminal(rootfs, mounted, plan.process.console_size)?;
    streams::bind_console(&terminal, mounted)?;
    timeline.mark(Step::TerminalOpened);
    Ok((Some(terminal), after))
}

/// Lets the other side run the host's hooks, then runs those that belong in these namespaces.
fn run_hooks(plan: &Plan, sync: BorrowedFd<'_>) -> Result<ContainerState, StepError> {
    const STEP: &str = "hooks";
    say(sync, &FromInit::HooksDue)?;
    let state = match handshake::receive::<ToInit>(sync) {
        Ok(Some((ToInit::HooksDone, Some(state)))) => state,
        Ok(_) => {
            let why = "the hooks on the host were not run to their end";
            return Err(StepError::refused(STEP, why, StepErrorKind::Other));
        }
        Err(error) => {
            return Err(StepError::refused(STEP, error.to_string(), StepErrorKind::Other));
        }
    };
    let state = std::fs::File::from(state);
    let state: ContainerState = serde_json::from_reader(std::io::BufReader::new(state))
        .map_err(|error| StepError::refused(STEP, error.to_string(), StepErrorKind::Other))?;
    hooks::run("createContainer", &plan.hooks.create_container, &state)?;
    Ok(state)
}

/// A process added to a running container.
pub(super) fn join(context: &mut InitContext<'_>) -> Result<Infallible, StepError> {
    let mut timeline = std::mem::take(&mut context.timeline);
    let InitContext { plan, sync, target, .. } = &*context;
    let target = target.as_ref().ok_or_else(|| {
        StepError::refused("namespaces", "the launch brought no pidfd", StepErrorKind::Other)
    })?;
    streams::new_session()?;
    let labels = Labels::open(&plan.process)?;
    timeline.mark(Step::SessionMade);
    if !context.keeps_keyring {
        new_keyring()?;
        timeline.mark(Step::KeyringMade);
    }
    // Before the mount namespace changes: it is the host's procfs that is written to.
    set_process_limits(&plan.process, &mut Mounted::default())?;
    timeline.mark(Step::ParametersSet);
    if context.cgroup.is_none() {
        expect(sync.as_fd(), ToInit::CgroupAttached)?;
        timeline.mark(Step::GroupsEntered);
    }
    if let Some(affinity) = &plan.process.affinity {
        run_on(&affinity.last)?;
    }
    namespaces::join_target(plan, target.as_fd())?;
    timeline.mark(Step::NamespacesJoined);
    let terminal = match context.stdio {
        Stdio::Terminal => {
            let root = root_directory()?;
            let size = plan.process.console_size;
            Some(streams::open_terminal(root.as_fd(), &Mounted::default(), size)?)
        }
        Stdio::Pipes(_) | Stdio::Inherited => None,
    };
    take_streams(context, terminal)?;
    timeline.mark(Step::StreamsTaken);
    finish(context, timeline, None, &labels)
}

/// From here on the process is inside: user, working directory, capabilities, filter, exec.
fn finish(
    context: &mut InitContext<'_>,
    mut timeline: Timeline,
    state: Option<ContainerState>,
    labels: &Labels,
) -> Result<Infallible, StepError> {
    let plan = context.plan;
    let process = &plan.process;
    let identity = identity::resolve(root_directory()?.as_fd(), process)?;
    streams::own_streams(identity.uid)?;
    umask(Mode::from_raw_mode(0o022));
    program::make_directory(root_directory()?.as_fd(), process)?;
    program::change_directory(&process.cwd)?;
    umask(Mode::from_raw_mode(process.umask.unwrap_or(UMASK)));
    timeline.mark(Step::UserFound);

    set_scheduling(process)?;

    // Without no_new_privs only CAP_SYS_ADMIN may load a filter: it is kept until then; seccomp(2).
    let keep = match &plan.seccomp {
        Some(_) if !process.no_new_privileges => CapabilitySet::SYS_ADMIN,
        _ => CapabilitySet::EMPTY,
    };
    identity::assume(&identity, &process.capabilities, keep)?;
    if process.no_new_privileges {
        set_no_new_privs(true).attempt("no new privileges", || "prctl".to_owned())?;
    }
    let program = program::find(process, identity.home.as_deref())?;
    sys::process::reset_signals().attempt("signals", || "rt_sigaction".to_owned())?;

    timeline.mark(Step::IdentityAssumed);
    say(context.sync.as_fd(), &FromInit::Ready(timeline))?;
    match &context.go {
        Go::AtOnce => {}
        Go::Told => expect(context.sync.as_fd(), ToInit::Exec)?,
        // Whoever opens the gate hears of what fails from here on.
        Go::Gate(gate) => context.sync = wait_at(gate.as_fd())?,
    }
    sys::process::close_on_exec_from(FIRST_CLOSED)
        .attempt("descriptors", || format!("close_range({FIRST_CLOSED}, CLOEXEC)"))?;
    if let Some(mut state) = state {
        state.status = Status::Created;
        hooks::run("startContainer", &plan.hooks.start_container, &state)?;
    }
    sys::process::keep_on_exec(FIRST_CLOSED, context.preserved)
        .attempt("descriptors", || format!("fcntl(F_SETFD) of {}", context.preserved))?;
    labels.set()?;
    if let Some(filter) = &plan.seccomp {
        load_filter(context.sync.as_fd(), filter)?;
    }
    if !keep.is_empty() {
        identity::drop_to(&process.capabilities)?;
    }
    program::execute(&program)
}

/// Waits until somebody connects to the gate and gives the word; returns the connection.
fn wait_at(gate: BorrowedFd<'_>) -> Result<OwnedFd, StepError> {
    loop {
        let connection = rustix::io::retry_on_intr(|| accept_with(gate, SocketFlags::CLOEXEC))
            .attempt("handshake", || "accept".to_owned())?;
        // One that went away again has started nothing.
        if expect(connection.as_fd(), ToInit::Exec).is_ok() {
            return Ok(connection);
        }
    }
}

/// Loads the filter. Where it notifies, returns when its descriptor is in other hands: the exec closes this one.
fn load_filter(sync: BorrowedFd<'_>, filter: &Program) -> Result<(), StepError> {
    const STEP: &str = "seccomp";
    let Program { flags, instructions } = filter;
    let loaded = sys::filter::load_filter(*flags, instructions).attempt(STEP, || {
        format!("seccomp(SECCOMP_SET_MODE_FILTER, {} instructions)", instructions.len())
    })?;
    let Some(listener) = loaded else { return Ok(()) };
    let taken = handshake::write(sync, &FromInit::Listening(listener.as_raw_fd()))
        .and_then(|()| handshake::read_taken(sync));
    match taken {
        Ok(true) => Ok(()),
        Ok(false) => {
            let why = "nobody has taken the descriptor of the filter's notifications";
            Err(StepError::refused(STEP, why, StepErrorKind::Other))
        }
        Err(error) => Err(StepError::refused(STEP, error.to_string(), StepErrorKind::Other)),
    }
}

/// Where an exec runs before it enters its control groups.
pub(super) fn first_processors(process: &Process) -> Result<(), StepError> {
    process.affinity.as_ref().map_or(Ok(()), |affinity| run_on(&affinity.initial))
}

fn run_on(processors: &[u32]) -> Result<(), StepError> {
    if processors.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    processors.iter().for_each(|processor| set.set(*processor as usize));
    sched_setaffinity(None, &set)
        .attempt("cpu affinity", || format!("sched_setaffinity({processors:?})"))
}

fn set_scheduling(process: &Process) -> Result<(), StepError> {
    if let Some(scheduler) = &process.scheduler {
        sys::process::set_scheduler(scheduler)
            .attempt("scheduler", || format!("sched_setattr({scheduler:?})"))?;
    }
    if let Some(priority) = process.io_priority {
        sys::process::set_io_priority(priority)
            .attempt("io priority", || format!("ioprio_set({priority:#x})"))?;
    }
    if let Some(policy) = &process.memory_policy {
        sys::process::set_memory_policy(policy.mode, &policy.mask())
            .attempt("memory policy", || format!("set_mempolicy({policy:?})"))?;
    }
    match process.personality {
        Some(domain) => sys::process::set_personality(domain)
            .attempt("personality", || format!("personality({domain:#x})")),
        None => Ok(()),
    }
}

/// The mounts before the first of control groups, and the rest: those need the process attached.
fn split_at_cgroup(mounts: &[Mount]) -> (&[Mount], &[Mount]) {
    let at = mounts.iter().position(|mount| matches!(mount.what, MountKind::Cgroup { .. }));
    mounts.split_at(at.unwrap_or(mounts.len()))
}

/// Whether a masked or read-only path lies above or below one of these mounts.
fn masks_touch(plan: &Plan, mounts: &[Mount]) -> bool {
    plan.masked_paths.iter().chain(&plan.readonly_paths).any(|path| {
        mounts.iter().any(|m| m.target.starts_with(path) || path.starts_with(&m.target))
    })
}

fn take_streams(
    context: &mut InitContext<'_>,
    terminal: Option<streams::Terminal>,
) -> Result<(), StepError> {
    match (terminal, std::mem::replace(&mut context.stdio, Stdio::Terminal)) {
        (Some(terminal), _) => streams::take_terminal(terminal, context.sync.as_fd()),
        (None, Stdio::Pipes(pipes)) => streams::take_streams(pipes),
        (None, Stdio::Terminal | Stdio::Inherited) => Ok(()),
    }
}

fn set_process_limits(process: &Process, mounted: &mut Mounted) -> Result<(), StepError> {
    for limit in &process.rlimits {
        sys::process::set_rlimit(0, limit.resource, limit.soft, limit.hard)
            .attempt("resource limit", || format!("prlimit({limit:?})"))?;
    }
    match process.oom_score_adj {
        Some(score) => kernel::set_oom_score(score, mounted),
        None => Ok(()),
    }
}

/// No keyring of the host's session is left to the program; keyrings(7).
fn new_keyring() -> Result<(), StepError> {
    match sys::process::join_new_session_keyring() {
        // A kernel without keyrings has none to leak.
        Ok(()) | Err(rustix::io::Errno::NOSYS) => Ok(()),
        Err(errno) => Err(StepError::call("keyring", "keyctl(KEYCTL_JOIN_SESSION_KEYRING)", errno)),
    }
}

fn root_directory() -> Result<OwnedFd, StepError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, "/", flags, Mode::empty())
        .attempt("enter root", || "open(\"/\", O_PATH)".to_owned())
}

fn say(sync: BorrowedFd<'_>, message: &FromInit) -> Result<(), StepError> {
    handshake::send(sync, message, None)
        .map_err(|error| StepError::refused("handshake", error.to_string(), StepErrorKind::Other))
}

fn expect(sync: BorrowedFd<'_>, wanted: ToInit) -> Result<(), StepError> {
    let why = match handshake::receive::<ToInit>(sync) {
        Ok(Some((message, _))) if message == wanted => return Ok(()),
        Ok(Some((message, _))) => format!("{message:?} came in place of {wanted:?}"),
        Ok(None) => format!("the monitor is gone; {wanted:?} was awaited"),
        Err(error) => error.to_string(),
    };
    Err(StepError::refused("handshake", why, StepErrorKind::Other))
}
