//! Anonymous volumes: directories beside a container's own, filled from the image when the container is made, and
//! removed with it.

mod copy;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use runtime::StepError;
use runtime::rootfs::{Rootfs, mount_detached};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use store::Snapshot;

/// Why a volume can not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum VolumeError {
    #[error("mount of the image: {0}")]
    Mount(#[from] StepError),
    #[error("volume {target}: {source}")]
    Io { target: String, source: io::Error },
}

/// Where the volume with this number lies.
pub(super) fn directory(container: &Path, number: usize) -> PathBuf {
    container.join("volumes").join(number.to_string())
}

/// Makes a directory for each target and copies into it what the image has there. Blocking.
pub(super) fn make(snapshot: &Snapshot, targets: &[String]) -> Result<(), VolumeError> {
    if targets.is_empty() {
        return Ok(());
    }
    let root = mount_detached(&Rootfs::Overlay {
        lower: snapshot.lower.clone(),
        upper: snapshot.upper.clone(),
        work: snapshot.work.clone(),
        volatile: false,
    })?;
    for (number, target) in targets.iter().enumerate() {
        one(&root, &directory(&snapshot.dir, number), target)
            .map_err(|source| VolumeError::Io { target: target.clone(), source })?;
    }
    Ok(())
}

fn one(root: &OwnedFd, directory: &Path, target: &str) -> io::Result<()> {
    let parent = directory.parent().unwrap_or(directory);
    fs::create_dir_all(parent)?;
    DirBuilder::new().mode(0o755).create(directory)?;
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let from = match openat2(root, target.trim_start_matches('/'), flags, Mode::empty(), resolve) {
        Ok(from) => from,
        // The image has nothing there, or no directory: the volume begins empty.
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let to = openat(CWD, directory, flags, Mode::empty())?;
    copy::tree(from, to)
}
