//! Files and directories of the host, as detached clones of their mounts; open_tree(2).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};

use crate::error::{Attempt, StepError, StepErrorKind};
use crate::init::resolve::{self, Leaf};

/// Clones the mount at `source`, with what is below it if `recursive`, and says what it is.
pub(in crate::init) fn clone_path(
    source: &Path,
    recursive: bool,
) -> Result<(OwnedFd, Leaf), StepError> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    let tree = open_tree(CWD, source, flags)
        .attempt("mount", || format!("open_tree({source:?})"))
        .map_err(|error| error.kind(StepErrorKind::BadMount))?;
    let leaf = if resolve::is_directory(tree.as_fd())? { Leaf::Directory } else { Leaf::File };
    Ok((tree, leaf))
}

/// Clones the mount behind a descriptor, rooted at what the descriptor refers to.
pub(in crate::init) fn clone_itself(of: BorrowedFd<'_>, recursive: bool) -> Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(of, "", flags)
}
