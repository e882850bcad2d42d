//! The plan's mounts, in order. Each is made detached and moved onto a descriptor of its target, so
//! no path of the container is ever given to the kernel as a string from outside the root.

mod bind;
mod cgroup;
mod copy_up;
mod filesystem;

use bind::clone_beneath;
pub(super) use bind::clone_itself;
pub(crate) use bind::clone_path;
pub(crate) use filesystem::complaint;
pub(super) use filesystem::create_filesystem;

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{PROC_SUPER_MAGIC, fstatfs};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MountPropagationFlags, MoveMountFlags, move_mount};

use super::resolve::{self, Leaf};
use crate::error::{Attempt, StepError, StepErrorKind};
use crate::plan::mounts::may_cover_procfs;
use crate::plan::{Attribute, Attributes, Mount, MountKind, Propagation, PropagationKind};
use crate::sys::mount::{MountAttr, mount_setattr};

/// All bits of the access time setting; mount_setattr(2).
const ATIME_BITS: u64 = 0x70;

/// Descriptors of mounts that later steps work in.
#[derive(Debug, Default)]
pub(super) struct Mounted {
    /// A procfs that is certainly one: for kernel parameters.
    pub(super) proc: Option<OwnedFd>,
    /// The fresh file system on `/dev`.
    pub(super) dev: Option<OwnedFd>,
    /// The fresh devpts.
    pub(super) pts: Option<OwnedFd>,
    /// Made read-only when all else is done.
    late_readonly: Vec<OwnedFd>,
    /// Sources of the id-mapped binds that are still to come.
    mapped: VecDeque<OwnedFd>,
}

impl Mounted {
    /// With the sources of the id-mapped binds, in the order of the plan.
    pub(super) fn with(mapped: VecDeque<OwnedFd>) -> Self {
        Self { mapped, ..Self::default() }
    }

    /// Makes those mounts read-only that had to be written to.
    pub(super) fn seal(&self) -> Result<(), StepError> {
        for mount in &self.late_readonly {
            change(mount.as_fd(), false, attribute_bits(&[Attribute::ReadOnly]), 0)
                .attempt("mount", || "mount_setattr(MOUNT_ATTR_RDONLY)".to_owned())?;
        }
        Ok(())
    }
}

/// Makes every mount of `mounts`.
pub(super) fn mount_all<'a>(
    root: BorrowedFd<'_>,
    mounts: impl Iterator<Item = &'a Mount>,
    mounted: &mut Mounted,
) -> Result<(), StepError> {
    for mount in mounts {
        one(root, mount, mounted).map_err(|error| error.of(mount.target.display()))?;
    }
    Ok(())
}

fn one(root: BorrowedFd<'_>, mount: &Mount, mounted: &mut Mounted) -> Result<(), StepError> {
    match &mount.what {
        MountKind::Filesystem { fstype, source, parameters, copy_up, beneath } => {
            let late = fstype == "tmpfs" && mount.attributes.set.contains(&Attribute::ReadOnly);
            let bits = attribute_bits(&mount.attributes.set);
            let bits = if late { bits & !attribute_bits(&[Attribute::ReadOnly]) } else { bits };
            let new = create_filesystem(fstype, source.as_deref(), parameters, bits)?;
            if *copy_up {
                copy_up::copy(root, &mount.target, new.as_fd())?;
            }
            let (new, leaf) = match beneath {
                Some(path) => bind::clone_part(new.as_fd(), Path::new(fstype), path, false)?,
                None => (new, Leaf::Directory),
            };
            attach(root, &new, mount, leaf)?;
            keep(mounted, mount, fstype, new, late)
        }
        MountKind::Bind { source, recursive, beneath, ids } => {
            let mapped = ids.as_ref().and_then(|_| mounted.mapped.pop_front());
            let (tree, leaf) = match (mapped, beneath) {
                (Some(tree), _) => bind::with_kind(tree)?,
                (None, None) => clone_path(source, *recursive)?,
                (None, Some(path)) => clone_beneath(source, path, *recursive)?,
            };
            decorate(tree.as_fd(), *recursive, mount)?;
            attach(root, &tree, mount, leaf)
        }
        MountKind::Cgroup { groups } => cgroup::mount(root, mount, groups),
    }
}

/// Remembers the mounts that later steps need.
fn keep(
    mounted: &mut Mounted,
    mount: &Mount,
    fstype: &str,
    new: OwnedFd,
    late: bool,
) -> Result<(), StepError> {
    if late {
        let copy = new.try_clone().attempt("mount", || "dup".to_owned())?;
        mounted.late_readonly.push(copy);
    }
    match fstype {
        "proc" => mounted.proc = Some(new),
        "devpts" => mounted.pts = Some(new),
        _ if mount.target == Path::new("/dev") => mounted.dev = Some(new),
        _ => {}
    }
    Ok(())
}

/// Moves a detached mount onto its target inside the root, which is made if missing.
fn attach(
    root: BorrowedFd<'_>,
    tree: &OwnedFd,
    mount: &Mount,
    leaf: Leaf,
) -> Result<(), StepError> {
    let target = target(root, mount, leaf)?;
    onto(tree.as_fd(), target.as_fd())
}

