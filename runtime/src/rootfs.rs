//! A container's root file system as a detached mount: held by a descriptor, in no mount table.
//!
//! Nothing of it is seen in the host's `/proc/mounts`, so nothing has to be unmounted, is ever busy,
//! or is left after a crash; fsopen(2), open_tree(2).

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;

use nix::sched::{CloneFlags, unshare};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, open_tree,
};
use rustix::process::chdir;
use serde::{Deserialize, Serialize};

use crate::error::{Attempt, StepError, StepErrorKind};
use crate::init::complaint;
use crate::sys::mount::{MountAttr, mount_setattr};

const STEP: &str = "root file system";

/// Longest value of a parameter that the kernel takes, in bytes; fsconfig(2).
const VALUE_MAX: usize = 255;

/// This process's descriptors, by their numbers.
const DESCRIPTORS: &str = "/proc/self/fd";

/// Most layers that an overlay takes; the kernel's OVL_MAX_STACK.
const LAYERS_MAX: usize = 500;

/// What the root is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rootfs {
    /// An overlay of layers.
    Overlay {
        /// Read-only layers, topmost first.
        lower: Vec<PathBuf>,
        upper: PathBuf,
        work: PathBuf,
        /// Never sync the upper directory: for containers that are removed when they end.
        volatile: bool,
    },
    /// A directory of the host, bound with what is mounted below it.
    Directory(PathBuf),
}

/// Makes the detached mount. It lives as long as the descriptor, or until init has moved it into a
/// mount namespace and that namespace has ended.
pub fn mount_detached(root: &Rootfs) -> Result<OwnedFd, StepError> {
    match root {
        Rootfs::Directory(path) => directory(path),
        Rootfs::Overlay { lower, upper, work, volatile } => overlay(lower, upper, work, *volatile),
    }
}

fn directory(path: &Path) -> Result<OwnedFd, StepError> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    let tree = open_tree(CWD, path, flags).attempt(STEP, || format!("open_tree({path:?})"))?;
    // The clone of a shared mount is its peer: what is mounted in the container would appear on the
    // host. As a slave it only receives; mount_namespaces(7).
    let slave = MountAttr { propagation: libc::MS_SLAVE, ..MountAttr::default() };
    mount_setattr(tree.as_fd(), true, &slave)
        .attempt(STEP, || "mount_setattr(MS_SLAVE, AT_RECURSIVE)".to_owned())?;
    Ok(tree)
}

fn overlay(
    lower: &[PathBuf],
    upper: &Path,
    work: &Path,
    volatile: bool,
) -> Result<OwnedFd, StepError> {
    of_layers(lower, MountAttrFlags::empty(), |context| {
        // Shown as the source in mountinfo.
        fsconfig_set_string(context, "source", "overlay")
            .attempt(STEP, || "fsconfig(overlay, \"source\")".to_owned())?;
        set_path(context, "upperdir", upper)?;
        set_path(context, "workdir", work)?;
        if volatile {
            fsconfig_set_flag(context, "volatile")
                .attempt(STEP, || "fsconfig(overlay, \"volatile\")".to_owned())?;
        }
        Ok(())
    })
}

/// Makes an overlay of layers, topmost first, with the parameters that `prepare` sets.
pub(crate) fn of_layers(
    lower: &[PathBuf],
    attributes: MountAttrFlags,
    prepare: impl Fn(&OwnedFd) -> Result<(), StepError>,
) -> Result<OwnedFd, StepError> {
    if lower.is_empty() || lower.len() > LAYERS_MAX {
        let why = format!("an overlay has 1 to {LAYERS_MAX} lower layers, not {}", lower.len());
        return Err(StepError::refused(STEP, why, StepErrorKind::Other));
    }
    let mount = |set_lower: fn(&OwnedFd, &[PathBuf]) -> Result<(), StepError>| {
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
            .attempt(STEP, || "fsopen(\"overlay\")".to_owned())?;
        prepare(&context)?;
        set_lower(&context, lower)?;
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
            .attempt(STEP, || "fsmount(overlay)".to_owned())
    };
    match mount(create_of_each) {
        // Kernels before 6.5 do not know `lowerdir+`, and some only say so in the end.
        Err(StepError { errno: Some(libc::EINVAL), .. }) => mount(create_of_joined),
        mounted => mounted,
    }
}

fn create(context: &OwnedFd) -> Result<(), StepError> {
    fsconfig_create(context)
        .attempt(STEP, || format!("fsconfig(overlay, create){}", complaint(context)))
}

