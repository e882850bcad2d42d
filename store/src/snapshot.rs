//! Snapshots: the writable side of a container over an image's layers. Data only: nothing is
//! mounted here.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::db::{DbError, images, snapshots};
use crate::digest::Digest;
use crate::error::IoError;
use crate::image::{Image, Images};
use crate::layer::DIFF_DIR;
use crate::lease::{Candidates, FreeError};
use crate::{Inner, crash, durable};

/// Lower directories of an overlay that has no upper one, at least.
const LEAST_LAYERS: usize = 2;
/// Characters of a container's id at most.
const ID_LIMIT: usize = 128;

/// Why a snapshot cannot be made or removed.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Not a name for a directory: 1 to 128 characters of `[a-zA-Z0-9_-]`.
    #[error("invalid container id {0:?}")]
    InvalidId(String),
    /// The container has one.
    #[error("snapshot of container {0} exists")]
    Exists(String),
    /// A layer of the image is not here any more.
    #[error("layer {0} is not unpacked")]
    MissingLayer(Digest),
    /// A call on the file system failed.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The directories of a container, all absolute; for an overlay mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The container's own directory, 0700; the daemon may put its bundle there.
    pub dir: PathBuf,
    /// The image's layers, topmost first; never empty.
    pub lower: Vec<PathBuf>,
    /// What the container writes.
    pub upper: PathBuf,
    /// Overlay's own.
    pub work: PathBuf,
    /// For the container's log.
    pub log: PathBuf,
}

/// The snapshots.
#[derive(Debug, Clone)]
pub struct Snapshots {
    pub(crate) inner: Arc<Inner>,
}

impl Snapshots {
    /// Makes the directories of a container; its image's layers stay as long as they are there. `limit` is how many bytes it
    /// may write, which takes [`crate::Store::has_quotas`].
    ///
    /// # Errors
    /// See [`SnapshotError`].
    pub fn prepare(
        &self,
        container_id: &str,
        image: &Image,
        limit: Option<u64>,
    ) -> Result<Snapshot, SnapshotError> {
        self.inner.make_room(0)?;
        let snapshot = self.describe(container_id, &image.chain)?;
        match durable::create_dir(&snapshot.dir, 0o700) {
            Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => {
                return Err(SnapshotError::Exists(container_id.to_owned()));
            }
            result => result?,
        }
        let made = self.fill(container_id, image, &snapshot, limit);
        if made.is_err() {
            self.inner.throw_away(&snapshot.dir)?;
            self.inner.keeper.empty_trash();
        }
        made.map(|()| snapshot)
    }

    fn fill(
        &self,
        container_id: &str,
        image: &Image,
        snapshot: &Snapshot,
        limit: Option<u64>,
    ) -> Result<(), SnapshotError> {
        // The root of a container has the mode of the upper directory.
        durable::create_dir(&snapshot.upper, 0o755)?;
        durable::create_dir(&snapshot.work, 0o700)?;
        durable::create_dir(&snapshot.log, 0o700)?;
        if let Some(bytes) = limit {
            self.inner.limit(&[&snapshot.upper, &snapshot.work], bytes)?;
        }
        crash::step("store.snapshot.made");
        let mut writer = self.inner.db.lock();
        for chain_id in &image.chain {
            if !writer.read(|db| images::has_layer(db, chain_id))? {
                return Err(SnapshotError::MissingLayer(chain_id.clone()));
            }
        }
        writer.write(|db| snapshots::insert(db, container_id, &image.id, &image.chain))?;
        drop(writer);
        self.inner.keeper.written();
        crash::step("store.snapshot.recorded");
        Ok(())
    }

    /// A container's directories, or None.
    ///
    /// # Errors
    /// The database's.
    pub fn get(&self, container_id: &str) -> Result<Option<Snapshot>, SnapshotError> {
        match self.inner.db.read(|db| snapshots::chain(db, container_id))? {
            Some(chain) => Ok(Some(self.describe(container_id, &chain)?)),
            None => Ok(None),
        }
    }

    /// Removes a container's directories: renamed away here, deleted in the background. Says
    /// whether there were any.
    ///
    /// # Errors
    /// The database's or the file system's.
    pub fn remove(&self, container_id: &str) -> Result<bool, SnapshotError> {
        let mut writer = self.inner.db.lock();
        let Some(chain) = writer.read(|db| snapshots::chain(db, container_id))? else {
            return Ok(false);
        };
        let Snapshot { dir, upper, .. } = self.describe(container_id, &chain)?;
        writer.write(|db| snapshots::delete(db, container_id))?;
        crash::step("store.snapshot.forgotten");
        self.inner.unlimit(&upper);
        self.inner.throw_away(&dir)?;
        // An image that is still here keeps its layers: the usual case costs one look.
        let candidates = Candidates { layers: chain.into_iter().collect(), ..Default::default() };
        let unused = writer.read(|db| images::unused(db, &candidates))?;
        drop(writer);
        crash::step("store.snapshot.renamed");
        self.inner.keeper.written();
        self.inner.keeper.empty_trash();
        self.inner.collect(unused)?;
        Ok(true)
    }

    fn describe(&self, container_id: &str, chain: &[Digest]) -> Result<Snapshot, SnapshotError> {
        if !is_valid_id(container_id) {
            return Err(SnapshotError::InvalidId(container_id.to_owned()));
        }
        let dir = self.inner.containers_dir().join(container_id);
        Ok(Snapshot {
            lower: layers(&self.inner, chain, 1),
            upper: dir.join("upper"),
            work: dir.join("work"),
            log: dir.join("log"),
            dir,
        })
    }
}

/// The layers of a chain, topmost first, with empty directories below them up to a number.
fn layers(inner: &Inner, chain: &[Digest], least: usize) -> Vec<PathBuf> {
    let mut layers: Vec<PathBuf> =
        chain.iter().rev().map(|chain_id| inner.layer_dir(chain_id).join(DIFF_DIR)).collect();
    layers.resize(layers.len().max(least), inner.root.join("empty"));
    layers
}

impl Images {
    /// The directories of an image's layers, topmost first: as many as an overlay without an upper directory needs.
    #[must_use]
    pub fn layers(&self, image: &Image) -> Vec<PathBuf> {
        layers(&self.inner, &image.chain, LEAST_LAYERS)
    }
}

/// Ids become names of directories: no separators, no dots.
fn is_valid_id(id: &str) -> bool {
    (1..=ID_LIMIT).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

impl From<FreeError> for SnapshotError {
    fn from(error: FreeError) -> Self {
        match error {
            FreeError::Io(error) => error.into(),
            FreeError::Db(error) => error.into(),
        }
    }
}
