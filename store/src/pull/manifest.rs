//! What a manifest or an index says: bytes in, checked data out.
//!
//! OCI image specification, manifest.md and image-index.md; Docker's "Image Manifest Version 2,
//! Schema 2". A document that could be read as either kind is refused (CVE-2021-41190).

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::json;
use super::platform::Platform;
use crate::digest::{Digest, DigestError};

/// Most layers of one image.
pub(crate) const LAYERS_LIMIT: usize = 500;

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+";

/// Configs of images; the last is what some old tools wrote for them.
const CONFIGS: &[&str] = &[
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
    "application/octet-stream",
];
const LAYER_PREFIXES: &[&str] = &[
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
];
const LAYER_SUFFIXES: &[&str] = &["", "+gzip", "+zstd", ".gzip", ".zstd"];

/// Why a manifest, an index or a config is not used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, too deep, or fields of wrong types.
    #[error("invalid {what}: {source}")]
    Json {
        /// Which document.
        what: &'static str,
        /// Where and why.
        source: serde_json::Error,
    },
    /// Schema 1, which has no verifiable config.
    #[error(
        "image manifest version 2, schema 1 is not supported: push the image again as schema 2 or OCI"
    )]
    Schema1,
    /// Some other kind of document.
    #[error("unsupported media type {media_type:?} of {what}")]
    MediaType {
        /// Which document.
        what: &'static str,
        /// As the registry or the document says.
        media_type: String,
    },
    /// Fields of both kinds, or a kind that differs from what was announced.
    #[error("ambiguous manifest: {0}")]
    Ambiguous(String),
    /// A digest that cannot be verified here.
    #[error("{what}: {source}")]
    Digest {
        /// Whose digest.
        what: &'static str,
        /// Why.
        source: DigestError,
    },
    /// Something required is missing or contradicts the rest.
    #[error("invalid {what}: {reason}")]
    Invalid {
        /// Which document.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
}

/// A descriptor whose digest is not looked at yet.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    #[serde(default)]
    pub(crate) media_type: String,
    digest: String,
    pub(crate) size: u64,
    pub(crate) platform: Option<Platform>,
}

/// Where some bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

impl Entry {
    pub(crate) fn descriptor(&self, what: &'static str) -> Result<Descriptor, ManifestError> {
        let digest =
            Digest::parse(&self.digest).map_err(|source| ManifestError::Digest { what, source })?;
        Ok(Descriptor { media_type: self.media_type.clone(), digest, size: self.size })
    }
}

/// The manifest of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageManifest {
    pub(crate) media_type: String,
    pub(crate) config: Descriptor,
    /// Lowest first.
    pub(crate) layers: Vec<Descriptor>,
}

/// What a registry keeps under a tag.
#[derive(Debug, Clone)]
pub(crate) enum Document {
    Index(Vec<Entry>),
    Image(ImageManifest),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: Option<u32>,
    media_type: Option<String>,
    config: Option<Entry>,
    layers: Option<Vec<Entry>>,
    manifests: Option<Vec<Entry>>,
    fs_layers: Option<IgnoredAny>,
}

/// Reads a document; `announced` is the media type of the descriptor or header that led to it.
pub(crate) fn parse(bytes: &[u8], announced: Option<&str>) -> Result<Document, ManifestError> {
    const WHAT: &str = "manifest";
    if announced.is_some_and(|announced| announced.starts_with(DOCKER_SCHEMA_1)) {
        return Err(ManifestError::Schema1);
    }
    let announced = announced.filter(|announced| !is_generic(announced));
    let unsupported = |media_type: &str| ManifestError::MediaType {
        what: WHAT,
        media_type: media_type.chars().take(100).collect(),
    };
    if let Some(other) = announced.filter(|announced| !is_manifest(announced)) {
        return Err(unsupported(other));
    }
    let raw: Raw = json::parse(WHAT, bytes)?;
    if raw.schema_version == Some(1) || raw.fs_layers.is_some() {
        return Err(ManifestError::Schema1);
    }
    let written = raw.media_type.as_deref();
    if let Some(other) = written.filter(|written| !is_manifest(written)) {
        return Err(unsupported(other));
    }
    if let (Some(announced), Some(written)) = (announced, written)
        && announced != written
    {
        let reason = format!("announced as {announced}, but says {written}");
        return Err(ManifestError::Ambiguous(reason));
    }
    let is_index = match (written.or(announced), &raw.manifests) {
        (Some(media_type), _) => matches!(media_type, OCI_INDEX | DOCKER_LIST),
        (None, manifests) => manifests.is_some(),
    };
    let media_type = written.or(announced).unwrap_or(OCI_MANIFEST).to_owned();
    if is_index { index(raw) } else { image(raw, media_type) }
}

fn index(raw: Raw) -> Result<Document, ManifestError> {
    if raw.config.is_some() || raw.layers.is_some() {
        return Err(ManifestError::Ambiguous("an index with config or layers".to_owned()));
    }
    let what = "index";
    let missing = || ManifestError::Invalid { what, reason: "no manifests".to_owned() };
    raw.manifests.map(Document::Index).ok_or_else(missing)
}

fn image(raw: Raw, media_type: String) -> Result<Document, ManifestError> {
    let what = "manifest";
    let invalid = |reason: &str| ManifestError::Invalid { what, reason: reason.to_owned() };
    if raw.manifests.is_some() {
        return Err(ManifestError::Ambiguous("an image with manifests".to_owned()));
    }
    let config = raw.config.ok_or_else(|| invalid("no config"))?.descriptor("config")?;
    if !CONFIGS.contains(&config.media_type.as_str()) {
        let media_type = config.media_type;
        return Err(ManifestError::MediaType { what: "config", media_type });
    }
    let layers = raw.layers.ok_or_else(|| invalid("no layers"))?;
    if layers.len() > LAYERS_LIMIT {
        return Err(invalid(&format!("more than {LAYERS_LIMIT} layers")));
    }
    let layers = layers.iter().map(layer).collect::<Result<_, _>>()?;
    Ok(Document::Image(ImageManifest { media_type, config, layers }))
}

fn layer(entry: &Entry) -> Result<Descriptor, ManifestError> {
    let mut suffixes = LAYER_PREFIXES.iter().filter_map(|p| entry.media_type.strip_prefix(p));
    if !suffixes.any(|suffix| LAYER_SUFFIXES.contains(&suffix)) {
        let media_type = entry.media_type.clone();
        return Err(ManifestError::MediaType { what: "layer", media_type });
    }
    entry.descriptor("layer")
}

fn is_manifest(media_type: &str) -> bool {
    matches!(media_type, OCI_INDEX | OCI_MANIFEST | DOCKER_LIST | DOCKER_MANIFEST)
}

/// Types that servers give to files they know nothing of.
fn is_generic(media_type: &str) -> bool {
    matches!(
        media_type,
        "" | "application/json" | "application/octet-stream" | "binary/octet-stream" | "text/plain"
    )
}

#[cfg(test)]
mod tests;