fn target(root: BorrowedFd<'_>, mount: &Mount, leaf: Leaf) -> Result<OwnedFd, StepError> {
    if let MountKind::Filesystem { fstype, .. } = &mount.what
        && (fstype == "proc" || fstype == "sysfs")
    {
        refuse_symlink(root, &mount.target)?;
    }
    let target = resolve::make(root, &mount.target, leaf)?;
    if !may_cover_procfs(&mount.target) && on_procfs(target.as_fd()) {
        let why = format!("{:?} leads into procfs, which may not be covered", mount.target);
        return Err(StepError::refused("mount", why, StepErrorKind::BadMount));
    }
    Ok(target)
}

/// The last name of the path may not be a symbolic link: masks and read-only paths below `/proc` and
/// `/sys` would be applied elsewhere than the mount.
pub(super) fn refuse_symlink(root: BorrowedFd<'_>, path: &Path) -> Result<(), StepError> {
    use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
    match openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve) {
        Err(Errno::LOOP) => {
            let why = format!("{path:?} is a symbolic link in the image, not a directory");
            Err(StepError::refused("mount", why, StepErrorKind::BadMount))
        }
        _ => Ok(()),
    }
}

/// Whether the descriptor lies on a procfs.
pub(super) fn on_procfs(file: BorrowedFd<'_>) -> bool {
    fstatfs(file).is_ok_and(|found| found.f_type == PROC_SUPER_MAGIC)
}

/// Moves a detached mount onto the location that a descriptor holds.
pub(super) fn onto(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), StepError> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, "", target, "", flags).attempt("mount", || "move_mount".to_owned())
}

/// Sets the attributes and the propagation of a cloned tree.
fn decorate(tree: BorrowedFd<'_>, recursive: bool, mount: &Mount) -> Result<(), StepError> {
    let Attributes { set, clear, set_recursive, clear_recursive } = &mount.attributes;
    for (set, clear, deep) in [(set, clear, false), (set_recursive, clear_recursive, true)] {
        if set.is_empty() && clear.is_empty() {
            continue;
        }
        // RELATIME is the absence of the other access time bits.
        let relatime = if set.contains(&Attribute::RelAtime) { ATIME_BITS } else { 0 };
        let clear_bits = attribute_bits(clear) | relatime;
        change(tree, deep && recursive, attribute_bits(set), clear_bits)
            .attempt("mount", || format!("mount_setattr(set {set:?}, clear {clear:?})"))?;
    }
    let Some(propagation) = mount.propagation else {
        return Ok(());
    };
    let attributes = MountAttr {
        propagation: u64::from(
            propagation_flags(propagation).difference(MountPropagationFlags::REC).bits(),
        ),
        ..MountAttr::default()
    };
    mount_setattr(tree, propagation.recursive, &attributes)
        .attempt("mount", || format!("mount_setattr({propagation:?})"))
}

/// Sets and clears attribute bits of a mount.
pub(super) fn change(
    mount: BorrowedFd<'_>,
    recursive: bool,
    set: u64,
    clear: u64,
) -> Result<(), Errno> {
    let atime = if (set | clear) & ATIME_BITS == 0 { 0 } else { ATIME_BITS };
    let attributes = MountAttr { set, clear: clear & !ATIME_BITS | atime, ..MountAttr::default() };
    mount_setattr(mount, recursive, &attributes)
}

/// The attributes as the kernel's bits.
pub(super) fn attribute_bits(attributes: &[Attribute]) -> u64 {
    attributes.iter().fold(0, |bits, attribute| {
        let bit = match attribute {
            Attribute::ReadOnly => MountAttrFlags::MOUNT_ATTR_RDONLY,
            Attribute::NoSuid => MountAttrFlags::MOUNT_ATTR_NOSUID,
            Attribute::NoDev => MountAttrFlags::MOUNT_ATTR_NODEV,
            Attribute::NoExec => MountAttrFlags::MOUNT_ATTR_NOEXEC,
            Attribute::NoAtime => MountAttrFlags::MOUNT_ATTR_NOATIME,
            Attribute::RelAtime => MountAttrFlags::MOUNT_ATTR_RELATIME,
            Attribute::StrictAtime => MountAttrFlags::MOUNT_ATTR_STRICTATIME,
            Attribute::NoDirAtime => MountAttrFlags::MOUNT_ATTR_NODIRATIME,
            Attribute::NoSymFollow => MountAttrFlags::MOUNT_ATTR_NOSYMFOLLOW,
        };
        bits | u64::from(bit.bits())
    })
}

/// The propagation as flags of mount(2).
pub(super) fn propagation_flags(propagation: Propagation) -> MountPropagationFlags {
    let kind = match propagation.kind {
        PropagationKind::Shared => MountPropagationFlags::SHARED,
        PropagationKind::Slave => MountPropagationFlags::DOWNSTREAM,
        PropagationKind::Private => MountPropagationFlags::PRIVATE,
        PropagationKind::Unbindable => MountPropagationFlags::UNBINDABLE,
    };
    if propagation.recursive { kind | MountPropagationFlags::REC } else { kind }
}
