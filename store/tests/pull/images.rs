//! Images made in memory, layer by layer.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use store::Digest;

use crate::faulty::Content;

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compressed {
    Not,
    Gzip,
    /// Two gzip members.
    Members,
    Zstd,
}

/// A layer as a registry has it.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) blob: Vec<u8>,
    pub(crate) diff_id: Digest,
    suffix: &'static str,
}

impl Layer {
    /// An archive of the files, compressed.
    pub(crate) fn new(files: &[(&str, &[u8])], compressed: Compressed) -> Self {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(1_000_000_000);
            builder.append_data(&mut header, path, *bytes).expect("append");
        }
        Self::of_tar(&builder.into_inner().expect("archive"), compressed)
    }

    pub(crate) fn of_tar(tar: &[u8], compressed: Compressed) -> Self {
        let (blob, suffix) = match compressed {
            Compressed::Not => (tar.to_vec(), ""),
            Compressed::Gzip => (gzip(tar), "+gzip"),
            Compressed::Members => {
                let (first, second) = tar.split_at(tar.len() / 3);
                ([gzip(first), gzip(second)].concat(), "+gzip")
            }
            Compressed::Zstd => (zstd::encode_all(tar, 1).expect("zstd"), "+zstd"),
        };
        Self { blob, diff_id: Digest::of(tar), suffix }
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.blob)
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("gzip");
    encoder.finish().expect("gzip")
}

/// Bytes that do not compress, the same for the same seed.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// An image: its documents can be changed before they are put into a registry.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) config: Value,
    pub(crate) layers: Vec<Layer>,
    pub(crate) is_docker: bool,
}

impl Image {
    pub(crate) fn new(layers: Vec<Layer>) -> Self {
        let diff_ids: Vec<_> = layers.iter().map(|layer| layer.diff_id.to_string()).collect();
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": { "Cmd": ["/bin/sh"] },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        Self { config, layers, is_docker: false }
    }

    /// One small gzip layer with one file.
    pub(crate) fn small(text: &str) -> Self {
        Self::new(vec![Layer::new(&[("file", text.as_bytes())], Compressed::Gzip)])
    }

    pub(crate) fn config_bytes(&self) -> Vec<u8> {
        self.config.to_string().into_bytes()
    }

    pub(crate) fn id(&self) -> Digest {
        Digest::of(&self.config_bytes())
    }

    pub(crate) fn media_type(&self) -> &'static str {
        if self.is_docker { DOCKER_MANIFEST } else { OCI_MANIFEST }
    }

    pub(crate) fn manifest(&self) -> Value {
        let descriptor = |media_type: &str, bytes: &[u8]| {
            let digest = Digest::of(bytes).to_string();
            json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
        };
        let layers = self.layers.iter().map(|layer| {
            let oci = format!("{OCI_LAYER}{}", layer.suffix);
            descriptor(if self.is_docker { DOCKER_LAYER } else { &oci }, &layer.blob)
        });
        let config = if self.is_docker { DOCKER_CONFIG } else { OCI_CONFIG };
        json!({
            "schemaVersion": 2,
            "mediaType": self.media_type(),
            "config": descriptor(config, &self.config_bytes()),
            "layers": layers.collect::<Vec<_>>(),
        })
    }

    /// The entry of an index for this image.
    pub(crate) fn entry(&self, platform: &Value) -> Value {
        let manifest = self.manifest().to_string();
        json!({
            "mediaType": self.media_type(),
            "digest": Digest::of(manifest.as_bytes()).to_string(),
            "size": manifest.len(),
            "platform": platform,
        })
    }

    /// A registry's content with this image under a name such as `a/b:latest`.
    pub(crate) fn content(&self, name: &str) -> Content {
        let mut content = Content::default();
        self.add_to(&mut content, name);
        content
    }

    pub(crate) fn add_to(&self, content: &mut Content, name: &str) -> Digest {
        for layer in &self.layers {
            content.blobs.insert(layer.digest().to_string(), layer.blob.clone());
        }
        content.blobs.insert(self.id().to_string(), self.config_bytes());
        add_manifest(content, name, self.media_type(), self.manifest().to_string().into_bytes())
    }
}

/// Puts a manifest of any kind under a name.
pub(crate) fn add_manifest(
    content: &mut Content,
    name: &str,
    media_type: &str,
    bytes: Vec<u8>,
) -> Digest {
    let digest = Digest::of(&bytes);
    content.manifests.insert(digest.to_string(), (media_type.to_owned(), bytes));
    content.tags.insert(name.to_owned(), digest.to_string());
    digest
}
