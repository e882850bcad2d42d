//! Layers, unpacked once and kept in overlay form under `layers/<chain id>/diff`. A layer does not
//! need its parents, so all layers of an image can be unpacked at the same time.

mod apply;
mod archive;
pub mod changes;
pub(crate) mod compare;
pub(crate) mod flatten;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod implied;
mod limits;
pub mod merge;
mod metadata;
pub mod pack;
mod path;
mod pax;
pub(crate) mod pump;
mod root;
mod settle;
mod sparse;
#[cfg(test)]
mod specimen;

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags, openat};
use serde::{Deserialize, Serialize};

pub use apply::EntryError;
pub use archive::ArchiveError;
pub use path::PathError;

use crate::db::{DbError, images};
use crate::digest::Digest;
use crate::error::{Context, IoError};
use crate::{Inner, crash, durable};
use apply::{Applied, ApplyError, apply};
use limits::Limits;
use path::CleanPath;
use pump::pump;
pub(crate) use settle::Settled;

/// The overlay form of a layer.
pub(crate) const DIFF_DIR: &str = "diff";
/// Beside `diff/`: what [`LayerInfo`] says.
const INFO_FILE: &str = "layer.json";

/// Why a layer cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The stream could not be read or decompressed, or is longer than allowed.
    #[error("read layer: {0}")]
    Read(#[source] io::Error),
    /// The archive is malformed or asks for too much.
    #[error("layer archive: {0}")]
    Archive(#[from] ArchiveError),
    /// An entry cannot be made.
    #[error("layer entry {path:?}: {source}")]
    Entry {
        /// As written in the archive.
        path: String,
        /// Why.
        source: EntryError,
    },
    /// The uncompressed bytes are others than the image's config says.
    #[error("layer digest mismatch: expected {expected}, got {actual}")]
    DiffIdMismatch {
        /// The diff id of the config.
        expected: Digest,
        /// The digest of what came.
        actual: Digest,
    },
    /// A call on the file system failed.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The database cannot be read.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<ApplyError> for LayerError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Archive(error) => Self::Archive(error),
            ApplyError::Entry { path, source } => Self::Entry { path, source },
        }
    }
}

/// What is known of an unpacked layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerInfo {
    /// Digest of the uncompressed tar.
    pub diff_id: Digest,
    /// Sum of the sizes of its files, in bytes.
    pub size: u64,
    /// Number of entries of the archive.
    pub entries: u64,
}

/// The unpacked layers.
#[derive(Debug, Clone)]
pub struct Layers {
    pub(crate) inner: Arc<Inner>,
}

impl Layers {
    /// Whether a layer is unpacked.
    #[must_use]
    pub fn has(&self, chain_id: &Digest) -> bool {
        self.inner.layer_dir(chain_id).join(INFO_FILE).exists()
    }

    /// Bytes of the files of every layer that an image or a container has, by chain id.
    ///
    /// # Errors
    /// The database's.
    pub fn sizes(&self) -> Result<HashMap<Digest, u64>, LayerError> {
        Ok(self.inner.db.read(images::layer_sizes)?)
    }

    /// What is known of an unpacked layer, or None.
    ///
    /// # Errors
    /// The file system's.
    pub fn info(&self, chain_id: &Digest) -> Result<Option<LayerInfo>, LayerError> {
        Ok(self.inner.layer_info(chain_id)?)
    }

    /// Unpacks an uncompressed tar, reading it to its end; verifies the diff id; then the layer is
    /// there under its chain id, or nothing is. Blocks; has two threads of its own meanwhile, one
    /// of which calls the reader. The commit of an image settles the layer upon those below, and
    /// syncs it.
    ///
    /// # Errors
    /// See [`LayerError`]: the stream's, the archive's, the digest's, the file system's.
    pub fn unpack(
        &self,
        chain_id: &Digest,
        expected_diff_id: &Digest,
        reader: impl Read + Send,
    ) -> Result<LayerInfo, LayerError> {
        self.unpack_as(Bytes::Unknown, chain_id, expected_diff_id, reader)
    }

    pub(crate) fn unpack_as(
        &self,
        bytes: Bytes,
        chain_id: &Digest,
        expected_diff_id: &Digest,
        reader: impl Read + Send,
    ) -> Result<LayerInfo, LayerError> {
        let temporary =
            self.inner.ingest_dir().join(format!("unpack-{}", self.inner.next_number()));
        durable::create_dir(&temporary, 0o700)?;
        let result = self.unpack_into(&temporary, bytes, chain_id, expected_diff_id, reader);
        if temporary.exists() {
            self.inner.throw_away(&temporary)?;
            self.inner.keeper.empty_trash();
        }
        result
    }

    fn unpack_into(
        &self,
        temporary: &Path,
        bytes: Bytes,
        chain_id: &Digest,
        expected: &Digest,
        reader: impl Read + Send,
    ) -> Result<LayerInfo, LayerError> {
        let Unpacked { info, .. } = self.inner.unpack_at(temporary, bytes, expected, reader)?;
        self.place(temporary, chain_id)?;
        Ok(info)
    }

