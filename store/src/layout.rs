//! The files that make the root an OCI image layout, so that other programs read it in place.
//!
//! Source: OCI image spec, image-layout.md. They are made anew from the rows after each change and
//! when the store is opened, so a stale or lost one is never believed.

use std::fs;
use std::sync::PoisonError;

use serde_json::{Value, json};

use crate::Inner;
use crate::db::images::{self, ImageRow};
use crate::durable;
use crate::image::ImageError;
use crate::lease::FreeError;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const REF_NAME: &str = "org.opencontainers.image.ref.name";
pub(crate) const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// Docker's media types and OCI's for the same bytes.
///
/// Source: distribution's manifest-v2-2.md; OCI image spec, media-types.md, "Compatibility Matrix".
const SAME_BYTES: &[(&str, &str)] = &[
    ("application/vnd.docker.distribution.manifest.v2+json", MANIFEST),
    ("application/vnd.docker.container.image.v1+json", CONFIG),
    ("application/vnd.docker.image.rootfs.diff.tar", TAR),
    (
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.oci.image.layer.v1.tar+gzip",
    ),
    (
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
        "application/vnd.oci.image.layer.v1.tar+zstd",
    ),
    (
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    ),
    ("application/vnd.docker.distribution.manifest.list.v2+json", INDEX),
];

/// A manifest of Docker's schema 2 with OCI's media types; None if nothing is to be changed.
pub(crate) fn to_oci(mut manifest: Value) -> Option<Value> {
    let mut changed = replace_media_type(&mut manifest);
    if let Some(config) = manifest.get_mut("config") {
        changed |= replace_media_type(config);
    }
    for layer in manifest.get_mut("layers").and_then(Value::as_array_mut).into_iter().flatten() {
        changed |= replace_media_type(layer);
    }
    changed.then_some(manifest)
}

fn replace_media_type(descriptor: &mut Value) -> bool {
    let Some(media_type) = descriptor.get_mut("mediaType") else { return false };
    let same = SAME_BYTES.iter().find(|(docker, _)| media_type.as_str() == Some(docker));
    if let Some((_, oci)) = same {
        *media_type = Value::from(*oci);
    }
    same.is_some()
}

impl Inner {
    /// Writes both files where they are not as they should be.
    pub(crate) fn write_layout(&self) -> Result<(), FreeError> {
        self.write_if_other("oci-layout", LAYOUT)?;
        // Two changes at once must not write an older index over a newer one.
        let _turn = self.indexing.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = self.db.read(images::all)?;
        self.write_if_other("index.json", &index(&rows))?;
        Ok(())
    }

    /// The rows have changed: forgets what is in memory, writes the index anew.
    pub(crate) fn names_changed(&self) -> Result<(), ImageError> {
        self.catalog_changed();
        Ok(self.write_layout()?)
    }

    fn write_if_other(&self, name: &str, text: &str) -> Result<(), crate::IoError> {
        let is_same = fs::read(self.root.join(name)).is_ok_and(|bytes| bytes == text.as_bytes());
        if is_same {
            return Ok(());
        }
        durable::replace(&self.root, name, text.as_bytes())
    }
}

/// One descriptor a name; an image without a name has one without annotation.
pub(crate) fn index(rows: &[ImageRow]) -> String {
    let mut manifests = Vec::new();
    for row in rows {
        let mut names: Vec<String> =
            row.tags.iter().map(|(repository, tag)| format!("{repository}:{tag}")).collect();
        names.extend(
            row.digests.iter().map(|(repository, digest)| format!("{repository}@{digest}")),
        );
        names.sort();
        let descriptor = json!({
            "mediaType": MANIFEST,
            "digest": row.layout,
            "size": row.layout_size,
        });
        if names.is_empty() {
            manifests.push(descriptor);
            continue;
        }
        for name in names {
            let mut named = descriptor.clone();
            named["annotations"] = json!({ REF_NAME: name });
            manifests.push(named);
        }
    }
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_manifests_become_ocis() {
        let docker = json!({
            "schemaVersion": 2,
            "mediaType": SAME_BYTES[0].0,
            "config": {"mediaType": SAME_BYTES[1].0, "digest": "sha256:1", "size": 1},
            "layers": [{"mediaType": SAME_BYTES[3].0, "digest": "sha256:2", "size": 2}],
        });
        let oci = to_oci(docker).expect("changed");
        assert_eq!(oci["mediaType"], MANIFEST);
        assert_eq!(oci["config"]["mediaType"], CONFIG);
        assert_eq!(oci["layers"][0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
        assert_eq!(oci["layers"][0]["digest"], "sha256:2");
        assert_eq!(to_oci(oci), None);
    }
}
