//! Layers that were made here are plain archives. Before an image goes to a registry its plain layers
//! are compressed, once: the compressed blobs and a manifest that names them take the place of the
//! plain ones, so that the next push has nothing to do.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::derive::DeriveError;
use super::{Image, ImageError, Images, Manifest, NewImage, NewLayer};
use crate::db::images;
use crate::digest::Digest;
use crate::layer::pack::PackError;
use crate::layout::{MANIFEST, TAR};
use crate::lease::Candidates;

/// What OCI adds to the media type of a layer that gzip has compressed.
const GZIP: &str = "+gzip";
/// Layers that are compressed at the same time.
const CONCURRENT_LAYERS: usize = 2;

impl Images {
    /// Compresses an image's plain layers, unless a registry knows the image as it is. Answers the
    /// image as it is now, or None if nothing has changed. Blocks; the caller has a lease.
    ///
    /// # Errors
    /// See [`DeriveError`]; the image stays as it was.
    pub fn compress_layers(&self, image: &Image) -> Result<Option<Arc<Image>>, DeriveError> {
        if !image.repo_digests.is_empty() {
            return Ok(None);
        }
        let (mut descriptors, mut layers) = self.inner.layers_of(image)?;
        let is_plain = |at: &usize| descriptors[*at]["mediaType"] == TAR;
        let plain: Vec<usize> = (0..layers.len()).filter(is_plain).collect();
        if plain.is_empty() {
            return Ok(None);
        }
        for (at, descriptor) in self.compressed(&layers, &plain)? {
            layers[at].blob = digest_of(&descriptor).ok_or_else(|| mismatch(image))?;
            descriptors[at] = descriptor;
        }
        let mut manifest = self.inner.oci_manifest(image)?;
        manifest["layers"] = Value::Array(descriptors);
        let manifest = manifest.to_string();
        let manifest = Manifest {
            digest: self.inner.put(manifest.as_bytes())?,
            media_type: MANIFEST.to_owned(),
            size: manifest.len() as u64,
        };
        let before = self.inner.db.read(|db| images::blobs_of(db, &image.id));
        let mut gone = before.map_err(ImageError::from)?;
        gone.retain(|blob| layers.iter().all(|layer| layer.blob != *blob));
        gone.retain(|blob| *blob != image.id && *blob != manifest.digest);
        self.commit(NewImage {
            reference: None,
            manifest,
            index: None,
            registry_digest: None,
            config: image.id.clone(),
            layers,
            parent: None,
        })?;
        self.forget_blobs(image, &gone)?;
        Ok(self.get(&image.id)?)
    }

    /// The descriptors of the plain layers' compressed forms, by position.
    fn compressed(
        &self,
        layers: &[NewLayer],
        plain: &[usize],
    ) -> Result<Vec<(usize, Value)>, DeriveError> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            while let Some(at) = plain.get(next.fetch_add(1, Ordering::Relaxed)) {
                done.push((*at, self.compressed_layer(&layers[*at])?));
            }
            Ok(done)
        };
        thread::scope(|scope| {
            let threads: Vec<_> =
                (0..CONCURRENT_LAYERS.min(plain.len())).map(|_| scope.spawn(work)).collect();
            let mut all = Vec::new();
            for thread in threads {
                let gone = |_| DeriveError::Read(io::Error::other("a compressing thread panicked"));
                let done: Result<Vec<_>, DeriveError> = thread.join().map_err(gone)?;
                all.extend(done?);
            }
            Ok(all)
        })
    }

    /// What another image has of it, or a new blob.
    fn compressed_layer(&self, layer: &NewLayer) -> Result<Value, DeriveError> {
        for image in self.list()? {
            let diff_ids = image.config.rootfs().diff_ids();
            let Some(at) = diff_ids.iter().position(|id| *id == layer.diff_id.to_string()) else {
                continue;
            };
            let Ok((descriptors, _)) = self.inner.layers_of(&image) else { continue };
            let is_usable = descriptors[at]["mediaType"] == format!("{TAR}{GZIP}")
                && digest_of(&descriptors[at])
                    .is_some_and(|blob| self.inner.blob_path(&blob).exists());
            if is_usable {
                return Ok(descriptors[at].clone());
            }
        }
        let mut plain = self.inner.open_blob(&layer.blob)?;
        let (digest, size) = self.inner.write_blob(|into| {
            let mut encoder = GzEncoder::new(into, Compression::default());
            io::copy(&mut plain, &mut encoder).map_err(PackError::Write)?;
            encoder.finish().and_then(|into| into.flush()).map_err(PackError::Write)?;
            Ok(())
        })?;
        Ok(json!({"mediaType": format!("{TAR}{GZIP}"), "digest": digest, "size": size}))
    }

    fn forget_blobs(&self, image: &Image, gone: &BTreeSet<Digest>) -> Result<(), ImageError> {
        self.inner.db.durable(|db| images::forget_blobs(db, &image.id, gone))?;
        self.inner.collect(Candidates { blobs: gone.clone(), ..Candidates::default() })?;
        Ok(())
    }
}

fn digest_of(descriptor: &Value) -> Option<Digest> {
    Digest::parse(descriptor["digest"].as_str()?).ok()
}

fn mismatch(image: &Image) -> ImageError {
    ImageError::LayersMismatch { image: image.id.clone() }
}
