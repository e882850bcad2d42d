//! The code that runs in the cloned child, inside the container's new namespaces: it carries out the
//! plan and becomes the container's program.

mod devices;
mod identity;
mod kernel;
mod masks;
mod mounts;
mod namespaces;
mod program;
pub(crate) mod resolve;
pub(crate) mod root;
mod security;
mod steps;
mod streams;
mod users;

pub(crate) use identity::owner;
pub(crate) use mounts::{clone_path, complaint};

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use crate::cgroup::Cgroup;
use crate::error::{Attempt, StepError};
use crate::launch::handshake;
use crate::plan::{Namespace, Plan};
use crate::sys;
use crate::timeline::{Step, Timeline};

/// Exit status of an init that failed before the exec.
pub const FAILED: i32 = 125;

/// All that the child needs; everything else it inherited is closed by the exec.
#[derive(Debug)]
pub struct InitContext<'s> {
    pub plan: &'s Plan,
    /// Init's end of the handshake socket.
    pub sync: OwnedFd,
    /// The root as a detached mount; `None` for an exec.
    pub rootfs: Option<BorrowedFd<'s>>,
    /// A network namespace to join instead of the one that the plan names or would create.
    pub netns: Option<OwnedFd>,
    /// Pidfd of the container's init, for an exec.
    pub target: Option<OwnedFd>,
    pub stdio: Stdio,
    pub go: Go,
    /// How many descriptors from 3 on the program gets.
    pub preserved: u32,
    /// The program keeps the session keyring.
    pub keeps_keyring: bool,
    /// The control groups to enter; `None` when the other side moves init there and says so.
    pub cgroup: Option<&'s Cgroup>,
    /// Sources of the id-mapped binds, in the order of the plan.
    pub mapped: VecDeque<OwnedFd>,
    /// What was done for this start until now.
    pub timeline: Timeline,
}

impl InitContext<'_> {
    /// All descriptors that init has of its own.
    pub(crate) fn descriptors(&self) -> Vec<RawFd> {
        let Self { sync, netns, target, stdio, go, mapped, .. } = self;
        let streams = match stdio {
            Stdio::Pipes(streams) => streams.as_slice(),
            Stdio::Inherited | Stdio::Terminal => &[],
        };
        let gate = match go {
            Go::Gate(gate) => Some(gate),
            Go::AtOnce | Go::Told => None,
        };
        let single = [Some(sync), netns.as_ref(), target.as_ref(), gate].into_iter().flatten();
        single.chain(streams).chain(mapped).map(AsRawFd::as_raw_fd).collect()
    }
}

/// When the program is run, once everything is ready for it.
#[derive(Debug)]
pub enum Go {
    AtOnce,
    /// When the word comes over the handshake socket.
    Told,
    /// When the word comes by way of this listening socket.
    Gate(OwnedFd),
}

/// Where the program's standard streams come from.
#[derive(Debug)]
pub enum Stdio {
    /// Standard input, output and error, in this order.
    Pipes([OwnedFd; 3]),
    /// Those that the process has already.
    Inherited,
    /// Init opens a pty inside the container and sends the master over the handshake socket.
    Terminal,
}

/// Carries out the plan and executes the program. A failure is reported over the handshake socket
/// and ends the process with [`FAILED`].
pub fn run(mut context: InitContext<'_>) -> ! {
    // Nobody in the container may look into this process while it still has the host's descriptors.
    let result = sys::process::set_dumpable(false)
        .attempt("ptrace", || "prctl(PR_SET_DUMPABLE, 0)".to_owned())
        .and_then(|()| steps::first_processors(&context.plan.process))
        .and_then(|()| context.cgroup.map_or(Ok(()), Cgroup::enter).map_err(|error| error.step()))
        .and_then(|()| {
            if context.cgroup.is_some() {
                context.timeline.mark(Step::GroupsEntered);
            }
            if context.plan.is_exec() {
                steps::join(&mut context)
            } else {
                steps::start(&mut context)
            }
        });
    let Err(error) = result;
    // If the monitor is gone there is nobody to tell.
    let _ = handshake::report(context.sync.as_fd(), error);
    sys::process::exit(FAILED)
}

/// The namespaces that `clone3` has to create for this plan, as `CLONE_NEW*` flags. Not among them:
/// the cgroup namespace, which init unshares once it is attached, the time namespace, into which init
/// is born, and the network namespace if the launch brings one (`netns_given`).
pub fn clone_flags(plan: &Plan, netns_given: bool) -> u64 {
    plan.namespaces
        .create
        .iter()
        .map(|namespace| match namespace {
            Namespace::Mount => libc::CLONE_NEWNS,
            Namespace::Pid => libc::CLONE_NEWPID,
            Namespace::Network if netns_given => 0,
            Namespace::Network => libc::CLONE_NEWNET,
            Namespace::Ipc => libc::CLONE_NEWIPC,
            Namespace::Uts => libc::CLONE_NEWUTS,
            Namespace::User => libc::CLONE_NEWUSER,
            Namespace::Cgroup | Namespace::Time => 0,
        })
        .fold(0, |flags, flag| flags | flag as u64)
}

/// Does what can only be done before the child exists: joins the pid namespace of the target (exec)
/// or of the plan's path, makes a time namespace; with a new user namespace, from where others of the
/// host can not be entered, joins all that the plan names by path. To be called right before `clone3`.
pub fn join_before_clone(plan: &Plan, target: Option<BorrowedFd<'_>>) -> Result<(), StepError> {
    let user = namespaces::open_user(plan)?;
    namespaces::join_pid(plan, target)?;
    if plan.namespaces.create.contains(&Namespace::Time) {
        namespaces::unshare_time(&plan.namespaces.time_offsets)?;
    }
    if plan.namespaces.is_in_user() {
        namespaces::join_all(plan, None)?;
    }
    // The last: from there others of the host can not be entered.
    user.map_or(Ok(()), |user| user.join())
}

#[cfg(test)]
mod tests;
