//! What opening a store finds and mends, and the sweep of what broken pulls left.

use std::fs::{self, DirEntry};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::Inner;
use crate::content::{partial_digest, partial_name};
use crate::db::{DbError, images, snapshots};
use crate::digest::Digest;
use crate::error::{Context, IoError};
use crate::layer::Settled;
use crate::lease::FreeError;

/// How long bytes that no row names wait for a pull that takes them up again.
pub(crate) const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What was found when the store was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Blobs that rows name and that are not there: damage. Their images are not listed until a
    /// pull brings the blobs again.
    pub missing_blobs: Vec<Digest>,
    /// Layers that rows name and that are not there: damage, likewise.
    pub missing_layers: Vec<Digest>,
    /// Containers whose directories are not there; their rows are gone now.
    pub missing_snapshots: Vec<String>,
    /// Blobs without a row: they wait in `ingest` to be verified again.
    pub returned_blobs: u64,
    /// Layers without a row, directories of no container, old partial files: thrown away.
    pub swept: u64,
}

/// Mends the store; nobody else uses it yet.
pub(crate) fn at_open(inner: &Inner) -> Result<Recovery, FreeError> {
    let mut recovery = Recovery::default();
    let blobs = inner.db.read(images::known_blobs)?;
    let layers = inner.db.read(images::known_layers)?;
    let containers = inner.db.read(snapshots::all)?;
    for entry in entries(&inner.blobs_dir())? {
        match named_digest(&entry) {
            Some(digest) if blobs.contains(&digest) => {}
            Some(digest) => {
                let partial = inner.ingest_dir().join(partial_name(&digest));
                fs::rename(entry.path(), &partial).on("rename", &partial)?;
                recovery.returned_blobs += 1;
            }
            // Another program's file, say a lock of umoci's: not ours to judge.
            None => {}
        }
    }
    for entry in entries(&inner.layers_dir())? {
        if !named_digest(&entry).is_some_and(|chain_id| layers.contains(&chain_id)) {
            sweep(inner, &entry, &mut recovery)?;
        }
    }
    for entry in entries(&inner.containers_dir())? {
        let is_known =
            entry.file_name().to_str().is_some_and(|name| containers.iter().any(|id| id == name));
        if !is_known {
            sweep(inner, &entry, &mut recovery)?;
        }
    }
    for entry in entries(&inner.ingest_dir())? {
        let is_partial = entry.file_name().to_str().and_then(partial_digest).is_some();
        if !is_partial || is_abandoned(&entry) {
            sweep(inner, &entry, &mut recovery)?;
        }
    }
    recovery.missing_blobs =
        blobs.into_iter().filter(|digest| !inner.blob_path(digest).exists()).collect();
    let (known_layers, missing_layers): (Vec<_>, Vec<_>) =
        layers.into_iter().partition(|chain_id| inner.layer_dir(chain_id).exists());
    recovery.missing_layers = missing_layers;
    recovery.missing_snapshots =
        containers.into_iter().filter(|id| !inner.containers_dir().join(id).exists()).collect();
    settle_known(inner, &known_layers)?;
    forget_snapshots(inner, &recovery.missing_snapshots)?;
    inner.collect(inner.db.read(images::all_candidates)?)?;
    inner.keeper.empty_trash();
    Ok(recovery)
}

/// Settles what a pull brought again for rows that were here, and did not live to commit.
fn settle_known(inner: &Inner, layers: &[Digest]) -> Result<(), FreeError> {
    if !layers.iter().any(|chain_id| inner.is_unsettled(chain_id)) {
        return Ok(());
    }
    let images = inner.db.read(images::all)?.into_iter().map(|image| image.chain);
    let snapshots = inner.db.read(snapshots::all)?;
    let snapshots = snapshots.iter().map(|id| inner.db.read(|db| snapshots::chain(db, id)));
    let snapshots = snapshots.collect::<Result<Vec<_>, _>>()?.into_iter().flatten();
    let mut settled = Vec::new();
    for chain in images.chain(snapshots) {
        // Above a layer that is missing still, the list waits for the commit that mends it.
        let whole = chain.iter().take_while(|chain_id| layers.contains(chain_id)).count();
        settled.push(inner.settle_layers(&chain[..whole])?);
    }
    inner.sync()?;
    Ok(settled.into_iter().try_for_each(Settled::forget_lists)?)
}

fn forget_snapshots(inner: &Inner, ids: &[String]) -> Result<(), DbError> {
    if ids.is_empty() {
        return Ok(());
    }
    inner.db.lock().write(|db| {
        for id in ids {
            snapshots::delete(db, id)?;
        }
        Ok(())
    })
}

/// Throws away what broken pulls left long ago; the daemon may run for months between two opens.
pub(crate) fn sweep_abandoned(inner: &Inner) -> Result<(), FreeError> {
    let mut recovery = Recovery::default();
    // The lock keeps a commit from taking up what is judged here.
    let writer = inner.db.lock();
    let blobs = writer.read(images::known_blobs)?;
    let layers = writer.read(images::known_layers)?;
    let known = |entry: &DirEntry, rows: &std::collections::BTreeSet<Digest>| {
        named_digest(entry).is_none_or(|digest| rows.contains(&digest))
    };
    for entry in entries(&inner.blobs_dir())? {
        if !known(&entry, &blobs) && is_abandoned(&entry) {
            sweep(inner, &entry, &mut recovery)?;
        }
    }
    for entry in entries(&inner.layers_dir())? {
        if !known(&entry, &layers) && is_abandoned(&entry) {
            sweep(inner, &entry, &mut recovery)?;
        }
    }
    for entry in entries(&inner.ingest_dir())? {
        if is_abandoned(&entry) {
            sweep(inner, &entry, &mut recovery)?;
        }
    }
    drop(writer);
    if recovery.swept > 0 {
        inner.keeper.empty_trash();
    }
    Ok(())
}

fn sweep(inner: &Inner, entry: &DirEntry, recovery: &mut Recovery) -> Result<(), IoError> {
    recovery.swept += 1;
    inner.throw_away(&entry.path())
}

fn entries(dir: &Path) -> Result<Vec<DirEntry>, IoError> {
    fs::read_dir(dir).and_then(Iterator::collect).on("list", dir)
}

fn named_digest(entry: &DirEntry) -> Option<Digest> {
    Digest::from_hex(entry.file_name().to_str()?).ok()
}

/// Whether it was last written long ago; a file that has just gone was not.
fn is_abandoned(entry: &DirEntry) -> bool {
    let modified = entry.metadata().and_then(|metadata| metadata.modified());
    let age = modified.map(|time| SystemTime::now().duration_since(time).unwrap_or_default());
    age.is_ok_and(|age| age > ABANDONED_AFTER)
}
