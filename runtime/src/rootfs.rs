//! A container's root file system as a detached mount: held by a descriptor, in no mount table.
//!
//! Nothing of it is seen in the host's `/proc/mounts`, so nothing has to be unmounted, is ever busy,
//! or is left after a crash; fsopen(2), open_tree(2).

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, open_tree,
};
use serde::{Deserialize, Serialize};

use crate::error::{Attempt, StepError, StepErrorKind};
use crate::init::complaint;

const STEP: &str = "root file system";

/// Longest value of a parameter that the kernel takes, in bytes; fsconfig(2).
const VALUE_MAX: usize = 255;

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
        Rootfs::Directory(path) => {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_RECURSIVE;
            open_tree(CWD, path, flags).attempt(STEP, || format!("open_tree({path:?})"))
        }
        Rootfs::Overlay { lower, upper, work, volatile } => overlay(lower, upper, work, *volatile),
    }
}

fn overlay(
    lower: &[PathBuf],
    upper: &Path,
    work: &Path,
    volatile: bool,
) -> Result<OwnedFd, StepError> {
    if lower.is_empty() || lower.len() > LAYERS_MAX {
        let why = format!("an overlay has 1 to {LAYERS_MAX} lower layers, not {}", lower.len());
        return Err(StepError::refused(STEP, why, StepErrorKind::Other));
    }
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
        .attempt(STEP, || "fsopen(\"overlay\")".to_owned())?;
    // Shown as the source in mountinfo.
    fsconfig_set_string(&context, "source", "overlay")
        .attempt(STEP, || "fsconfig(overlay, \"source\")".to_owned())?;
    for layer in lower {
        set_path(&context, "lowerdir+", layer)?;
    }
    set_path(&context, "upperdir", upper)?;
    set_path(&context, "workdir", work)?;
    if volatile {
        fsconfig_set_flag(&context, "volatile")
            .attempt(STEP, || "fsconfig(overlay, \"volatile\")".to_owned())?;
    }
    fsconfig_create(&context)
        .attempt(STEP, || format!("fsconfig(overlay, create){}", complaint(&context)))?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
        .attempt(STEP, || "fsmount(overlay)".to_owned())
}

/// Sets a directory. A path that is too long for a parameter goes by way of a descriptor.
fn set_path(context: &OwnedFd, key: &str, path: &Path) -> Result<(), StepError> {
    let result = if path.as_os_str().as_bytes().len() <= VALUE_MAX {
        fsconfig_set_string(context, key, path)
    } else {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty()).and_then(|directory| {
            fsconfig_set_string(context, key, format!("/proc/self/fd/{}", directory.as_raw_fd()))
        })
    };
    result.attempt(STEP, || format!("fsconfig(overlay, {key:?}, {path:?}){}", complaint(context)))
}

/// Whether the kernel takes the layers of an overlay one by one (Linux 6.5).
pub fn kernel_appends_layers() -> bool {
    let probe = || -> Result<(), Errno> {
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(&context, "lowerdir+", "/")
    };
    probe().is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;

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
        assert!(kernel_appends_layers());
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = Rootfs::Directory("/none/at/all".into());
        let error = mount_detached(&missing).unwrap_err().to_string();
        assert!(error.contains("/none/at/all") && error.ends_with("no such file or directory"));
    }
}
