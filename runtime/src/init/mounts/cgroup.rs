//! The container's own control groups, bound read-only (or as the plan says) below one directory.
//!
//! A bind of the container's group rather than a new instance of the hierarchy: inside a cgroup
//! namespace both show `/` as their root, and a bind makes no super block.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, mkdirat, symlinkat};

use super::{Leaf, attach, attribute_bits, change, clone_path, create_filesystem, onto, target};
use crate::error::{Attempt, StepError};
use crate::init::resolve;
use crate::plan::{Attribute, CgroupBind, Mount};

/// Binds `groups` below the target: on version 1 in a tmpfs with a directory for each hierarchy, on
/// version 2 the one group itself.
pub(super) fn mount(
    root: BorrowedFd<'_>,
    mount: &Mount,
    groups: &[CgroupBind],
) -> Result<(), StepError> {
    let bits = attribute_bits(&mount.attributes.set);
    if let [group] = groups
        && group.name.is_empty()
    {
        let tree = clone(group, bits)?;
        let target = target(root, mount, Leaf::Directory)?;
        return onto(tree.as_fd(), target.as_fd());
    }
    let readonly = attribute_bits(&[Attribute::ReadOnly]);
    let parameters = [("mode".to_owned(), Some("755".to_owned()))];
    let base = create_filesystem("tmpfs", Some("cgroup"), &parameters, bits & !readonly)?;
    attach(root, &base, mount, Leaf::Directory)?;
    for group in groups {
        let tree = clone(group, bits)?;
        mkdirat(&base, &group.name, Mode::from_raw_mode(0o755))
            .attempt("mount", || format!("mkdirat({:?})", group.name))?;
        let directory = resolve::find(base.as_fd(), Path::new(&group.name))
            .attempt("mount", || format!("openat2({:?})", group.name))?;
        onto(tree.as_fd(), directory.as_fd())?;
        for link in &group.links {
            symlinkat(&group.name, &base, link)
                .attempt("mount", || format!("symlinkat({:?}, {link:?})", group.name))?;
        }
    }
    if bits & readonly != 0 {
        change(base.as_fd(), false, readonly, 0)
            .attempt("mount", || "mount_setattr(MOUNT_ATTR_RDONLY)".to_owned())?;
    }
    Ok(())
}

fn clone(group: &CgroupBind, bits: u64) -> Result<OwnedFd, StepError> {
    let (tree, _) = clone_path(&group.source, false)?;
    change(tree.as_fd(), false, bits, 0)
        .attempt("mount", || format!("mount_setattr({:?})", group.source))?;
    Ok(tree)
}
