//! Joining namespaces, and unsharing the one that has to wait; setns(2), unshare(2).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, fstat, open, stat};
use rustix::thread::{
    LinkNameSpaceType, ThreadNameSpaceType, move_into_link_name_space, move_into_thread_name_spaces,
};

use crate::error::{Attempt, StepError, StepErrorKind};
use crate::network;
use crate::plan::{JoinByPath, Namespace, Plan, TimeOffset};

const STEP: &str = "namespaces";

/// Joins the pid namespace that the child is to be born in.
pub(super) fn join_pid(plan: &Plan, target: Option<BorrowedFd<'_>>) -> Result<(), StepError> {
    if let (Some(target), true) = (target, plan.namespaces.of_target.contains(&Namespace::Pid)) {
        return of_target(target, &[Namespace::Pid]);
    }
    for join in plan.namespaces.join.iter().filter(|join| join.kind == Namespace::Pid) {
        Opened::of(join)?.join()?;
    }
    Ok(())
}

/// Opens the user namespace that the plan names by path.
pub(super) fn open_user(plan: &Plan) -> Result<Option<Opened<'_>>, StepError> {
    plan.namespaces.joined_user().map(Opened::of).transpose()
}

/// Joins the namespaces that the plan names by path, except those of pids and users. A network namespace
/// that comes by descriptor goes before the one by path. All are opened before one is joined: the mount namespace, the
/// last, may have other files at these paths.
pub(super) fn join_all(plan: &Plan, netns: Option<BorrowedFd<'_>>) -> Result<(), StepError> {
    let wanted = |join: &&JoinByPath| {
        let by_descriptor = join.kind == Namespace::Network && netns.is_some();
        let is_apart = matches!(join.kind, Namespace::Pid | Namespace::User);
        !is_apart && !by_descriptor
    };
    let all = plan.namespaces.join.iter().filter(wanted).map(Opened::of);
    let all = all.collect::<Result<Vec<_>, _>>()?;
    if let Some(netns) = netns {
        move_into_link_name_space(netns, Some(LinkNameSpaceType::Network))
            .attempt(STEP, || "setns(network namespace)".to_owned())?;
    }
    all.iter().try_for_each(Opened::join)
}

/// Joins the target's namespaces that the plan names, all at once. Root and working directory become
/// those of the target's mount namespace.
pub(super) fn join_target(plan: &Plan, target: BorrowedFd<'_>) -> Result<(), StepError> {
    let kinds: Vec<Namespace> =
        plan.namespaces.of_target.iter().copied().filter(|kind| *kind != Namespace::Pid).collect();
    of_target(target, &kinds)
}

/// Makes the process's present control groups the root of what it sees; cgroup_namespaces(7).
pub(super) fn unshare_cgroup() -> Result<(), StepError> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWCGROUP)
        .attempt(STEP, || "unshare(CLONE_NEWCGROUP)".to_owned())
}

/// Makes a time namespace, in which only children of this process will be, and sets its clocks;
/// time_namespaces(7).
pub(super) fn unshare_time(offsets: &[TimeOffset]) -> Result<(), StepError> {
    let flag = nix::sched::CloneFlags::from_bits_retain(libc::CLONE_NEWTIME);
    nix::sched::unshare(flag).attempt(STEP, || "unshare(CLONE_NEWTIME)".to_owned())?;
    if offsets.is_empty() {
        return Ok(());
    }
    let line = |offset: &TimeOffset| {
        format!("{} {} {}\n", offset.clock, offset.seconds, offset.nanoseconds)
    };
    let text: String = offsets.iter().map(line).collect();
    std::fs::write("/proc/self/timens_offsets", &text)
        .attempt(STEP, || format!("write(\"/proc/self/timens_offsets\", {text:?})"))
}

/// Sets `lo` up in a new network namespace, as runc does: nobody else does it there.
pub(super) fn set_loopback_up() -> Result<(), StepError> {
    let failed = |error: network::NetworkError| {
        StepError::refused("loopback", error.to_string(), StepErrorKind::Other)
    };
    network::set_loopback_up().map_err(failed)
}

/// Becomes the user namespace's root: until now the process has an id that is not mapped there.
pub(super) fn become_root() -> Result<(), StepError> {
    use rustix::fs::{Gid, Uid};
    use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
    let (uid, gid) = (Uid::ROOT, Gid::ROOT);
    set_thread_res_gid(gid, gid, gid).attempt(STEP, || "setresgid(0)".to_owned())?;
    set_thread_groups(&[]).attempt(STEP, || "setgroups([])".to_owned())?;
    set_thread_res_uid(uid, uid, uid).attempt(STEP, || "setresuid(0)".to_owned())
}

fn of_target(target: BorrowedFd<'_>, kinds: &[Namespace]) -> Result<(), StepError> {
    let flags = kinds.iter().fold(ThreadNameSpaceType::empty(), |flags, kind| {
        flags
            | match kind {
                Namespace::Mount => ThreadNameSpaceType::MOUNT,
                Namespace::Pid => ThreadNameSpaceType::PROCESS_ID,
                Namespace::Network => ThreadNameSpaceType::NETWORK,
                Namespace::Ipc => ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION,
                Namespace::Uts => ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME,
                Namespace::Cgroup => ThreadNameSpaceType::CONTROL_GROUP,
                Namespace::User => ThreadNameSpaceType::USER,
                Namespace::Time => ThreadNameSpaceType::TIME,
            }
    });
    move_into_thread_name_spaces(target, flags).attempt(STEP, || format!("setns(pidfd, {kinds:?})"))
}

/// A namespace that is there, by its file.
#[derive(Debug)]
pub(super) struct Opened<'p> {
    wanted: &'p JoinByPath,
    file: OwnedFd,
}

impl<'p> Opened<'p> {
    fn of(wanted: &'p JoinByPath) -> Result<Self, StepError> {
        let path = &wanted.path;
        let file = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .attempt(STEP, || format!("open({path:?})"))?;
        if wanted.kind == Namespace::Mount {
            refuse_own(path, &file)?;
        }
        Ok(Self { wanted, file })
    }

    pub(super) fn join(&self) -> Result<(), StepError> {
        let kind = match self.wanted.kind {
            Namespace::Mount => LinkNameSpaceType::Mount,
            Namespace::Pid => LinkNameSpaceType::ProcessID,
            Namespace::Network => LinkNameSpaceType::Network,
            Namespace::Ipc => LinkNameSpaceType::InterProcessCommunication,
            Namespace::Uts => LinkNameSpaceType::HostNameAndNISDomainName,
            Namespace::Cgroup => LinkNameSpaceType::ControlGroup,
            Namespace::User => LinkNameSpaceType::User,
            Namespace::Time => LinkNameSpaceType::Time,
        };
        move_into_link_name_space(self.file.as_fd(), Some(kind))
            .attempt(STEP, || format!("setns({:?})", self.wanted.path))
    }
}

/// The root of a mount namespace that is joined becomes the container's, for all that live there: never that of who
/// starts the container.
fn refuse_own(path: &Path, file: &OwnedFd) -> Result<(), StepError> {
    const OWN: &str = "/proc/self/ns/mnt";
    let own = stat(OWN).attempt(STEP, || format!("stat({OWN:?})"))?;
    let found = fstat(file).attempt(STEP, || format!("fstat({path:?})"))?;
    if (own.st_dev, own.st_ino) != (found.st_dev, found.st_ino) {
        return Ok(());
    }
    let why = format!("{path:?} is the caller's own mount namespace, not one for a container");
    Err(StepError::refused(STEP, why, StepErrorKind::Other))
}
