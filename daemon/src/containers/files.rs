//! A container's files for clients: looked at, copied out and in. Blocking.
//!
//! A view is the first process's own while the container runs, else a private mount of its layers and
//! volumes, shared by all who look at the same time and gone with the last. Two writable mounts of one
//! upper directory must not be: a start waits until the views of before are gone, a while at most.

mod path;

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use api_spec::container::{Change, PathStat};
use runtime::rootfs::Rootfs;
use runtime::view::{Bound, View};
use store::Snapshot;
use store::layer::changes::Difference;
use store::layer::merge::{Merging, merge};
use store::layer::pack::{Form, pack_directory, pack_entry};

use super::error::Error;
use super::handle::Handle;
use super::prepare::files_in;
use super::state::State;
use super::{Containers, Service};
use crate::spec;
use path::{Opened, Place};

/// How long a start waits for clients that copy, and a client for a start.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// An empty file at the root of every container: programs look for it to know that they are in one.
pub(crate) const MARK: &str = ".dockerenv";

/// Where something is mounted in every container; the place itself is no change of an image that has none.
const PLACES: [&str; 10] = [
    "/.dockerenv",
    "/dev",
    "/dev/console",
    "/dev/pts",
    "/dev/shm",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/proc",
    "/sys",
];

/// Views of containers that do not run.
#[derive(Debug, Default)]
pub(super) struct Views(Mutex<HashMap<String, Weak<View>>>);

impl Views {
    /// Waits until nobody looks at the container's files any more. A client that takes longer than
    /// [`PATIENCE`] sees the files change while it copies.
    pub(super) fn give_way(&self, id: &str) {
        let limit = Instant::now() + PATIENCE;
        while self.find(id).is_some() && Instant::now() < limit {
            thread::sleep(PAUSE);
        }
    }

    fn find(&self, id: &str) -> Option<Arc<View>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id)?.upgrade()
    }

    fn share(
        &self,
        id: &str,
        make: impl FnOnce() -> Result<View, Error>,
    ) -> Result<Arc<View>, Error> {
        let mut views = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        views.retain(|_, view| view.strong_count() > 0);
        if let Some(view) = views.get(id).and_then(Weak::upgrade) {
            return Ok(view);
        }
        let view = Arc::new(make()?);
        views.insert(id.to_owned(), Arc::downgrade(&view));
        Ok(view)
    }
}

/// What is to be copied out of a container.
#[derive(Debug)]
pub(crate) struct Source {
    /// Kept as long as something of it is read.
    _view: Arc<View>,
    opened: Opened,
    pub(crate) stat: PathStat,
}

impl Source {
    /// Writes it as a tar.
    pub(crate) fn write(&self, mut into: &mut dyn Write) -> Result<(), Error> {
        let name = self.stat.name.as_bytes();
        let written = match &self.opened {
            Opened::Directory(directory) => {
                pack_directory(directory, Some(name), Form::Plain, &mut into)
            }
            Opened::Entry(parent, base) => pack_entry(parent, base, name, &mut into),
        };
        written.map_err(Error::internal)
    }
}

impl Containers {
    /// Finds what `path` names; `called` is what the client calls the container.
    pub(crate) fn find_file(
        &self,
        handle: &Handle,
        called: &str,
        path: &str,
    ) -> Result<Source, Error> {
        let place = Place::new(path, called)?;
        let view = self.0.view(handle)?;
        let stat = place.stat(view.root())?;
        let opened = place.open(view.root())?;
        Ok(Source { _view: view, opened, stat })
    }

    /// Unpacks a tar into the directory `path`. With `as_user` everything gets the owner that the
    /// container runs as.
    pub(crate) fn put_files(
        &self,
        handle: &Handle,
        (called, path): (&str, &str),
        (keep_kinds, as_user): (bool, bool),
        archive: impl Read,
    ) -> Result<(), Error> {
        let place = Place::new(path, called)?;
        let view = self.0.view(handle)?;
        place.check_writable(view.root(), handle.definition.host_config.readonly_rootfs)?;
        let user = handle.definition.config.user.as_str();
        let owner = match as_user && !user.is_empty() {
            true => Some(view.owner(user).map_err(Error::internal)?),
            false => None,
        };
        let how = Merging { owner, keep_kinds };
        merge(view.root(), place.as_bytes(), archive, how).map_err(Error::internal)?;
        self.tell(handle, "extract-to-dir", &[]);
        Ok(())
    }

    /// The root file system without what is mounted in it.
    pub(crate) fn root(&self, handle: &Handle) -> Result<View, Error> {
        self.0.settled(handle, |state| {
            match state.running() {
                Some(running) => View::running_root(running.pid, running.start_ticks),
                None => View::stopped_root(&rootfs(&self.0.snapshot_of(handle)?)),
            }
            .map_err(Error::internal)
        })
    }

