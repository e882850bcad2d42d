//! Images made of bytes in memory.

use serde_json::{Value, json};

use super::{ImageError, ImageId, Images, Manifest, NewImage, NewLayer};
use crate::digest::Digest;
use crate::layer::Layers;
use crate::layout::{CONFIG, MANIFEST, TAR};
use crate::lease::Lease;
use crate::reference::Reference;

impl Images {
    /// Makes an image of an uncompressed tar and a config in memory. The config's `rootfs` is
    /// written here.
    ///
    /// # Errors
    /// See [`ImageError`]; `Malformed` when the config is not a JSON object that OCI knows.
    pub fn load_embedded(
        &self,
        reference: &Reference,
        layer: &[u8],
        config: &[u8],
    ) -> Result<ImageId, ImageError> {
        let _lease = Lease::new(&self.inner, "load embedded image");
        let diff_id = Digest::of(layer);
        let malformed =
            |source| ImageError::Malformed { what: "config", digest: Digest::of(config), source };
        let mut document: serde_json::Map<String, Value> =
            serde_json::from_slice(config).map_err(malformed)?;
        let rootfs = json!({"type": "layers", "diff_ids": [diff_id.to_string()]});
        document.insert("rootfs".to_owned(), rootfs);
        let config = Value::Object(document).to_string();
        let config_digest = self.inner.put(config.as_bytes())?;
        let blob = self.inner.put(layer)?;
        let layers = Layers { inner: self.inner.clone() };
        if !layers.has(&diff_id) {
            layers.unpack(&diff_id, &diff_id, layer)?;
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": config_digest, "size": config.len()},
            "layers": [{"mediaType": TAR, "digest": blob, "size": layer.len()}],
        })
        .to_string();
        self.commit(NewImage {
            reference: Some(reference.clone()),
            manifest: Manifest {
                digest: self.inner.put(manifest.as_bytes())?,
                media_type: MANIFEST.to_owned(),
                size: manifest.len() as u64,
            },
            index: None,
            registry_digest: None,
            config: config_digest,
            layers: vec![NewLayer { blob, diff_id: diff_id.clone(), chain_id: diff_id }],
        })
    }
}
