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
//! │   ├── load-<n>/            files of an archive on their way
//! │   └── unpack-<n>/          layers on their way
//! ├── layers/<chain id hex>/   0700
//! │   ├── diff/                one layer in overlay form: whiteouts are 0:0 character devices
//! │   ├── layer.json           diff id, size in bytes, number of entries
//! │   └── implied              until a commit: directories whose metadata the lower layers have
//! ├── containers/<id>/         0700; upper/ work/ log/, and the daemon's bundle
//! ├── empty/                   the lower directory of an image without layers
//! ├── volumes/<name>/          0701
//! │   └── _data/               what is mounted; never swept, whatever rows say
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
//! Layers are unpacked side by side. What one takes over from those below it, its implied
//! directories' metadata, is settled by the commit before its sync; the list `implied` goes after
//! the sync, so that a crash between has it done again.
//!
//! # Locks
//!
//! The writer's connection is the one lock over names: commit, removal, collection and the making
//! of a snapshot hold it while they look at rows and rename bytes, and never while they wait for a
//! disk to sync. A [`Lease`] puts collection off while a pull relies on bytes that no row names
//! yet. Taken in this order: leases or index, then the writer or the reader.

mod ahead;
pub mod archive;
pub mod check;
pub mod content;
pub mod crash;
mod db;
pub mod digest;
pub mod distribution;
mod durable;
mod error;
pub mod fetch;
pub mod image;
pub mod layer;
mod layout;
mod lease;
pub mod offline;
pub mod pull;
pub mod push;
mod quota;
pub mod record;
mod recover;
pub mod reference;
pub mod registry;
mod room;
pub mod snapshot;
#[expect(unsafe_code, reason = "system calls live here and nowhere else")]
mod sys;
mod trash;
pub mod volume;

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use db::checkpoint::Checkpoint;
use error::Context;

pub use content::{Blob, ContentError, Ingest};
pub use db::DbError;
pub use digest::Digest;
pub use error::IoError;
pub use image::{
    Image, ImageError, ImageId, Images, Manifest, NewImage, NewLayer, Removed, ResolveError,
    Untagged,
};
pub use layer::{LayerError, LayerInfo, Layers};
pub use lease::Lease;
pub use record::{Record, RecordError, Records};
pub use recover::Recovery;
pub use reference::Reference;
pub use snapshot::{Snapshot, SnapshotError, Snapshots};
pub use volume::{VolumeError, Volumes, is_volume_name};

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the lock.
    #[error("data root {0:?} is in use by another daemon")]
    Locked(PathBuf),
    /// A call on the file system failed.
    #[error("open store: {0}")]
    Io(#[from] IoError),
    /// The database cannot be opened or migrated, or is of a newer version.
    #[error("open store: {0}")]
    Db(#[from] DbError),
}

impl From<lease::FreeError> for OpenError {
    fn from(error: lease::FreeError) -> Self {
        match error {
            lease::FreeError::Io(error) => error.into(),
            lease::FreeError::Db(error) => error.into(),
        }
    }
}

/// The store under one data root. Cloning is cheap; all methods block and never wait for a network.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    root: PathBuf,
    /// Of the root directory, for `syncfs`.
    directory: File,
    ahead: ahead::Ahead,
    db: db::Db,
    keeper: trash::Keeper,
    catalog: image::CatalogCell,
    leases: Mutex<lease::Leases>,
    ingesting: Mutex<HashSet<Digest>>,
    /// Held by who writes `index.json`.
    indexing: Mutex<()>,
    numbers: AtomicU64,
    reserve: room::Reserve,
    /// Held by who takes the number of a project.
    projects: Mutex<()>,
    recovery: OnceLock<Recovery>,
    /// Held as long as the store is open.
    _lock: File,
}

/// Directories under the root, with their modes.
const DIRECTORIES: &[(&str, u32)] = &[
    ("blobs", 0o700),
    ("blobs/sha256", 0o700),
    ("containers", 0o700),
    ("empty", 0o755),
    ("ingest", 0o700),
    ("layers", 0o700),
    ("trash", 0o700),
    ("volumes", 0o701),
];

impl Inner {
    fn open(root: &Path) -> Result<Self, OpenError> {
        durable::ensure_dir(root, 0o711)?;
        let root = root.canonicalize().on("resolve", root)?;
        let lock = take_lock(&root)?;
        for (name, mode) in DIRECTORIES {
            durable::ensure_dir(&root.join(name), *mode)?;
        }
        // Layers are unpacked here, several at once, before they have their names.
        durable::spread(&root.join("ingest"))?;
        let db = db::Db::open(&root)?;
        Ok(Self {
            directory: File::open(&root).on("open", &root)?,
            keeper: trash::Keeper::new(&root.join("trash"), Checkpoint::of(&db)),
            ahead: ahead::Ahead::new(&root),
            db,
            catalog: image::CatalogCell::default(),
            leases: Mutex::default(),
            ingesting: Mutex::default(),
            indexing: Mutex::default(),
            numbers: AtomicU64::new(0),
            reserve: room::Reserve::default(),
            projects: Mutex::default(),
            recovery: OnceLock::new(),
            _lock: lock,
            root,
        })
    }

    /// A number that this process has not used yet, for temporary names.
    fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes everything that was written so far survive a power cut.
    fn sync(&self) -> Result<(), IoError> {
        rustix::fs::syncfs(&self.directory).on("syncfs", &self.root)
    }

    fn layers_dir(&self) -> PathBuf {
        self.root.join("layers")
    }

    fn layer_dir(&self, chain_id: &Digest) -> PathBuf {
        self.layers_dir().join(chain_id.hex())
    }

    fn containers_dir(&self) -> PathBuf {
        self.root.join("containers")
    }

    fn volumes_dir(&self) -> PathBuf {
        self.root.join("volumes")
    }

    fn trash_dir(&self) -> PathBuf {
        self.root.join("trash")
    }
}

fn take_lock(root: &Path) -> Result<File, OpenError> {
    let path = root.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .on("open", &path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(OpenError::Locked(root.to_owned())),
        Err(errno) => Err(IoError::new(format!("flock {path:?}"), errno).into()),
    }
}

impl Store {
    /// Opens the store under a data root, making it if need be: takes the lock, brings the
    /// database to this version, sweeps what no row names, writes the image layout's files.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(root: &Path) -> Result<Self, OpenError> {
        let inner = Arc::new(Inner::open(root)?);
        let recovery = recover::at_open(&inner)?;
        inner.recovery.get_or_init(|| recovery);
        inner.write_layout()?;
        Ok(Self { inner })
    }

    /// What was found when it was opened.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        self.inner.recovery.get_or_init(Recovery::default)
    }

    /// The data root, with symbolic links resolved.
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

    /// The volumes' directories.
    #[must_use]
    pub fn volumes(&self) -> Volumes {
        Volumes { inner: self.inner.clone() }
    }

    /// The daemon's documents.
    #[must_use]
    pub fn records(&self) -> Records {
        Records { inner: self.inner.clone() }
    }

    /// Puts the freeing of blobs and layers off until the lease is dropped; `name` is for logs.
    #[must_use]
    pub fn lease(&self, name: &str) -> Lease {
        Lease::new(&self.inner, name)
    }

    /// Waits until everything that was removed is also deleted. Nothing needs it: what is left is
    /// deleted when the store is opened again.
    pub fn settle(&self) {
        self.inner.keeper.settle();
    }
}
