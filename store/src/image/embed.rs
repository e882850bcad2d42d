//! Images made of bytes in memory.

use serde_json::{Map, Value, json};

use super::{ImageError, ImageId, Images, NewLayer};
use crate::digest::Digest;
use crate::layer::Layers;
use crate::layout::TAR;
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
        let config: Map<String, Value> = serde_json::from_slice(config).map_err(malformed)?;
        let blob = self.inner.put(layer)?;
        let layers = Layers { inner: self.inner.clone() };
        if !layers.has(&diff_id) {
            layers.unpack(&diff_id, &diff_id, layer)?;
        }
        let descriptor = json!({"mediaType": TAR, "digest": blob, "size": layer.len()});
        let layers = vec![NewLayer { blob, diff_id: diff_id.clone(), chain_id: diff_id }];
        self.assemble(Some(reference.clone()), config, &[descriptor], layers, None)
    }
}
