//! Files and directories of the host, or of another container's mount namespace, as detached clones of their mounts;
//! open_tree(2).

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::process::{chroot, fchdir};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::{Attempt, StepError, StepErrorKind};
use crate::init::resolve::{self, Leaf};

/// Clones the mount at `source`, with what is below it if `recursive`, and says what it is. `/proc/<pid>/root/<path>`
/// is a path in the mount namespace of that process.
pub(crate) fn clone_path(source: &Path, recursive: bool) -> Result<(OwnedFd, Leaf), StepError> {
    let tree = match elsewhere(source) {
        Some((pid, path)) => clone_elsewhere(&pid, &path, recursive)?,
        None => clone_here(source, recursive)?,
    };
    with_kind(tree)
}

/// A tree, and what it has to be mounted on.
pub(super) fn with_kind(tree: OwnedFd) -> Result<(OwnedFd, Leaf), StepError> {
    let leaf = if resolve::is_directory(tree.as_fd())? { Leaf::Directory } else { Leaf::File };
    Ok((tree, leaf))
}

fn clone_here(source: &Path, recursive: bool) -> Result<OwnedFd, StepError> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(CWD, source, flags)
        .attempt("mount", || format!("open_tree({source:?})"))
        .map_err(|error| error.kind(StepErrorKind::BadMount))
}

/// The kernel clones mounts of the caller's own mount namespace only: it is left for that moment. The caller has one
/// thread. setns(2) moves it to the root of the namespace; root and working directory are put back to where they were.
fn clone_elsewhere(pid: &str, path: &Path, recursive: bool) -> Result<OwnedFd, StepError> {
    let open = |path: &str| File::open(path).attempt("mount", || format!("open({path:?})"));
    let (own, theirs) = (open("/proc/self/ns/mnt")?, open(&format!("/proc/{pid}/ns/mnt"))?);
    let (root, here) = (open("/")?, open(".")?);
    let enter = |namespace: &File, whose: &str| {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount))
            .attempt("mount", || format!("setns({whose})"))
    };
    enter(&theirs, &format!("/proc/{pid}/ns/mnt"))?;
    let cloned = clone_here(path, recursive);
    enter(&own, "/proc/self/ns/mnt")?;
    fchdir(&root).attempt("mount", || "fchdir(root)".to_owned())?;
    chroot(".").attempt("mount", || "chroot(\".\")".to_owned())?;
    fchdir(&here).attempt("mount", || "fchdir(working directory)".to_owned())?;
    cloned
}

/// Process and path of a path that leads into another mount namespace.
fn elsewhere(source: &Path) -> Option<(String, PathBuf)> {
    let mut components = source.strip_prefix("/proc").ok()?.components();
    let Some(Component::Normal(pid)) = components.next() else { return None };
    let pid = pid.to_str().filter(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()))?.to_owned();
    let inside = components.next() == Some(Component::Normal("root".as_ref()));
    inside.then(|| (pid, Path::new("/").join(components.as_path())))
}

/// Clones what lies at `path` inside of the directory `source`. Links on the way, whoever puts them there and when,
/// do not lead out of it.
pub(super) fn clone_beneath(
    source: &Path,
    path: &Path,
    recursive: bool,
) -> Result<(OwnedFd, Leaf), StepError> {
    let bad = |error: StepError| error.kind(StepErrorKind::BadMount);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, source, flags, Mode::empty())
        .attempt("mount", || format!("open({source:?})"))
        .map_err(bad)?;
    clone_part(root.as_fd(), source, path, recursive)
}

/// Clones what lies at `path` inside of a directory or of a new mount (Linux 6.15), which the text of an error calls
/// `source`.
pub(super) fn clone_part(
    root: BorrowedFd<'_>,
    source: &Path,
    path: &Path,
    recursive: bool,
) -> Result<(OwnedFd, Leaf), StepError> {
    let bad = |error: StepError| error.kind(StepErrorKind::BadMount);
    let found = resolve::find(root, path)
        .attempt("mount", || format!("openat2({source:?}, {path:?})"))
        .map_err(bad)?;
    let tree = clone_itself(found.as_fd(), recursive)
        .attempt("mount", || format!("open_tree({path:?} in {source:?})"))
        .map_err(bad)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_elsewhere() {
        let seen = elsewhere(Path::new("/proc/12/root/dev/shm"));
        assert_eq!(seen, Some(("12".to_owned(), PathBuf::from("/dev/shm"))));
        for here in ["/proc/self/root/x", "/proc/12/fd/3", "/proc", "/proc/12", "/dev/shm"] {
            assert_eq!(elsewhere(Path::new(here)), None, "{here}");
        }
    }
}