    /// Writes the whole root file system as a tar.
    pub(crate) fn export(view: &View, mut into: &mut dyn Write) -> Result<(), Error> {
        let root: OwnedFd = view.root().try_clone_to_owned().map_err(Error::internal)?;
        pack_directory(&root, None, Form::Plain, &mut into).map_err(Error::internal)
    }

    /// The directory that holds what the container wrote, as overlay keeps it.
    pub(crate) fn upper(&self, handle: &Handle) -> Result<OwnedFd, Error> {
        let snapshot = self.0.snapshot_of(handle)?;
        fs::File::open(&snapshot.upper).map(OwnedFd::from).map_err(Error::internal)
    }

    /// What the container changed of its image.
    pub(crate) fn changes(&self, handle: &Handle) -> Result<Vec<Change>, Error> {
        let changes = self.0.snapshot_of(handle)?.changes(&PLACES).map_err(Error::internal)?;
        let shown = changes.into_iter().map(|change| Change {
            path: String::from_utf8_lossy(&change.path).into_owned(),
            kind: match change.difference {
                Difference::Modified => 0,
                Difference::Added => 1,
                Difference::Deleted => 2,
            },
        });
        Ok(shown.collect())
    }
}

impl Service {
    pub(super) fn snapshot_of(&self, handle: &Handle) -> Result<Snapshot, Error> {
        let snapshot = self.store.snapshots().get(handle.id()).map_err(Error::internal)?;
        snapshot.ok_or_else(|| Error::NoContainer(handle.id().to_owned()))
    }

    fn view(&self, handle: &Handle) -> Result<Arc<View>, Error> {
        self.settled(handle, |state| match state.running() {
            Some(running) => View::running(running.pid, running.start_ticks)
                .map(Arc::new)
                .map_err(Error::internal),
            None => self.views.share(handle.id(), || self.stopped(handle)),
        })
    }

    /// Does something with a container that is not on its way from one state to another, as often as
    /// it changes meanwhile.
    fn settled<T>(
        &self,
        handle: &Handle,
        work: impl Fn(&State) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let limit = Instant::now() + PATIENCE;
        loop {
            let before = handle.snapshot().progress.state.clone();
            if matches!(before, State::Removing(_) | State::Removed(_)) {
                return Err(Error::NoContainer(handle.id().to_owned()));
            }
            if before != State::Starting {
                let result = work(&before);
                // A process that has just ended is told a moment later.
                let is_late = result.is_err() && before.running().is_some();
                if !is_late && handle.snapshot().progress.state == before {
                    return result;
                }
            }
            if Instant::now() > limit {
                return Err(Error::Conflict(format!(
                    "container {} does not stand still: try again",
                    handle.id()
                )));
            }
            thread::sleep(PAUSE);
        }
    }

    fn stopped(&self, handle: &Handle) -> Result<View, Error> {
        let definition = &handle.definition;
        let snapshot = self.snapshot_of(handle)?;
        let mut bounds = Vec::new();
        let files = files_in(&snapshot.dir);
        for (target, source) in [
            ("/etc/resolv.conf", files.resolv_conf),
            ("/etc/hostname", files.hostname),
            ("/etc/hosts", files.hosts),
        ] {
            bounds.push(Bound { target: target.into(), source, readonly: false, recursive: false });
        }
        let volumes = definition.volumes.iter().map(|each| self.volumes.pass(&each.name));
        // The view has mounts of its own: these may go when it is made.
        let _mounted = volumes.collect::<Result<Vec<_>, _>>()?;
        for mount in self.volume_mounts(definition)? {
            if mount.kind == "bind" {
                let readonly = mount.options.iter().any(|option| option == "ro");
                let (target, source) = (mount.target.into(), mount.source);
                bounds.push(Bound { target, source, readonly, recursive: true });
            }
        }
        for bind in spec::host_binds(&definition.host_config, &definition.inherited) {
            let spec::Bind { target, source, readonly, recursive, .. } = bind;
            bounds.push(Bound { target: target.into(), source, readonly, recursive });
        }
        bounds.retain(|bound| fs::symlink_metadata(&bound.source).is_ok());
        let readonly = definition.host_config.readonly_rootfs;
        View::stopped(&rootfs(&snapshot), readonly, &bounds).map_err(Error::internal)
    }
}

/// Both sides of a container's root, to be looked at while it does not run.
pub(super) fn rootfs(snapshot: &Snapshot) -> Rootfs {
    Rootfs::Overlay {
        lower: snapshot.lower.clone(),
        upper: snapshot.upper.clone(),
        work: snapshot.work.clone(),
        volatile: false,
    }
}
