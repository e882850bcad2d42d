//! All images in memory, read from the rows and configs when first asked for and after a change.
//! Whoever creates a container finds its image here without a look at the disk.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use oci_spec::image::ImageConfiguration;

use super::{Image, ImageError, ImageId, Images};
use crate::Inner;
use crate::db::DbError;
use crate::db::images::{self, ImageRow};
use crate::digest::Digest;
use crate::reference::{Reference, ReferenceError};

/// Bytes of a config that are read at most.
pub(super) const CONFIG_LIMIT: u64 = 8 << 20;

/// The images by all their names.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    /// Newest first.
    pub(super) images: Vec<Arc<Image>>,
    pub(super) by_id: HashMap<ImageId, Arc<Image>>,
    /// By repository and tag.
    pub(super) by_tag: HashMap<(String, String), Arc<Image>>,
    /// By repository and the registry's digest.
    pub(super) by_digest: HashMap<(String, Digest), Arc<Image>>,
    /// The images that others were made of.
    pub(super) parents: HashSet<ImageId>,
}

/// The catalog, if it has been read, and whether rows have changed since.
#[derive(Debug, Default)]
pub(crate) struct CatalogCell(Mutex<(Option<Arc<Catalog>>, bool)>);

impl Inner {
    pub(super) fn catalog(&self) -> Result<Arc<Catalog>, ImageError> {
        let mut cell = self.catalog.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(catalog), false) = &*cell {
            return Ok(catalog.clone());
        }
        let catalog = Arc::new(self.read_catalog(cell.0.as_deref())?);
        *cell = (Some(catalog.clone()), false);
        Ok(catalog)
    }

    /// The rows have changed.
    pub(crate) fn catalog_changed(&self) {
        self.catalog.0.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
    }

    fn read_catalog(&self, old: Option<&Catalog>) -> Result<Catalog, ImageError> {
        let mut catalog = Catalog::default();
        for row in self.db.read(images::all)? {
            let old = old.and_then(|old| old.by_id.get(&row.id));
            match self.read_image(&row, old.map(Arc::as_ref)) {
                Ok(image) => catalog.add(Arc::new(image), row),
                Err(ImageError::Db(error)) => return Err(error.into()),
                Err(error) => tracing::warn!(image.id = %row.id, %error, "image is damaged"),
            }
        }
        catalog.images.sort_by_key(|image| Reverse((image.created, image.id.clone())));
        Ok(catalog)
    }

    fn read_image(&self, row: &ImageRow, old: Option<&Image>) -> Result<Image, ImageError> {
        let damaged = self.recovery.get().map(|found| found.missing_layers.as_slice());
        for chain_id in damaged.unwrap_or_default() {
            if row.chain.contains(chain_id) && !self.layer_dir(chain_id).exists() {
                let chain_id = chain_id.clone();
                return Err(ImageError::MissingLayer { image: row.id.clone(), chain_id });
            }
        }
        for blob in self.lost_blobs(&row.id)? {
            if !self.blob_path(&blob).exists() {
                return Err(ImageError::MissingBlob { image: row.id.clone(), blob });
            }
        }
        let (config, config_raw) = match old {
            Some(old) => (old.config.clone(), old.config_raw.clone()),
            None => self.read_config(&row.id)?,
        };
        let mut tags = Vec::with_capacity(row.tags.len());
        for (repository, tag) in &row.tags {
            tags.push(tagged(repository, tag)?);
        }
        let mut repo_digests = Vec::with_capacity(row.digests.len());
        for (repository, digest) in &row.digests {
            repo_digests.push(digested(repository, digest)?.familiar());
        }
        tags.sort();
        repo_digests.sort();
        Ok(Image {
            id: row.id.clone(),
            manifest: row.manifest.clone(),
            tags,
            repo_digests,
            created: config.created().as_ref().and_then(|text| text.parse::<Timestamp>().ok()),
            config,
            config_raw,
            size: row.size,
            chain: row.chain.clone(),
            parent: row.parent.clone(),
        })
    }

    /// Blobs of an image that were not there when the store was opened.
    fn lost_blobs(&self, id: &ImageId) -> Result<Vec<Digest>, DbError> {
        let lost = self.recovery.get().map(|found| found.missing_blobs.as_slice());
        let Some(lost @ [_, ..]) = lost else { return Ok(Vec::new()) };
        let kept = self.db.read(|db| images::blobs_of(db, id))?;
        Ok(lost.iter().filter(|digest| kept.contains(digest)).cloned().collect())
    }

    pub(super) fn read_config(
        &self,
        id: &ImageId,
    ) -> Result<(ImageConfiguration, Vec<u8>), ImageError> {
        let raw = self.read_small(id, CONFIG_LIMIT)?;
        let config = serde_json::from_slice(&raw).map_err(|source| ImageError::Malformed {
            what: "config",
            digest: id.clone(),
            source,
        })?;
        Ok((config, raw))
    }
}

impl Catalog {
    fn add(&mut self, image: Arc<Image>, row: ImageRow) {
        for name in row.tags {
            self.by_tag.insert(name, image.clone());
        }
        for name in row.digests {
            self.by_digest.insert(name, image.clone());
        }
        self.parents.extend(image.parent.clone());
        self.by_id.insert(image.id.clone(), image.clone());
        self.images.push(image);
    }
}

/// The reference that two columns mean.
pub(super) fn tagged(repository: &str, tag: &str) -> Result<Reference, DbError> {
    let name =
        Reference::parse_named(repository).map_err(|source| unreadable(repository, source))?;
    name.with_tag(tag).map_err(|source| unreadable(tag, source))
}

/// The reference that two columns mean.
pub(super) fn digested(repository: &str, digest: &Digest) -> Result<Reference, DbError> {
    let name =
        Reference::parse_named(repository).map_err(|source| unreadable(repository, source))?;
    Ok(name.with_digest(digest))
}

fn unreadable(name: &str, source: ReferenceError) -> DbError {
    DbError::Name { name: name.to_owned(), source }
}

impl Images {
    /// All images, newest first. An image whose bytes are damaged is left out, with a warning in
    /// the log.
    ///
    /// # Errors
    /// The database's.
    pub fn list(&self) -> Result<Vec<Arc<Image>>, ImageError> {
        Ok(self.inner.catalog()?.images.clone())
    }

    /// The image of this id.
    ///
    /// # Errors
    /// The database's.
    pub fn get(&self, id: &ImageId) -> Result<Option<Arc<Image>>, ImageError> {
        Ok(self.inner.catalog()?.by_id.get(id).cloned())
    }

    /// Whether an image was made of this one.
    ///
    /// # Errors
    /// The database's.
    pub fn has_children(&self, id: &ImageId) -> Result<bool, ImageError> {
        Ok(self.inner.catalog()?.parents.contains(id))
    }
}