/// Sets a directory. A path that is too long for a parameter goes by way of a descriptor.
fn set_path(context: &OwnedFd, key: &str, path: &Path) -> Result<(), StepError> {
    let result = if path.as_os_str().as_bytes().len() <= VALUE_MAX {
        fsconfig_set_string(context, key, path)
    } else {
        open_directory(path)
            .and_then(|directory| fsconfig_set_string(context, key, by_descriptor(&directory)))
    };
    result.attempt(STEP, || format!("fsconfig(overlay, {key:?}, {path:?}){}", complaint(context)))
}

/// Sets the layers one by one, which Linux 6.5 can, and creates the overlay.
fn create_of_each(context: &OwnedFd, lower: &[PathBuf]) -> Result<(), StepError> {
    lower.iter().try_for_each(|layer| set_path(context, "lowerdir+", layer))?;
    create(context)
}

/// Sets the layers in one text, and creates the overlay. Their descriptors make the text short and free of colons; seen
/// from the directory of descriptors, they are mere numbers.
fn create_of_joined(context: &OwnedFd, lower: &[PathBuf]) -> Result<(), StepError> {
    let layers = lower
        .iter()
        .map(|layer| open_directory(layer).attempt(STEP, || format!("open({layer:?}, O_PATH)")))
        .collect::<Result<Vec<_>, _>>()?;
    let numbers: Vec<_> = layers.iter().map(|layer| layer.as_raw_fd().to_string()).collect();
    let joined = numbers.join(":");
    if joined.len() > VALUE_MAX {
        let why = format!("an overlay of {} layers needs Linux 6.5", lower.len());
        return Err(StepError::refused(STEP, why, StepErrorKind::Other));
    }
    let from_descriptors = || {
        unshare(CloneFlags::CLONE_FS)
            .map_err(|errno| Errno::from_raw_os_error(errno as i32))
            .attempt(STEP, || "unshare(CLONE_FS)".to_owned())?;
        chdir(DESCRIPTORS).attempt(STEP, || format!("chdir({DESCRIPTORS:?})"))?;
        fsconfig_set_string(context, "lowerdir", &joined)
            .attempt(STEP, || format!("fsconfig(overlay, \"lowerdir\"){}", complaint(context)))?;
        create(context)
    };
    // The working directory of a thread of its own: the callers' stays, and so does that of their other threads.
    thread::scope(|scope| scope.spawn(from_descriptors).join()).unwrap_or_else(|_| {
        Err(StepError::refused(STEP, "a thread panicked", StepErrorKind::Other))
    })
}

fn open_directory(path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn by_descriptor(directory: &OwnedFd) -> String {
    format!("{DESCRIPTORS}/{}", directory.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::{AtFlags, statat};

    use super::*;

    #[test]
    fn an_overlay_is_in_no_table() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: needs root");
            return;
        }
        let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let base = tempfile::tempdir().unwrap();
        let long = base.path().join("l".repeat(200)).join("m".repeat(200));
        let directory = |name: &str| {
            let path = base.path().join(name);
            fs::create_dir_all(&path).unwrap();
            path
        };
        fs::create_dir_all(&long).unwrap();
        fs::write(long.join("bottom"), "").unwrap();
        let top = directory("top");
        fs::write(top.join("top"), "").unwrap();
        let root = Rootfs::Overlay {
            lower: vec![top, long],
            upper: directory("upper"),
            work: directory("work"),
            volatile: true,
        };
        let root = mount_detached(&root).unwrap();
        for name in ["top", "bottom"] {
            statat(root.as_fd(), name, AtFlags::empty()).unwrap();
        }
        assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
    }

    #[test]
    fn layers_in_one_text() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: needs root");
            return;
        }
        let base = tempfile::tempdir().unwrap();
        let layers: Vec<PathBuf> = (0..100).map(|at| base.path().join(format!("a:{at}"))).collect();
        layers.iter().for_each(|layer| fs::create_dir(layer).unwrap());
        let before = std::env::current_dir().unwrap();
        let context = || fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
        create_of_joined(&context(), &layers[..60]).unwrap();
        let error = create_of_joined(&context(), &layers).unwrap_err();
        assert!(error.to_string().contains("100 layers"), "{error}");
        assert_eq!(std::env::current_dir().unwrap(), before);
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = Rootfs::Directory("/none/at/all".into());
        let error = mount_detached(&missing).unwrap_err().to_string();
        assert!(error.contains("/none/at/all") && error.ends_with("no such file or directory"));
    }
}
