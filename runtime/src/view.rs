//! A container's files as seen from the daemon: descriptors of its root, never a path of the host.
//!
//! A running container is seen through its own mount namespace. One that does not run gets a mount
//! namespace that nothing else is in: its root and its volumes, alive as long as the view. In both
//! every path is resolved by the kernel with the view's root as the root; openat2(2), `RESOLVE_IN_ROOT`.
//!
//! A mount namespace is entered by a thread made for it, which ends there: it calls nothing but the
//! kernel, and nothing of a container is loaded or run by it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, unshare};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, open};
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::{Attempt, StepError, StepErrorKind};
use crate::init::{resolve, root};
use crate::process;
use crate::rootfs::{Rootfs, mount_detached};

const STEP: &str = "view of the files";
const LOCATION: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The calling thread's own; proc_pid_ns(5).
const NAMESPACE: &str = "/proc/thread-self/ns/mnt";

/// A directory or file of the host that a container sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// In the container; absolute.
    pub target: PathBuf,
    /// On the host.
    pub source: PathBuf,
    pub readonly: bool,
    /// With what is mounted below the source.
    pub recursive: bool,
}

/// The files of a container.
#[derive(Debug)]
pub struct View {
    root: OwnedFd,
    /// Keeps the mounts of a container that does not run.
    _namespace: Option<OwnedFd>,
}

impl View {
    /// What the first process of a running container sees; `pid` and `start_ticks` name the process.
    ///
    /// # Errors
    /// When it has ended.
    pub fn running(pid: i32, start_ticks: u64) -> Result<Self, StepError> {
        let path = format!("/proc/{pid}/root");
        let root =
            open(&path, LOCATION, Mode::empty()).attempt(STEP, || format!("open({path:?})"))?;
        check(pid, start_ticks)?;
        Ok(Self { root, _namespace: None })
    }

    /// The root file system of a running container without what is mounted below it.
    ///
    /// # Errors
    /// When it has ended, and the kernel's.
    pub fn running_root(pid: i32, start_ticks: u64) -> Result<Self, StepError> {
        let path = format!("/proc/{pid}/ns/mnt");
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let namespace =
            open(&path, flags, Mode::empty()).attempt(STEP, || format!("open({path:?})"))?;
        check(pid, start_ticks)?;
        let root = in_thread(move || {
            unshare(CloneFlags::CLONE_FS).attempt(STEP, || "unshare(CLONE_FS)".to_owned())?;
            let kind = Some(LinkNameSpaceType::Mount);
            move_into_link_name_space(namespace.as_fd(), kind)
                .attempt(STEP, || format!("setns({path:?})"))?;
            let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
            open_tree(CWD, "/", flags)
                .attempt(STEP, || "open_tree(\"/\", OPEN_TREE_CLONE)".to_owned())
        })?;
        Ok(Self { root, _namespace: None })
    }

    /// The root file system alone of a container that does not run.
    ///
    /// # Errors
    /// The mount's.
    pub fn stopped_root(rootfs: &Rootfs) -> Result<Self, StepError> {
        Ok(Self { root: mount_detached(rootfs)?, _namespace: None })
    }

    /// The files of a container that does not run, with its volumes. Mount points that are missing
    /// are made, as its start would.
    ///
    /// # Errors
    /// The mounts'.
    pub fn stopped(rootfs: &Rootfs, readonly: bool, bounds: &[Bound]) -> Result<Self, StepError> {
        let detached = mount_detached(rootfs)?;
        let mut bounds = bounds.to_vec();
        bounds.sort_by_key(|bound| bound.target.components().count());
        in_thread(move || build(detached, readonly, &bounds))
    }

    /// The root, as a bare location (`O_PATH`) or a mount.
    #[must_use]
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Makes a directory where there is nothing, and those above it. What is there is left as it is.
    ///
    /// # Errors
    /// The kernel's, and when there is something else.
    pub fn make_directory(&self, path: &Path) -> Result<(), StepError> {
        let made = resolve::make(self.root(), path, resolve::Leaf::Directory)?;
        let stat = fstat(&made).attempt(STEP, || "fstat".to_owned())?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            let why = format!("Cannot mkdir: {} is not a directory", path.display());
            return Err(StepError::refused(STEP, why, StepErrorKind::BadMount));
        }
        Ok(())
    }

    /// User and group id of `user[:group]` by the container's own `passwd` and `group`.
    ///
    /// # Errors
    /// When nobody has that name.
    pub fn owner(&self, user: &str) -> Result<(u32, u32), StepError> {
        crate::init::owner(self.root(), user)
    }
}

