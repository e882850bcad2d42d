//! User namespaces by their maps: those of containers get them written, those for mounts with other owners are made and
//! kept by a descriptor; those that are joined by path; user_namespaces(7), mount_setattr(2) "ID-mapped mounts".

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

use crate::error::{Attempt, StepError, StepErrorKind};
use crate::init::{clone_path, join_before_clone};
use crate::plan::{Mount, MountKind, Plan, UserNamespace};
use crate::sys::{
    self,
    clone::Side,
    mount::{MountAttr, mount_setattr},
};

const STEP: &str = "user namespace";

/// `MOUNT_ATTR_IDMAP` of `linux/mount.h`.
const IDMAP: u64 = 0x0010_0000;

/// Writes the maps of the new user namespace that the process `pid` is in.
pub(crate) fn write_maps(pid: i32, maps: &UserNamespace) -> Result<(), StepError> {
    for (file, map) in [("gid_map", &maps.gids), ("uid_map", &maps.uids)] {
        let (path, text) = (format!("/proc/{pid}/{file}"), UserNamespace::map_text(map));
        fs::write(&path, &text).attempt(STEP, || format!("write({path:?}, {text:?})"))?;
    }
    Ok(())
}

/// The sources of those binds that have maps of their own, as detached clones with other owners, in the order of
/// `mounts`. Done before init is cloned: from inside of a user namespace it may not.
pub(crate) fn clone_mapped(mounts: &[Mount]) -> Result<VecDeque<OwnedFd>, StepError> {
    let mut trees = VecDeque::new();
    for mount in mounts {
        let MountKind::Bind { source, recursive, ids: Some(ids), .. } = &mount.what else {
            continue;
        };
        let of = |error: StepError| error.of(mount.target.display());
        let (tree, _) = clone_path(source, *recursive).map_err(of)?;
        let namespace = made_of(&ids.maps).map_err(of)?;
        let attributes = MountAttr {
            set: IDMAP,
            userns_fd: namespace.as_raw_fd().cast_unsigned().into(),
            ..MountAttr::default()
        };
        mount_setattr(tree.as_fd(), ids.recursive, &attributes)
            .attempt("mount", || format!("mount_setattr(MOUNT_ATTR_IDMAP) of {source:?}"))
            .map_err(of)?;
        trees.push_back(tree);
    }
    Ok(trees)
}

/// Clones init into the user namespace that the plan names by path, and into others that belong to it. A helper joins it
/// and makes init its sibling: the caller's own child.
pub(crate) fn clone_there(plan: &Plan, namespaces: u64) -> Result<Side, StepError> {
    let (mut told, tells) = std::io::pipe().attempt(STEP, || "pipe2(O_CLOEXEC)".to_owned())?;
    match sys::clone::clone(0, None).attempt(STEP, || "clone3(0)".to_owned())? {
        Side::Child => {
            drop(told);
            let flags = namespaces | libc::CLONE_PARENT as u64;
            let born = join_before_clone(plan, None).and_then(|()| {
                sys::clone::clone(flags, None).attempt(STEP, || format!("clone3({flags:#x})"))
            });
            let pid = match born {
                Ok(Side::Child) => return Ok(Side::Child),
                Ok(Side::Parent { pid, .. }) => Ok(pid),
                Err(error) => Err(error),
            };
            // Without an answer the other side says what is wrong.
            let _ = serde_json::to_writer(&tells, &pid);
            sys::process::exit(0)
        }
        Side::Parent { pidfd, .. } => {
            drop(tells);
            let mut text = Vec::new();
            let read = told.read_to_end(&mut text);
            let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
            read.attempt(STEP, || "read(what the helper tells)".to_owned())?;
            let born: Result<i32, StepError> = serde_json::from_slice(&text)
                .map_err(|_| StepError::refused(STEP, "the helper died", StepErrorKind::Other))?;
            // Not yet reaped: the number is its own.
            let pid = born?;
            let pidfd = Pid::from_raw(pid).ok_or(rustix::io::Errno::SRCH);
            let pidfd = pidfd.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
            let pidfd = pidfd.attempt(STEP, || format!("pidfd_open({pid})"))?;
            Ok(Side::Parent { pid, pidfd })
        }
    }
}

/// A user namespace with these maps. A process that does nothing but live while they are written makes it.
fn made_of(maps: &UserNamespace) -> Result<OwnedFd, StepError> {
    let (mut life, ours) = std::io::pipe().attempt(STEP, || "pipe2(O_CLOEXEC)".to_owned())?;
    let cloned = sys::clone::clone(libc::CLONE_NEWUSER as u64, None);
    match cloned.attempt(STEP, || "clone3(CLONE_NEWUSER)".to_owned())? {
        Side::Child => {
            drop(ours);
            // Ends with its maker at the latest.
            let _ = life.read(&mut [0]);
            sys::process::exit(0)
        }
        Side::Parent { pid, pidfd } => {
            let made = write_maps(pid, maps).and_then(|()| {
                let path = format!("/proc/{pid}/ns/user");
                File::open(&path).attempt(STEP, || format!("open({path:?})"))
            });
            drop(ours);
            let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
            made.map(OwnedFd::from)
        }
    }
}
