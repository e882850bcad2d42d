//! The container's root: attached, made the process's own, the host's tree let go.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::CWD;
use rustix::mount::{
    MountPropagationFlags, MoveMountFlags, UnmountFlags, mount_change, move_mount, unmount,
};
use rustix::process::{chdir, fchdir, pivot_root};

use crate::error::{Attempt, StepError};
use crate::plan::{Attribute, Attributes, Propagation};

use super::mounts::{attribute_bits, change, propagation_flags};

/// Puts the detached root onto `at` of this mount namespace's copy of the host tree; at `/` only its
/// descriptor reaches it. Nothing that is mounted from here on is seen by the host.
pub(crate) fn attach(
    root: BorrowedFd<'_>,
    at: &Path,
    wanted: Option<Propagation>,
) -> Result<(), StepError> {
    const STEP: &str = "attach root";
    let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    let flags = wanted.map_or(slave, propagation_flags);
    mount_change("/", flags).attempt(STEP, || format!("mount(\"/\", {flags:?})"))?;
    if wanted.is_some_and(|wanted| wanted.kind == crate::plan::PropagationKind::Shared) {
        // pivot_root(2): the parent of the new root may not be shared.
        mount_change("/", MountPropagationFlags::PRIVATE)
            .attempt(STEP, || "mount(\"/\", MS_PRIVATE)".to_owned())?;
    }
    move_mount(root, "", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .attempt(STEP, || format!("move_mount(root, {at:?})"))
}

/// Makes the attached root the process's root and detaches the host's tree.
pub(crate) fn enter(root: BorrowedFd<'_>, wanted: Option<Propagation>) -> Result<(), StepError> {
    const STEP: &str = "enter root";
    fchdir(root).attempt(STEP, || "fchdir(root)".to_owned())?;
    pivot_root(".", ".").attempt(STEP, || "pivot_root(\".\", \".\")".to_owned())?;
    // The old root is now on top of the new one. Its unmounting must not reach the host.
    let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change(".", slave).attempt(STEP, || "mount(\".\", MS_SLAVE | MS_REC)".to_owned())?;
    unmount(".", UnmountFlags::DETACH).attempt(STEP, || "umount2(\".\", MNT_DETACH)".to_owned())?;
    chdir("/").attempt(STEP, || "chdir(\"/\")".to_owned())?;
    if let Some(wanted) = wanted {
        let flags = propagation_flags(wanted);
        mount_change("/", flags).attempt(STEP, || format!("mount(\"/\", {flags:?})"))?;
    }
    Ok(())
}

/// Makes the root mount itself read-only; mounts below it stay as they are.
pub(crate) fn make_readonly(root: impl AsFd) -> Result<(), StepError> {
    let attributes = Attributes { set: vec![Attribute::ReadOnly], ..Attributes::default() };
    change(root.as_fd(), false, attribute_bits(&attributes.set), 0)
        .attempt("read-only root", || "mount_setattr(root, MOUNT_ATTR_RDONLY)".to_owned())
}