    /// Takes a tree that was unpacked before it was known where it belongs; whoever unpacked it clears
    /// away what is left of its directory.
    pub(crate) fn adopt(
        &self,
        directory: &Path,
        tree: Tree,
        (chain_id, expected): (&Digest, &Digest),
        actual: Digest,
    ) -> Result<(), LayerError> {
        if actual != *expected {
            return Err(LayerError::DiffIdMismatch { expected: expected.clone(), actual });
        }
        self.inner.describe(directory, tree, actual)?;
        self.place(directory, chain_id)
    }

    fn place(&self, directory: &Path, chain_id: &Digest) -> Result<(), LayerError> {
        crash::step("store.layer.unpacked");
        if self.inner.db.read(|db| images::has_layer(db, chain_id))? {
            // What a row names already, and a commit is to mend, must be whole at once.
            self.inner.sync()?;
        }
        self.inner.put_layer(directory, chain_id)?;
        crash::step("store.layer.renamed");
        Ok(())
    }
}

/// What is known of the bytes that are unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bytes {
    /// Nothing: their digest is to be reckoned.
    Unknown,
    /// This process has written them, and has reckoned their digest or is about to.
    Verified,
}

/// What was unpacked into a directory, without a name yet.
#[derive(Debug)]
pub(crate) struct Tree {
    applied: Applied,
    /// Of the uncompressed tar, if it was to be reckoned.
    pub(crate) digest: Option<Digest>,
}

/// A layer in a directory that is not its place.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) info: LayerInfo,
    /// Directories whose metadata the layers below have.
    pub(crate) implied: Vec<CleanPath>,
}

fn open_directory(path: &Path) -> Result<OwnedFd, IoError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty()).on("open", path)
}

impl Inner {
    /// Unpacks below an empty directory: tree, info and list.
    pub(crate) fn unpack_at(
        &self,
        temporary: &Path,
        bytes: Bytes,
        expected: &Digest,
        reader: impl Read + Send,
    ) -> Result<Unpacked, LayerError> {
        let tree = self.unpack_tree(temporary, bytes, reader)?;
        let digest = tree.digest.clone().unwrap_or_else(|| expected.clone());
        if digest != *expected {
            let (expected, actual) = (expected.clone(), digest);
            return Err(LayerError::DiffIdMismatch { expected, actual });
        }
        self.describe(temporary, tree, digest)
    }

    /// Unpacks the tree alone below an empty directory.
    pub(crate) fn unpack_tree(
        &self,
        temporary: &Path,
        bytes: Bytes,
        reader: impl Read + Send,
    ) -> Result<Tree, LayerError> {
        let (diff, discard) = (temporary.join(DIFF_DIR), temporary.join("discard"));
        durable::create_dir(&diff, 0o755)?;
        durable::create_dir(&discard, 0o700)?;
        let (root, dump) = (open_directory(&diff)?, open_directory(&discard)?);
        let limits = Limits::default();
        let is_hashed = matches!(bytes, Bytes::Unknown);
        let (applied, digest) = pump(self.watched(reader), limits.bytes, is_hashed, |stream| {
            apply(stream, root, dump, &limits, &self.ahead)
        })
        .map_err(LayerError::Read)?;
        // A broken stream looks to the archive like an early end: the stream's error says more.
        let digest = digest.map_err(LayerError::Read)?;
        self.throw_away(&discard)?;
        Ok(Tree { applied: applied?, digest })
    }

    /// Writes info and list of a tree beside it.
    fn describe(
        &self,
        temporary: &Path,
        tree: Tree,
        diff_id: Digest,
    ) -> Result<Unpacked, LayerError> {
        let Applied { entries, bytes, implied } = tree.applied;
        let info = LayerInfo { diff_id, size: bytes, entries };
        let text = serde_json::json!(info).to_string();
        durable::write_new(&temporary.join(INFO_FILE), text.as_bytes())?;
        settle::write_list(temporary, &implied)?;
        Ok(Unpacked { info, implied })
    }

    /// Moves an unpacked layer to its place. Whoever comes second leaves the first one's; a
    /// directory without a layer in it is what a power cut left.
    fn put_layer(&self, temporary: &Path, chain_id: &Digest) -> Result<(), IoError> {
        let place = self.layer_dir(chain_id);
        if place.exists() && !place.join(INFO_FILE).exists() {
            self.throw_away(&place)?;
        }
        match fs::rename(temporary, &place) {
            Err(error) if is_taken(&error) => Ok(()),
            result => result.on("rename", &place),
        }
    }

    pub(crate) fn layer_info(&self, chain_id: &Digest) -> Result<Option<LayerInfo>, IoError> {
        let path = self.layer_dir(chain_id).join(INFO_FILE);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| IoError::new(format!("read {path:?}"), error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(IoError::new(format!("read {path:?}"), error)),
        }
    }
}

/// What rename(2) answers for a directory that is not empty depends on the file system.
fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists)
}

/// The chain ids of layers, lowest first.
///
/// Source: OCI image spec, config.md, "Layer ChainID".
#[must_use]
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chain = Vec::<Digest>::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        let next = match chain.last() {
            None => diff_id.clone(),
            Some(parent) => Digest::of(format!("{parent} {diff_id}").as_bytes()),
        };
        chain.push(next);
    }
    chain
}
