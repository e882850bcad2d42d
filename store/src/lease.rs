//! Leases, and the freeing that they put off. While a lease is alive nothing is freed, so that a
//! pull may rely on blobs and layers that no row names yet.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use crate::crash;
use crate::db::{DbError, images};
use crate::digest::Digest;
use crate::error::{Context, IoError};
use crate::{Inner, recover, sys};

/// Blobs and layers that may be free.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Candidates {
    pub(crate) blobs: BTreeSet<Digest>,
    pub(crate) layers: BTreeSet<Digest>,
}

impl Candidates {
    fn is_empty(&self) -> bool {
        self.blobs.is_empty() && self.layers.is_empty()
    }
}

/// How many leases are alive, and what waits for their end.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    alive: usize,
    waiting: Candidates,
}

/// Puts freeing off until it is dropped.
#[derive(Debug)]
pub struct Lease {
    inner: Arc<Inner>,
    name: String,
}

impl Lease {
    pub(crate) fn new(inner: &Arc<Inner>, name: &str) -> Self {
        inner.leases.lock().unwrap_or_else(PoisonError::into_inner).alive += 1;
        Self { inner: inner.clone(), name: name.to_owned() }
    }
}

/// Trims the heap at the end of a scope, however that is left.
struct Trim;

impl Drop for Trim {
    fn drop(&mut self) {
        sys::trim_heap();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // What the work took of the heap is the kernel's again.
        let _trim = Trim;
        let mut leases = self.inner.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.alive -= 1;
        if leases.alive > 0 {
            return;
        }
        let waiting = std::mem::take(&mut leases.waiting);
        let result = self.inner.free(&waiting).and_then(|_| {
            recover::sweep_abandoned(&self.inner)?;
            Ok(())
        });
        if let Err(error) = result {
            tracing::warn!(lease.name = self.name, %error, "freeing after a lease failed");
        }
    }
}

/// Why something cannot be freed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FreeError {
    #[error(transparent)]
    Io(#[from] IoError),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Inner {
    /// Frees those candidates that no row names, or notes them while a lease is alive. Answers
    /// which are free either way.
    pub(crate) fn collect(&self, candidates: Candidates) -> Result<Candidates, FreeError> {
        if candidates.is_empty() {
            return Ok(candidates);
        }
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        if leases.alive == 0 {
            return self.free(&candidates);
        }
        let unused = self.db.lock().read(|db| images::unused(db, &candidates))?;
        leases.waiting.blobs.extend(candidates.blobs);
        leases.waiting.layers.extend(candidates.layers);
        Ok(unused)
    }

    /// The caller holds the leases' lock.
    fn free(&self, candidates: &Candidates) -> Result<Candidates, FreeError> {
        if candidates.is_empty() {
            return Ok(Candidates::default());
        }
        let unused = self.db.durable(|db| images::forget_unused(db, candidates))?;
        crash::step("store.collect.forgotten");
        let writer = self.db.lock();
        // A commit may have taken some of it up again while the log was synced.
        let unused = writer.read(|db| images::unused(db, &unused))?;
        for chain_id in &unused.layers {
            self.throw_away(&self.layer_dir(chain_id))?;
        }
        for digest in &unused.blobs {
            self.throw_away(&self.blob_path(digest))?;
        }
        drop(writer);
        crash::step("store.collect.renamed");
        self.keeper.empty_trash();
        Ok(unused)
    }

    /// Renames into the trash what may be gone already. By a name that what an earlier process of the same number has
    /// left there does not have.
    pub(crate) fn throw_away(&self, path: &Path) -> Result<(), IoError> {
        let name = format!("{:016x}", rand::random::<u64>());
        match fs::rename(path, self.trash_dir().join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.on("rename to trash", path),
        }
    }
}
