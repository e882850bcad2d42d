//! First use of a volume: what the image has at its mount point is copied into it, if it is empty.

use std::cell::OnceCell;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use runtime::rootfs::{Rootfs, mount_detached};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use store::Snapshot;

use super::{Error, Volume, Volumes, What, copy};

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);

/// The root of a container that is being made. Mounted when it is first asked for, and nowhere to be seen.
#[derive(Debug)]
pub(crate) struct Image<'a> {
    snapshot: &'a Snapshot,
    root: OnceCell<OwnedFd>,
}

impl<'a> Image<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, root: OnceCell::new() }
    }

    fn root(&self) -> Result<&OwnedFd, Error> {
        if let Some(root) = self.root.get() {
            return Ok(root);
        }
        let root = mount_detached(&Rootfs::Overlay {
            lower: self.snapshot.lower.clone(),
            upper: self.snapshot.upper.clone(),
            work: self.snapshot.work.clone(),
            volatile: false,
        });
        let root = root.map_err(|error| Error::Failed(format!("mount of the image: {error}")))?;
        Ok(self.root.get_or_init(|| root))
    }
}

impl Volumes {
    /// Copies what the image has at `target` into the volume, if the volume is empty. Two that fill the same volume
    /// wait for each other.
    pub(crate) fn fill(&self, name: &str, image: &Image<'_>, target: &str) -> Result<(), Error> {
        let (volume, filling) = {
            let table = self.table();
            let entry = table.get(name).ok_or_else(|| Error::NoVolume(name.to_owned()))?;
            (Arc::clone(&entry.volume), Arc::clone(&entry.filling))
        };
        let _alone = filling.lock().unwrap_or_else(PoisonError::into_inner);
        let failed =
            |error: io::Error| Error::Failed(format!("fill volume {name} from {target}: {error}"));
        let (directory, _mounted) = match volume.what() {
            What::Own => (self.place(&volume)?, None),
            What::Bind { device, .. } if device.is_dir() => (device, None),
            // What is not there fails at the start; memory lasts no longer than a container runs.
            What::Bind { .. } => return Ok(()),
            What::Filesystem(filesystem) if filesystem.kind == "tmpfs" => return Ok(()),
            What::Filesystem(_) if find(image.root()?, target).map_err(failed)?.is_none() => {
                return Ok(());
            }
            What::Filesystem(_) => {
                let mounted = self.pass(name)?;
                (self.place(&volume)?, mounted)
            }
        };
        if fs::read_dir(&directory).map_err(failed)?.next().is_some() {
            return Ok(());
        }
        fill(image.root()?, target, &directory).map_err(failed)
    }

    /// The volume's own directory, made again if somebody took it away.
    pub(crate) fn place(&self, volume: &Volume) -> Result<std::path::PathBuf, Error> {
        Ok(self.0.store.volumes().ensure(&volume.name)?)
    }
}

/// The directory that the image has at `target`, if it has one.
fn find(root: &OwnedFd, target: &str) -> io::Result<Option<OwnedFd>> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let target = target.trim_start_matches('/');
    match openat2(root, target, DIRECTORY, Mode::empty(), resolve) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn fill(root: &OwnedFd, target: &str, directory: &Path) -> io::Result<()> {
    let to = openat(CWD, directory, DIRECTORY, Mode::empty())?;
    // Otherwise the volume begins empty.
    if let Some(from) = find(root, target)? {
        copy::tree(from, to.try_clone()?)?;
    }
    match target.trim_start_matches('/') {
        "etc" => make_mount_points(&to),
        _ => Ok(()),
    }
}

/// What every container gets mounted in `/etc`: the volume may be read-only when that happens.
fn make_mount_points(etc: &OwnedFd) -> io::Result<()> {
    for name in ["hostname", "hosts", "resolv.conf"] {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        match openat(etc, name, flags, Mode::from_raw_mode(0o644)) {
            Ok(_) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
