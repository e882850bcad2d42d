//! Snapshots: the writable side of a container over an image's layers. Data only: nothing is
//! mounted here.

use std::path::PathBuf;
use std::sync::Arc;

use crate::Inner;
use crate::db::DbError;
use crate::digest::Digest;
use crate::error::IoError;
use crate::image::Image;

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
    /// Makes the directories of a container; its image's layers stay as long as they are there.
    ///
    /// # Errors
    /// See [`SnapshotError`].
    pub fn prepare(&self, container_id: &str, image: &Image) -> Result<Snapshot, SnapshotError> {
        todo!("{container_id} {image:?}")
    }

    /// A container's directories, or None.
    ///
    /// # Errors
    /// The database's.
    pub fn get(&self, container_id: &str) -> Result<Option<Snapshot>, SnapshotError> {
        todo!("{container_id}")
    }

    /// Removes a container's directories: renamed away here, deleted in the background. Says
    /// whether there were any.
    ///
    /// # Errors
    /// The database's or the file system's.
    pub fn remove(&self, container_id: &str) -> Result<bool, SnapshotError> {
        todo!("{container_id}")
    }
}
