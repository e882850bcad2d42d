//! What the list tells of an image's manifest, when a client asks for it (`manifests=1`). An image here
//! has one manifest, that of its platform; an index that led to it is not told.

use std::sync::Arc;

use api_spec::image::{
    Descriptor, ManifestData, ManifestSize, ManifestSummary, Platform, UnpackedSize,
};
use serde::Deserialize;
use store::Image;

use super::list::bytes;
use super::{Error, Images};

/// Bytes of a manifest that are read at most; the limit that registries have.
const MANIFEST_LIMIT: u64 = 4 << 20;

#[derive(Deserialize)]
struct Manifest {
    config: Blob,
    #[serde(default)]
    layers: Vec<Blob>,
}

#[derive(Deserialize)]
struct Blob {
    size: u64,
}

impl Images {
    /// The manifest of an image: how big what it names is, packed and unpacked. Reads it from disk.
    pub(crate) async fn manifest(&self, image: Arc<Image>) -> Result<ManifestSummary, Error> {
        self.blocking(move |images| images.manifest_now(&image)).await
    }

    /// Like [`Images::manifest`], on a thread that may block.
    pub(super) fn manifest_now(&self, image: &Image) -> Result<ManifestSummary, Error> {
        let descriptor = &image.manifest;
        let raw = self.store.read_small(&descriptor.digest, MANIFEST_LIMIT);
        let raw = raw.map_err(store::ImageError::from)?;
        let manifest: Manifest = serde_json::from_slice(&raw).map_err(|error| {
            Error::Invalid(format!("manifest {} does not parse: {error}", descriptor.digest))
        })?;
        let blobs = manifest.layers.iter().chain([&manifest.config]);
        let content = descriptor.size + blobs.map(|blob| blob.size).sum::<u64>();
        let uses = self.containers.using_image(&image.id.to_string());
        Ok(ManifestSummary {
            id: descriptor.digest.to_string(),
            descriptor: Descriptor {
                media_type: descriptor.media_type.clone(),
                digest: descriptor.digest.to_string(),
                size: bytes(descriptor.size),
            },
            available: true,
            size: ManifestSize { total: bytes(content + image.size), content: bytes(content) },
            kind: "image".to_owned(),
            image_data: Some(ManifestData {
                platform: Platform {
                    architecture: image.config.architecture().to_string(),
                    os: image.config.os().to_string(),
                    variant: String::new(),
                },
                containers: uses.into_iter().map(|used| used.id).collect(),
                size: UnpackedSize { unpacked: bytes(image.size) },
            }),
        })
    }
}
