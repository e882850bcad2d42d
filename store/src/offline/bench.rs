//! The bench: a store in a temporary directory, gone with its owner.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::OfflineError;
use crate::digest::Digest;
use crate::error::{Context, IoError};
use crate::{Inner, Store, durable};

/// See the module.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) store: Store,
    root: Root,
}

/// Removed when dropped: after the store, whose field comes first.
#[derive(Debug)]
struct Root(PathBuf);

impl Bench {
    /// In a directory, or where temporary files are kept.
    pub(super) fn new(beside: Option<PathBuf>) -> Result<Self, OfflineError> {
        let parent = beside.unwrap_or_else(std::env::temp_dir);
        let path = parent.join(format!(".jocker-image-{:016x}", rand::random::<u64>()));
        durable::create_dir(&path, 0o700)?;
        let root = Root(path);
        let store = Store::open(&root.0.join("store"))?;
        Ok(Self { store, root })
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.store.inner
    }

    /// Makes a directory on the bench.
    pub(super) fn directory(&self, name: &str, mode: u32) -> Result<PathBuf, IoError> {
        let path = self.root.0.join(name);
        durable::create_dir(&path, mode)?;
        Ok(path)
    }

    pub(super) fn path(&self, digest: &Digest) -> PathBuf {
        self.inner().blob_path(digest)
    }

    pub(super) fn open(&self, digest: &Digest) -> Result<File, IoError> {
        super::open(&self.path(digest))
    }

    /// Takes a file for a blob, verifying it.
    pub(super) fn take(&self, from: &Path, digest: &Digest, size: u64) -> Result<(), OfflineError> {
        if self.path(digest).exists() {
            return Ok(());
        }
        let mut file = super::open(from)?;
        let mut ingest = self.store.ingest(digest, Some(size))?;
        let mut buffer = vec![0; super::BUFFER];
        loop {
            let count = std::io::Read::read(&mut file, &mut buffer).on("read", from)?;
            if count == 0 {
                break;
            }
            ingest.write(&buffer[..count])?;
        }
        Ok(ingest.commit()?)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "a temporary store is left");
        }
    }
}
