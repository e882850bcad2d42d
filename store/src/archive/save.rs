//! Writing images as one tar. Manifests and layers are written as they came, so their digests stay.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{BLOBS, IMAGE_NAME, INDEX, LAYOUT, LIST, NAMES, REF_NAME};
use crate::content::ContentError;
use crate::digest::Digest;
use crate::image::{Image, Images};
use crate::lease::Lease;
use crate::pull::manifest::{self, Descriptor, Document, ImageManifest, ManifestError};
use crate::reference::Reference;
use crate::registry::manifest::MANIFEST_LIMIT;
use crate::{Inner, layout};

/// One image to write, and the tags that it gets in the archive.
#[derive(Debug, Clone)]
pub struct Saved {
    /// The image.
    pub image: Arc<Image>,
    /// Names with a tag each; none is possible.
    pub tags: Vec<Reference>,
}

/// Why images cannot be saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// A blob cannot be read.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A manifest is damaged.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The archive cannot be written.
    #[error("write archive: {0}")]
    Write(#[from] io::Error),
}

/// The archive in the making.
struct Archive<'a, W: Write> {
    inner: &'a Inner,
    tar: tar::Builder<W>,
    /// Images that come into it.
    images: HashSet<&'a Digest>,
    /// Blobs that are in it.
    written: HashSet<Digest>,
    index: Vec<Value>,
    list: Vec<Value>,
    /// Repository to tag to topmost layer.
    names: BTreeMap<String, BTreeMap<String, String>>,
}

impl Images {
    /// Writes images as one tar. Blocks; holds one buffer in memory whatever the images' size.
    ///
    /// # Errors
    /// See [`SaveError`]; what was written until then is no whole archive.
    pub fn save(&self, images: &[Saved], into: impl Write) -> Result<(), SaveError> {
        let _lease = Lease::new(&self.inner, "save");
        let mut archive = Archive {
            inner: &self.inner,
            tar: tar::Builder::new(into),
            images: images.iter().map(|saved| &saved.image.id).collect(),
            written: HashSet::new(),
            index: Vec::new(),
            list: Vec::new(),
            names: BTreeMap::new(),
        };
        archive.directory("blobs/")?;
        archive.directory(BLOBS)?;
        for saved in images {
            archive.image(saved)?;
        }
        archive.finish()
    }
}

impl<W: Write> Archive<'_, W> {
    fn image(&mut self, saved: &Saved) -> Result<(), SaveError> {
        let original = self.inner.read_small(&saved.image.manifest.digest, MANIFEST_LIMIT)?;
        let oci = serde_json::from_slice(&original).ok().and_then(layout::to_oci);
        let bytes = oci.map_or(original, |oci| oci.to_string().into_bytes());
        let Document::Image(manifest) = manifest::parse(&bytes, None)? else {
            let reason = "an index where a manifest should be".to_owned();
            return Err(ManifestError::Invalid { what: "manifest", reason }.into());
        };
        for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
            self.blob(&blob.digest)?;
        }
        let digest = Digest::of(&bytes);
        if self.written.insert(digest.clone()) {
            self.file(&path(&digest), &bytes)?;
        }
        let descriptor =
            json!({"mediaType": layout::MANIFEST, "digest": digest, "size": bytes.len()});
        if saved.tags.is_empty() {
            self.index.push(descriptor.clone());
        }
        for tag in &saved.tags {
            let name = tag.tag().unwrap_or_default();
            let mut named = descriptor.clone();
            named["annotations"] = json!({IMAGE_NAME: tag.canonical(), REF_NAME: name});
            self.index.push(named);
            let top = manifest.layers.last().map(|layer| layer.digest.hex()).unwrap_or_default();
            self.names.entry(tag.familiar_name()).or_default().insert(name.to_owned(), top);
        }
        let tags: Vec<String> = saved.tags.iter().map(Reference::familiar).collect();
        let layers: Vec<String> = manifest.layers.iter().map(|layer| path(&layer.digest)).collect();
        let mut listed = json!({
            "Config": path(&manifest.config.digest),
            "RepoTags": (!tags.is_empty()).then_some(tags),
            "Layers": layers,
            "LayerSources": sources(&saved.image, &manifest),
        });
        if let Some(parent) = saved.image.parent.as_ref().filter(|id| self.images.contains(id)) {
            listed["Parent"] = json!(parent);
        }
        self.list.push(listed);
        Ok(())
    }

    fn blob(&mut self, digest: &Digest) -> Result<(), SaveError> {
        if !self.written.insert(digest.clone()) {
            return Ok(());
        }
        let source = self.inner.blob_path(digest);
        let missing = |_| ContentError::NotFound(digest.clone());
        let file = File::open(&source).map_err(missing)?;
        let size = file.metadata()?.len();
        let mut header = header(size);
        Ok(self.tar.append_data(&mut header, path(digest), file)?)
    }

    fn file(&mut self, path: &str, bytes: &[u8]) -> Result<(), SaveError> {
        Ok(self.tar.append_data(&mut header(bytes.len() as u64), path, bytes)?)
    }

    fn directory(&mut self, path: &str) -> Result<(), SaveError> {
        let mut header = header(0);
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        Ok(self.tar.append_data(&mut header, path, io::empty())?)
    }

    fn finish(mut self) -> Result<(), SaveError> {
        let index = json!({
            "schemaVersion": 2,
            "mediaType": layout::INDEX,
            "manifests": std::mem::take(&mut self.index),
        });
        self.file(INDEX, index.to_string().as_bytes())?;
        let list = Value::from(std::mem::take(&mut self.list));
        self.file(LIST, list.to_string().as_bytes())?;
        self.file(LAYOUT, layout::LAYOUT.as_bytes())?;
        if !self.names.is_empty() {
            let names = json!(std::mem::take(&mut self.names));
            self.file(NAMES, names.to_string().as_bytes())?;
        }
        let mut into = self.tar.into_inner()?;
        Ok(into.flush()?)
    }
}

/// Each layer's descriptor by its diff id, as dockerd writes them.
fn sources(image: &Image, manifest: &ImageManifest) -> Value {
    let layers = image.config.rootfs().diff_ids().iter().zip(&manifest.layers);
    let sources = layers.map(|(diff_id, Descriptor { media_type, digest, size })| {
        (diff_id.clone(), json!({"mediaType": media_type, "size": size, "digest": digest}))
    });
    sources.collect::<serde_json::Map<_, _>>().into()
}

fn path(digest: &Digest) -> String {
    format!("{BLOBS}{}", digest.hex())
}

fn header(size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    header
}