fn check(pid: i32, start_ticks: u64) -> Result<(), StepError> {
    if process::is_alive(pid, start_ticks) {
        return Ok(());
    }
    Err(StepError::refused(STEP, "the container has ended".to_owned(), StepErrorKind::Other))
}

/// Runs in a thread that may leave the mount namespace of all others.
fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StepError> + Send + 'static,
) -> Result<T, StepError> {
    let failed = |why: String| StepError::refused(STEP, why, StepErrorKind::Other);
    let thread = std::thread::Builder::new().name("view".to_owned()).spawn(work);
    let thread = thread.map_err(|error| failed(format!("no thread: {error}")))?;
    thread.join().map_err(|_| failed("the thread panicked".to_owned()))?
}

/// Makes a mount namespace of the root and what is bound into it, and nothing of the host's.
fn build(detached: OwnedFd, readonly: bool, bounds: &[Bound]) -> Result<View, StepError> {
    unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS)
        .attempt(STEP, || "unshare(CLONE_FS | CLONE_NEWNS)".to_owned())?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let namespace =
        open(NAMESPACE, flags, Mode::empty()).attempt(STEP, || format!("open({NAMESPACE:?})"))?;
    root::attach(detached.as_fd(), Path::new("/"), None)?;
    let sources = bounds.iter().map(source).collect::<Result<Vec<_>, _>>()?;
    root::enter(detached.as_fd(), None)?;
    for (bound, source) in bounds.iter().zip(&sources) {
        bind(detached.as_fd(), bound, source)?;
    }
    if readonly {
        root::make_readonly(&detached)?;
    }
    Ok(View { root: detached, _namespace: Some(namespace) })
}

fn source(bound: &Bound) -> Result<OwnedFd, StepError> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    flags.set(OpenTreeFlags::AT_RECURSIVE, bound.recursive);
    let path = &bound.source;
    open_tree(CWD, path, flags).attempt(STEP, || format!("open_tree({path:?})"))
}

fn bind(root: BorrowedFd<'_>, bound: &Bound, source: &OwnedFd) -> Result<(), StepError> {
    let stat = fstat(source).attempt(STEP, || "fstat".to_owned())?;
    let leaf = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => resolve::Leaf::Directory,
        _ => resolve::Leaf::File,
    };
    let target = resolve::make(root, &bound.target, leaf)?;
    if bound.readonly {
        root::make_readonly(source)?;
    }
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(source, "", &target, "", flags)
        .attempt(STEP, || format!("move_mount({:?}, {:?})", bound.source, bound.target))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::{AtFlags, statat};

    use super::*;

    #[test]
    fn a_stopped_container_has_its_volumes_and_the_host_no_mounts() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: needs root");
            return;
        }
        let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let base = tempfile::tempdir().unwrap();
        let directory = |name: &str| {
            let path = base.path().join(name);
            fs::create_dir_all(&path).unwrap();
            path
        };
        let (lower, volume) = (directory("lower"), directory("volume"));
        fs::write(volume.join("inside"), "").unwrap();
        symlink("/", lower.join("up")).unwrap();
        let rootfs = Rootfs::Overlay {
            lower: vec![lower],
            upper: directory("upper"),
            work: directory("work"),
            volatile: false,
        };
        let bound =
            Bound { target: "/up/a/vol".into(), source: volume, readonly: true, recursive: true };
        let view = View::stopped(&rootfs, false, &[bound]).unwrap();
        statat(view.root(), "a/vol/inside", AtFlags::empty()).unwrap();
        let flags = OFlags::CREATE | OFlags::WRONLY;
        let made = rustix::fs::openat(view.root(), "a/vol/new", flags, Mode::RUSR);
        assert_eq!(made.unwrap_err(), rustix::io::Errno::ROFS);
        assert!(statat(view.root(), "proc", AtFlags::empty()).is_err());
        drop(view);
        assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
    }

    #[test]
    fn a_process_is_named_by_its_start() {
        let pid = std::process::id().cast_signed();
        assert!(View::running(pid, 1).is_err());
        let ticks = process::start_ticks(pid);
        statat(View::running(pid, ticks).unwrap().root(), "proc", AtFlags::empty()).unwrap();
    }
}
