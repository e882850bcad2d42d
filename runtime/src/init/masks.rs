//! Masked and read-only paths.
//!
//! A file is masked by the host's null device, a directory by one empty read-only tmpfs that all
//! masked directories share. Sources and targets are descriptors; the null device is checked by its
//! number, so that nothing put in its place by an image is ever bound.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::io::Errno;

use super::devices;
use super::mounts::{attribute_bits, change, clone_itself, create_filesystem, onto};
use super::resolve;
use crate::error::{Attempt, StepError};
use crate::plan::{Attribute, Plan};

/// Hides the plan's masked paths and makes its read-only paths read-only. Paths that do not exist
/// are left out, as the OCI spec wants it.
pub(super) fn apply(root: BorrowedFd<'_>, plan: &Plan) -> Result<(), StepError> {
    let mut masks = Masks::default();
    for path in &plan.masked_paths {
        masks.hide(root, path).map_err(|error| error.of(path.display()))?;
    }
    for path in &plan.readonly_paths {
        make_readonly(root, path).map_err(|error| error.of(path.display()))?;
    }
    Ok(())
}

/// The masks' sources, made when first needed.
#[derive(Debug, Default)]
struct Masks {
    null: Option<OwnedFd>,
    empty: Option<OwnedFd>,
}

impl Masks {
    fn hide(&mut self, root: BorrowedFd<'_>, path: &Path) -> Result<(), StepError> {
        let Some(target) = find(root, path, "mask")? else {
            return Ok(());
        };
        let source = if !resolve::is_directory(target.as_fd())? {
            get_or_make(&mut self.null, devices::host_null)?
        } else if let Some(empty) = &self.empty {
            empty
        } else {
            // The first directory gets the mount itself and not a clone: to close a mount that is
            // nowhere attached costs a grace period of the kernel.
            let empty = self.empty.insert(empty_directory()?);
            return onto(empty.as_fd(), target.as_fd());
        };
        let tree =
            clone_itself(source.as_fd(), false).attempt("mask", || "open_tree".to_owned())?;
        onto(tree.as_fd(), target.as_fd())
    }
}

fn make_readonly(root: BorrowedFd<'_>, path: &Path) -> Result<(), StepError> {
    const STEP: &str = "read-only path";
    let Some(target) = find(root, path, STEP)? else {
        return Ok(());
    };
    let tree = clone_itself(target.as_fd(), true).attempt(STEP, || "open_tree".to_owned())?;
    change(tree.as_fd(), true, attribute_bits(&[Attribute::ReadOnly]), 0)
        .attempt(STEP, || "mount_setattr(MOUNT_ATTR_RDONLY)".to_owned())?;
    onto(tree.as_fd(), target.as_fd())
}

fn find(root: BorrowedFd<'_>, path: &Path, step: &str) -> Result<Option<OwnedFd>, StepError> {
    match resolve::find(root, path) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(StepError::call(step, format!("openat2(root, {path:?})"), errno)),
    }
}

fn empty_directory() -> Result<OwnedFd, StepError> {
    let parameters = [("nr_inodes".to_owned(), Some("1".to_owned())), ("ro".to_owned(), None)];
    create_filesystem("tmpfs", Some("tmpfs"), &parameters, attribute_bits(&[Attribute::ReadOnly]))
}

fn get_or_make(
    slot: &mut Option<OwnedFd>,
    make: impl FnOnce() -> Result<OwnedFd, StepError>,
) -> Result<&OwnedFd, StepError> {
    let made = match slot.take() {
        Some(made) => made,
        None => make()?,
    };
    Ok(slot.insert(made))
}
