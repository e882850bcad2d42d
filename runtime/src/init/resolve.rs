//! Paths inside the container's root: found and made without ever leaving it.
//!
//! Every look-up is one `openat2` with `RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS` from the root's
//! descriptor, so symbolic links of the image, or exchanged by somebody meanwhile, stay inside. What
//! comes back is a descriptor, and only the descriptor is used afterwards; openat2(2).

use std::ffi::OsStr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat, openat2};
use rustix::io::Errno;

use crate::error::{Attempt, StepError, StepErrorKind};

/// How often a look-up may start again: after a missing directory was made or a dangling symbolic
/// link was followed. The kernel's own limit for links is 40; path_resolution(7).
const ROUNDS_MAX: usize = 40 + 256;

/// Mode of directories that are made for mounts.
const DIRECTORY_MODE: Mode = Mode::from_raw_mode(0o755);

/// Mode of the empty files that are made for mounts.
const FILE_MODE: Mode = Mode::from_raw_mode(0o644);

/// What a mount needs at its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaf {
    Directory,
    File,
}

/// Opens `path` inside `root` as a bare location (`O_PATH`).
pub(super) fn find(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    open(root, path, OFlags::PATH)
}

/// Opens `path` inside `root`.
pub(super) fn open(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    // EAGAIN: something was renamed or mounted while a `..` was resolved.
    for _ in 0..ROUNDS_MAX {
        match openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
    Err(Errno::AGAIN)
}

/// Opens `path` inside `root`; makes what is missing of it: directories, and at its end `leaf`.
pub(crate) fn make(root: BorrowedFd<'_>, path: &Path, leaf: Leaf) -> Result<OwnedFd, StepError> {
    let mut path = path.to_owned();
    for _ in 0..ROUNDS_MAX {
        match find(root, &path) {
            Ok(found) => return Ok(found),
            Err(Errno::NOENT) => path = make_next(root, path, leaf)?,
            Err(errno) => {
                return Err(StepError::call("mount", format!("openat2(root, {path:?})"), errno));
            }
        }
    }
    Err(StepError::call("mount", format!("openat2(root, {path:?})"), Errno::LOOP)
        .kind(StepErrorKind::BadMount))
}

/// Makes the first missing component of `path`, or follows it where it is a dangling symbolic link;
/// returns the path to go on with.
fn make_next(root: BorrowedFd<'_>, path: PathBuf, leaf: Leaf) -> Result<PathBuf, StepError> {
    let names: Vec<&OsStr> = path
        .components()
        .filter(|part| !matches!(part, Component::RootDir | Component::CurDir))
        .map(Component::as_os_str)
        .collect();
    let (parent, at) = deepest(root, &names)?;
    let name = names[at];
    if name == ".." {
        let why = format!("{path:?} leads through a directory that does not exist");
        return Err(StepError::refused("mount", why, StepErrorKind::BadMount));
    }
    let made = if at + 1 == names.len() && leaf == Leaf::File {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&parent, name, flags, FILE_MODE).map(drop)
    } else {
        mkdirat(&parent, name, DIRECTORY_MODE)
    };
    match made {
        Ok(()) => Ok(path),
        Err(Errno::EXIST) => Ok(follow(&parent, &names, at).unwrap_or(path)),
        Err(errno) => Err(StepError::call("mount", format!("make {path:?} in the root"), errno)),
    }
}

/// The deepest directory of `names` that exists, and the index of the first name below it.
fn deepest(root: BorrowedFd<'_>, names: &[&OsStr]) -> Result<(OwnedFd, usize), StepError> {
    for at in (0..names.len()).rev() {
        let prefix: PathBuf = names[..at].iter().collect();
        match open(root, &prefix, OFlags::PATH | OFlags::DIRECTORY) {
            Ok(parent) => return Ok((parent, at)),
            Err(Errno::NOENT) => {}
            Err(errno) => {
                let call = format!("openat2(root, {prefix:?})");
                return Err(StepError::call("mount", call, errno));
            }
        }
    }
    Err(StepError::call("mount", "openat2(root, \".\")", Errno::NOENT))
}

/// The path with the symbolic link at index `at` put in; `None` if there is none.
fn follow(parent: &OwnedFd, names: &[&OsStr], at: usize) -> Option<PathBuf> {
    let link = rustix::fs::readlinkat(parent, names[at], Vec::new()).ok()?;
    let mut path: PathBuf =
        std::iter::once(OsStr::new("/")).chain(names[..at].iter().copied()).collect();
    path.push(OsStr::from_bytes(link.to_bytes()));
    path.extend(&names[at + 1..]);
    Some(path)
}

/// Whether the descriptor is of a directory.
pub(super) fn is_directory(file: BorrowedFd<'_>) -> Result<bool, StepError> {
    let stat = fstat(file).attempt("mount", || "fstat".to_owned())?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;

    use super::*;

    fn root() -> (tempfile::TempDir, OwnedFd) {
        let directory = tempfile::tempdir().unwrap();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(directory.path(), flags, Mode::empty()).unwrap();
        (directory, root)
    }

    #[test]
    fn links_stay_inside() {
        let (directory, root) = root();
        symlink("/", directory.path().join("up")).unwrap();
        symlink("../../../../made", directory.path().join("dangling")).unwrap();
        make(root.as_fd(), Path::new("/up/a/b/file"), Leaf::File).unwrap();
        assert!(directory.path().join("a/b/file").is_file());
        make(root.as_fd(), Path::new("/dangling"), Leaf::Directory).unwrap();
        assert!(directory.path().join("made").is_dir());
        make(root.as_fd(), Path::new("/../../x"), Leaf::Directory).unwrap();
        assert!(directory.path().join("x").is_dir());
    }

    #[test]
    fn a_dangling_absolute_link_is_made_inside() {
        let (directory, root) = root();
        fs::create_dir(directory.path().join("etc")).unwrap();
        symlink("/run/resolv/stub.conf", directory.path().join("etc/resolv.conf")).unwrap();
        make(root.as_fd(), Path::new("/etc/resolv.conf"), Leaf::File).unwrap();
        assert!(directory.path().join("run/resolv/stub.conf").is_file());
        let host = tempfile::tempdir().unwrap();
        let outside = host.path().join("stub.conf");
        symlink(&outside, directory.path().join("etc/outside.conf")).unwrap();
        make(root.as_fd(), Path::new("/etc/outside.conf"), Leaf::File).unwrap();
        assert!(!outside.exists());
    }

    #[test]
    fn loops_and_lost_parents_are_refused() {
        let (directory, root) = root();
        symlink("loop", directory.path().join("loop")).unwrap();
        assert!(make(root.as_fd(), Path::new("/loop/x"), Leaf::File).is_err());
        let error = make(root.as_fd(), Path::new("/none/../x"), Leaf::File);
        assert!(error.is_ok() || error.unwrap_err().kind == StepErrorKind::BadMount);
    }
}
