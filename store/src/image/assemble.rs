//! The config and the manifest of an image that is made here.

use serde_json::{Map, Value, json};

use super::{ImageError, ImageId, Images, Manifest, NewImage, NewLayer};
use crate::digest::Digest;
use crate::layout::{CONFIG, MANIFEST};
use crate::reference::Reference;

impl Images {
    /// Writes config and manifest of an image whose layers are here, and commits it. The config's
    /// `rootfs` is written here; `descriptors` are the layers' in the manifest. Both lists begin with
    /// the lowest layer. `parent` is the image that it was made of.
    pub(super) fn assemble(
        &self,
        reference: Option<Reference>,
        mut config: Map<String, Value>,
        descriptors: &[Value],
        layers: Vec<NewLayer>,
        parent: Option<ImageId>,
    ) -> Result<ImageId, ImageError> {
        let diff_ids: Vec<&Digest> = layers.iter().map(|layer| &layer.diff_id).collect();
        config.insert("rootfs".to_owned(), json!({"type": "layers", "diff_ids": diff_ids}));
        let config = Value::Object(config).to_string();
        let config_digest = self.inner.put(config.as_bytes())?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": config_digest, "size": config.len()},
            "layers": descriptors,
        })
        .to_string();
        self.commit(NewImage {
            reference,
            manifest: Manifest {
                digest: self.inner.put(manifest.as_bytes())?,
                media_type: MANIFEST.to_owned(),
                size: manifest.len() as u64,
            },
            index: None,
            registry_digest: None,
            config: config_digest,
            layers,
            parent,
        })
    }
}
