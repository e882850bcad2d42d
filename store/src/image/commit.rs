//! Making an image of blobs and layers that are here.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{ImageError, ImageId, Images, NewImage};
use crate::Inner;
use crate::crash;
use crate::db::images::{self, NewRow};
use crate::digest::Digest;
use crate::layer::chain_ids;
use crate::layout;

/// Bytes of a manifest that are read at most; the limit that registries have.
const MANIFEST_LIMIT: u64 = 4 << 20;

impl Images {
    /// Makes an image of blobs and layers that are here: its layers are settled upon each other,
    /// then there is one `syncfs`, then the rows, then `index.json`. A tag moves from the image that had it. Committing an image that is here adds
    /// the name, and mends what is damaged.
    ///
    /// # Errors
    /// See [`ImageError`]; nothing is changed then.
    pub fn commit(&self, new: NewImage) -> Result<ImageId, ImageError> {
        let inner = &self.inner;
        let (config, _) = inner.read_config(&new.config)?;
        let diff_ids: Vec<String> =
            new.layers.iter().map(|layer| layer.diff_id.to_string()).collect();
        let chain: Vec<Digest> = new.layers.iter().map(|layer| layer.chain_id.clone()).collect();
        let plain: Vec<Digest> = new.layers.iter().map(|layer| layer.diff_id.clone()).collect();
        if *config.rootfs().diff_ids() != diff_ids || chain != chain_ids(&plain) {
            return Err(ImageError::LayersMismatch { image: new.config });
        }
        let (layout, layout_size) = inner.layout_manifest(&new)?;
        let mut blobs: BTreeSet<Digest> =
            new.layers.iter().map(|layer| layer.blob.clone()).collect();
        blobs.extend([new.config.clone(), new.manifest.digest.clone(), layout.clone()]);
        blobs.extend(new.index.clone());
        let layers = inner.layer_rows(&new)?;
        let settled = inner.settle_layers(&chain)?;
        crash::step("store.commit.settled");
        inner.sync()?;
        settled.forget_lists()?;
        crash::step("store.commit.synced");
        inner.record(
            &new,
            &NewRow {
                id: &new.config,
                manifest: &new.manifest,
                layout: &layout,
                layout_size,
                blobs: &blobs,
                layers: &layers,
                tag: None,
                digest: None,
                parent: new.parent.as_ref(),
            },
        )?;
        crash::step("store.commit.recorded");
        inner.names_changed()?;
        crash::step("store.commit.listed");
        Ok(new.config)
    }
}

impl Inner {
    /// Chain id, diff id and size of each layer.
    fn layer_rows(&self, new: &NewImage) -> Result<Vec<(Digest, Digest, u64)>, ImageError> {
        let mut rows = Vec::with_capacity(new.layers.len());
        for layer in &new.layers {
            let info = self.layer_info(&layer.chain_id)?.ok_or_else(|| missing(new, layer))?;
            rows.push((layer.chain_id.clone(), layer.diff_id.clone(), info.size));
        }
        Ok(rows)
    }

    /// Writes the rows while the names are locked, so that nothing they name can go meanwhile.
    fn record(&self, new: &NewImage, row: &NewRow<'_>) -> Result<(), ImageError> {
        let mut writer = self.db.lock();
        for blob in row.blobs {
            if !self.blob_path(blob).exists() {
                let (image, blob) = (new.config.clone(), blob.clone());
                return Err(ImageError::MissingBlob { image, blob });
            }
        }
        for layer in &new.layers {
            if !self.layer_dir(&layer.chain_id).exists() {
                return Err(missing(new, layer));
            }
        }
        let repository = new.reference.as_ref().map(crate::reference::Reference::name);
        let repository = repository.as_deref().unwrap_or_default();
        let reference = new.reference.as_ref();
        // A name with a digest pins bytes: its tag is only what the user remembers.
        let tag = reference.filter(|name| name.digest().is_none()).and_then(|name| name.tag());
        let digest = new.registry_digest.as_ref().filter(|_| reference.is_some());
        let row = NewRow {
            tag: tag.map(|tag| (repository, tag)),
            digest: digest.map(|digest| (repository, digest)),
            ..*row
        };
        writer.write(|db| images::put(db, &row))?;
        drop(writer);
        Ok(self.db.sync()?)
    }

    /// The manifest in OCI's form, which `index.json` names: itself, or a blob made of Docker's.
    fn layout_manifest(&self, new: &NewImage) -> Result<(Digest, u64), ImageError> {
        let digest = &new.manifest.digest;
        let bytes = self.read_small(digest, MANIFEST_LIMIT)?;
        let manifest: Value = serde_json::from_slice(&bytes).map_err(|source| {
            ImageError::Malformed { what: "manifest", digest: digest.clone(), source }
        })?;
        match layout::to_oci(manifest) {
            None => Ok((digest.clone(), bytes.len() as u64)),
            Some(converted) => {
                let bytes = converted.to_string().into_bytes();
                Ok((self.put(&bytes)?, bytes.len() as u64))
            }
        }
    }
}

fn missing(new: &NewImage, layer: &super::NewLayer) -> ImageError {
    ImageError::MissingLayer { image: new.config.clone(), chain_id: layer.chain_id.clone() }
}
