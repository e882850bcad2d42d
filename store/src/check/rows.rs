//! Rows against what they name: images, containers, documents, the image layout's files.

use serde_json::Value;

use super::{CheckError, Checker, Remedy, Subject};
use crate::db::images::{self, ImageRow};
use crate::db::{self, records, snapshots};
use crate::digest::Digest;
use crate::layer::chain_ids;
use crate::layout;
use crate::pull::config::{self, CONFIG_LIMIT};

/// Bytes of a manifest that are read at most; the limit that registries have.
const MANIFEST_LIMIT: u64 = 4 << 20;

impl Checker {
    /// The database's own structure; whether the rest can be read.
    pub(super) fn database(&mut self) -> Result<bool, CheckError> {
        let problems = self.inner.db.read(db::problems)?;
        let is_readable = problems.is_empty();
        for problem in problems {
            self.found(Subject::Database, problem, Remedy::Impossible);
        }
        Ok(is_readable)
    }

    /// Every image; one whose rows cannot be right is dropped.
    pub(super) fn images(&mut self) -> Result<Vec<ImageRow>, CheckError> {
        let rows = self.inner.db.read(images::all)?;
        for row in &rows {
            self.checked.images += 1;
            let blobs = self.inner.db.read(|db| images::blobs_of(db, &row.id))?;
            let Some(problem) = self.image_problem(row, &blobs) else { continue };
            if self.repair {
                self.inner.db.durable(|db| images::delete(db, &row.id))?;
            }
            self.found(Subject::Image(row.id.clone()), problem, Remedy::Dropped);
        }
        Ok(rows)
    }

    /// What is wrong with an image's rows, as far as sound blobs tell; notes which blobs its layers
    /// are made of.
    fn image_problem(
        &mut self,
        row: &ImageRow,
        blobs: &std::collections::BTreeSet<Digest>,
    ) -> Option<String> {
        for needed in [&row.id, &row.manifest.digest, &row.layout] {
            if !blobs.contains(needed) {
                return Some(format!("its rows do not keep blob {needed}"));
            }
        }
        let mut layers = Vec::new();
        if !self.broken_blobs.contains(&row.manifest.digest) {
            let bytes = match self.inner.read_small(&row.manifest.digest, MANIFEST_LIMIT) {
                Ok(bytes) => bytes,
                Err(error) => return Some(error.to_string()),
            };
            match manifest_layers(&bytes, row) {
                Ok(found) => layers = found,
                Err(problem) => return Some(problem),
            }
            if let Some(lost) = layers.iter().find(|digest| !blobs.contains(digest)) {
                return Some(format!("its rows do not keep blob {lost}"));
            }
            if layers.len() != row.chain.len() {
                return Some("its manifest has another number of layers".to_owned());
            }
        }
        if !self.broken_blobs.contains(&row.id) {
            let bytes = match self.inner.read_small(&row.id, CONFIG_LIMIT) {
                Ok(bytes) => bytes,
                Err(error) => return Some(error.to_string()),
            };
            match config::parse(&bytes, row.chain.len()) {
                Ok(config) if chain_ids(&config.diff_ids) == row.chain => {}
                Ok(_) => return Some("its rows name other layers than its config".to_owned()),
                Err(error) => return Some(error.to_string()),
            }
        }
        self.sources.extend(row.chain.iter().cloned().zip(layers));
        None
    }

    /// Every container's directories.
    pub(super) fn containers(&mut self) -> Result<(), CheckError> {
        for id in self.inner.db.read(snapshots::all)? {
            self.checked.containers += 1;
            let place = self.inner.containers_dir().join(&id);
            if !place.exists() {
                // The next opening forgets it.
                self.found(Subject::Container(id), "its directory is missing", Remedy::Dropped);
            } else if !(place.join("upper").is_dir() && place.join("work").is_dir()) {
                let problem = "its upper or work directory is missing";
                self.found(Subject::Container(id), problem, Remedy::Impossible);
            }
        }
        Ok(())
    }

    /// Every document: what it says is the daemon's, that it is JSON can be seen here.
    pub(super) fn records(&mut self) -> Result<(), CheckError> {
        for (kind, record) in self.inner.db.read(records::all)? {
            if let Err(error) = serde_json::from_str::<Value>(&record.json) {
                let problem = format!("is malformed: {error}");
                self.found(Subject::Record(kind, record.id), problem, Remedy::Impossible);
            }
        }
        Ok(())
    }

    /// The files that other programs read; they are written anew from the rows.
    pub(super) fn layout(&mut self) -> Result<(), CheckError> {
        let rows = self.inner.db.read(images::all)?;
        let wanted =
            [("oci-layout", layout::LAYOUT.to_owned()), ("index.json", layout::index(&rows))];
        for (name, text) in wanted {
            let there = std::fs::read(self.inner.root.join(name));
            if !there.is_ok_and(|bytes| bytes == text.as_bytes()) {
                self.found(Subject::Layout(name), "does not say what the rows say", Remedy::Mended);
            }
        }
        if self.repair {
            self.inner.write_layout()?;
        }
        Ok(())
    }
}

/// The digests of a manifest's layers, lowest first.
fn manifest_layers(bytes: &[u8], row: &ImageRow) -> Result<Vec<Digest>, String> {
    if bytes.len() as u64 != row.manifest.size {
        return Err("its manifest has another size".to_owned());
    }
    let manifest: Value =
        serde_json::from_slice(bytes).map_err(|error| format!("its manifest: {error}"))?;
    if manifest["config"]["digest"].as_str() != Some(row.id.to_string().as_str()) {
        return Err("its manifest names another config".to_owned());
    }
    let layers = manifest["layers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let digest = |layer: &Value| {
        let text = layer["digest"].as_str().unwrap_or_default();
        Digest::parse(text).map_err(|error| format!("its manifest: {error}"))
    };
    layers.iter().map(digest).collect()
}
