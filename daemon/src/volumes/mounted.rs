//! Volumes with a file system of their own: it is mounted on the volume's directory as long as somebody uses it, so
//! that all who have the volume see the same files, people on the host too; as with Docker.
//!
//! Containers outlive the daemon, and so do these mounts: one that comes up counts again who uses them, and takes away
//! those that nobody uses any more.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

use super::filesystem::unmount_all;
use super::{Error, Filesystem, Volumes, What};

/// Who uses the file system of a volume.
#[derive(Debug, Default)]
pub(super) struct Users {
    /// Ids of containers that run.
    containers: BTreeSet<String>,
    /// Those that look into it for a moment.
    passing: usize,
}

impl Users {
    fn are_none(&self) -> bool {
        self.containers.is_empty() && self.passing == 0
    }
}

/// A volume that has its file system while this lives.
#[derive(Debug)]
pub(crate) struct Passing {
    volumes: Volumes,
    name: String,
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.volumes.leave(&self.name, |users| users.passing = users.passing.saturating_sub(1));
    }
}

impl Volumes {
    /// Whether the volume has a file system of its own.
    pub(crate) fn has_filesystem(&self, name: &str) -> bool {
        self.filesystem(name).is_some()
    }

    /// A container that is about to run uses the volume; nothing happens if it has no file system of its own.
    /// Blocks for as long as a mount takes.
    pub(crate) fn enter_for(&self, name: &str, container: &str) -> Result<(), Error> {
        self.enter(name, |users| _ = users.containers.insert(container.to_owned())).map(drop)
    }

    /// The container does not run any more.
    pub(crate) fn leave_for(&self, name: &str, container: &str) {
        self.leave(name, |users| _ = users.containers.remove(container));
    }

    /// Has the volume's file system mounted for a moment; `None` if it has none of its own.
    pub(crate) fn pass(&self, name: &str) -> Result<Option<Passing>, Error> {
        let entered = self.enter(name, |users| users.passing += 1)?;
        Ok(entered.then(|| Passing { volumes: self.clone(), name: name.to_owned() }))
    }

    /// A container that ran before this daemon did uses the volume, unless its file system went with the machine.
    pub(crate) fn take_over(&self, name: &str, container: &str) {
        if let Some((_, users)) = self.filesystem(name)
            && is_mounted(&self.0.store.volumes().data(name))
        {
            lock(&users).containers.insert(container.to_owned());
        }
    }

    /// Takes away the file systems that nobody uses: their containers ended while there was no daemon.
    pub(crate) fn settle(&self) {
        let names: Vec<String> = self.table().keys().cloned().collect();
        for name in names {
            self.leave(&name, |_| {});
        }
    }

    fn enter(&self, name: &str, count: impl FnOnce(&mut Users)) -> Result<bool, Error> {
        let Some((filesystem, users)) = self.filesystem(name) else { return Ok(false) };
        let mut users = lock(&users);
        if users.are_none() {
            let directory = self.0.store.volumes().ensure(name)?;
            unmount_all(&directory);
            filesystem.mount(&directory).map_err(|error| {
                let directory = directory.display();
                Error::Failed(format!("error while mounting volume '{directory}': {error}"))
            })?;
        }
        count(&mut users);
        Ok(true)
    }

    fn leave(&self, name: &str, count: impl FnOnce(&mut Users)) {
        let Some((_, users)) = self.filesystem(name) else { return };
        let mut users = lock(&users);
        count(&mut users);
        if users.are_none() {
            unmount_all(&self.0.store.volumes().data(name));
        }
    }

    fn filesystem(&self, name: &str) -> Option<(Filesystem, Arc<Mutex<Users>>)> {
        let table = self.table();
        let entry = table.get(name)?;
        match entry.volume.what() {
            What::Filesystem(filesystem) => Some((filesystem, Arc::clone(&entry.mounted))),
            What::Own | What::Bind { .. } => None,
        }
    }
}

fn lock(users: &Mutex<Users>) -> MutexGuard<'_, Users> {
    users.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether something is mounted here; its server is not asked.
fn is_mounted(directory: &Path) -> bool {
    let flags = AtFlags::NO_AUTOMOUNT | AtFlags::STATX_DONT_SYNC;
    let seen = statx(CWD, directory, flags, StatxFlags::empty());
    seen.is_ok_and(|seen| seen.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}
