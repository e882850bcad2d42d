//! Bytes and their names: content-addressed blobs, unpacked layers, images, snapshots, the
//! daemon's records, and the client of registries. It returns mounts as data and mounts nothing;
//! it knows neither Docker's JSON nor processes. Only `db` knows SQL.
//!
//! # The tree on disk
//!
//! ```text
//! <root>/                      0711, itself an OCI image layout (skopeo inspect oci:<root>:<name>)
//! ├── lock                     flock: one daemon a root
//! ├── oci-layout               {"imageLayoutVersion":"1.0.0"}
//! ├── index.json               every named image's OCI manifest; made anew from the rows
//! ├── blobs/sha256/<hex>       0700; manifests, configs, layers, compressed as they came
//! ├── ingest/<hex>.partial     0700; blobs on their way, resumable
//! │   └── unpack-<n>/          layers on their way
//! ├── layers/<chain id hex>/   0700
//! │   ├── diff/                one layer in overlay form: whiteouts are 0:0 character devices
//! │   └── layer.json           diff id, size in bytes, number of entries
//! ├── containers/<id>/         0700; upper/ work/ log/, and the daemon's bundle
//! ├── empty/                   the lower directory of an image without layers
//! ├── trash/                   renamed here, removed in the background
//! └── jocker.db                SQLite, WAL: images, layers, snapshots, records
//! ```
//!
//! # The order of writes
//!
//! Bytes first, then one `syncfs`, then the row, then `index.json`. So a row never names bytes
//! that a power cut can take; bytes without a row are swept when the store is opened, except that
//! blobs go back to `ingest`, where the next pull verifies and takes them. Removal goes the other
//! way: the row first, then a rename into `trash`.
//!
//! # Locks
//!
//! The writer's connection is the one lock over names: commit, removal, collection and the making
//! of a snapshot hold it while they look at rows and rename bytes. A [`Lease`] puts collection
//! off while a pull relies on bytes that no row names yet.

pub mod content;
pub mod crash;
mod db;
pub mod digest;
mod durable;
mod error;
pub mod image;
pub mod layer;
mod lease;
pub mod pull;
pub mod record;
mod recover;
pub mod reference;
pub mod registry;
pub mod snapshot;
mod trash;

use std::path::{Path, PathBuf};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

pub use content::{Blob, ContentError, Ingest};
pub use db::DbError;
pub use digest::Digest;
pub use error::IoError;
pub use image::{Image, ImageId, Images, NewImage};
pub use layer::{LayerError, LayerInfo, Layers};
pub use lease::Lease;
pub use record::{Record, RecordError, Records};
pub use recover::Recovery;
pub use reference::Reference;
pub use snapshot::{Snapshot, SnapshotError, Snapshots};

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the lock.
    #[error("data root {0:?} is in use by another daemon")]
    Locked(PathBuf),
    /// A call on the file system failed.
    #[error("open store: {0}")]
    Io(#[from] IoError),
    /// The database cannot be opened or migrated.
    #[error("open store: {0}")]
    Db(#[from] DbError),
}

/// The store under one data root. Cloning is cheap; all methods block and never wait for a network.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    root: PathBuf,
    db: db::Db,
    keeper: trash::Keeper,
    ingesting: Mutex<HashSet<Digest>>,
    numbers: AtomicU64,
}

impl Inner {
    /// A number that this process has not used yet, for temporary names.
    fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

impl Store {
    /// Opens the store under a data root, making it if need be: takes the lock, brings the
    /// database to this version, sweeps what no row names.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(root: &Path) -> Result<Self, OpenError> {
        todo!("{root:?}")
    }

    /// What was found when it was opened.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        todo!()
    }

    /// The data root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// The unpacked layers.
    #[must_use]
    pub fn layers(&self) -> Layers {
        Layers { inner: self.inner.clone() }
    }

    /// The images.
    #[must_use]
    pub fn images(&self) -> Images {
        Images { inner: self.inner.clone() }
    }

    /// The containers' writable sides.
    #[must_use]
    pub fn snapshots(&self) -> Snapshots {
        Snapshots { inner: self.inner.clone() }
    }

    /// The daemon's documents.
    #[must_use]
    pub fn records(&self) -> Records {
        Records { inner: self.inner.clone() }
    }

    /// Puts the freeing of blobs and layers off until the lease is dropped; `name` is for logs.
    #[must_use]
    pub fn lease(&self, name: &str) -> Lease {
        todo!("{name}")
    }

    /// Waits until everything that was removed is also deleted: for an orderly end.
    pub fn settle(&self) {
        todo!()
    }
}
