//! Images: a config, its layers, and the names that people and registries have for it.

mod assemble;
mod catalog;
mod commit;
mod compress;
mod derive;
mod embed;
mod name;
mod remove;
mod resolve;

use std::sync::Arc;

use jiff::Timestamp;
use oci_spec::image::ImageConfiguration;

use crate::Inner;
use crate::content::ContentError;
use crate::db::DbError;
use crate::digest::Digest;
use crate::error::IoError;
use crate::layer::LayerError;
use crate::lease::FreeError;
use crate::reference::{Reference, ReferenceError};

pub(crate) use catalog::CatalogCell;
pub use derive::{DeriveError, FreshLayer};

/// The digest of an image's config.
pub type ImageId = Digest;

/// An image whose blobs and layers are here and that wants its rows.
#[derive(Debug, Clone)]
pub struct NewImage {
    /// The name to give; a tag, a digest, or none of both is possible.
    pub reference: Option<Reference>,
    /// The platform's manifest.
    pub manifest: Manifest,
    /// The index that led to the manifest: kept as a blob.
    pub index: Option<Digest>,
    /// What the registry knows the image by, the index's or the manifest's digest; None for images
    /// that no registry gave.
    pub registry_digest: Option<Digest>,
    /// The config: the image's id.
    pub config: ImageId,
    /// Lowest first.
    pub layers: Vec<NewLayer>,
    /// The image that it was made of here.
    pub parent: Option<ImageId>,
}

/// The descriptor of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its digest.
    pub digest: Digest,
    /// OCI's or Docker's schema 2.
    pub media_type: String,
    /// In bytes.
    pub size: u64,
}

/// A layer of an image that wants its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLayer {
    /// The compressed blob.
    pub blob: Digest,
    /// Digest of the uncompressed tar.
    pub diff_id: Digest,
    /// Names the unpacked layer.
    pub chain_id: Digest,
}

/// An image.
#[derive(Debug, Clone)]
pub struct Image {
    /// Digest of the config.
    pub id: ImageId,
    /// The platform's manifest, as the registry sent it.
    pub manifest: Manifest,
    /// Its tags, ordered.
    pub tags: Vec<Reference>,
    /// `busybox@sha256:…`, ordered.
    pub repo_digests: Vec<String>,
    /// The config.
    pub config: ImageConfiguration,
    /// The config's bytes: Docker keeps fields there that OCI does not know.
    pub config_raw: Vec<u8>,
    /// Bytes of all layers' files, unpacked.
    pub size: u64,
    /// When it was made, if the config says so.
    pub created: Option<Timestamp>,
    /// Chain ids of its layers, lowest first.
    pub chain: Vec<Digest>,
    /// The image that it was made of here, which may have gone.
    pub parent: Option<ImageId>,
}

/// What became of a name that was taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untagged {
    /// The image that had it.
    pub image: ImageId,
    /// The names that went, in their familiar form: the one asked for, and the digests of its
    /// repository if that was the last tag there.
    pub names: Vec<String>,
    /// How many tags and digests the image still has.
    pub remaining: u32,
}

/// What a removal freed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removed {
    /// Names that went, in their familiar form.
    pub names: Vec<String>,
    /// Chain ids of layers that nothing else uses.
    pub layers: Vec<Digest>,
    /// Blobs that nothing else uses.
    pub blobs: Vec<Digest>,
}

/// Why an image cannot be committed, named or removed.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// No image of this id or name.
    #[error("no image {0}")]
    NotFound(String),
    /// A blob that the image names is not here.
    #[error("image {image} lacks blob {blob}")]
    MissingBlob {
        /// The image.
        image: ImageId,
        /// What it lacks.
        blob: Digest,
    },
    /// A layer that the image names is not unpacked.
    #[error("image {image} lacks layer {chain_id}")]
    MissingLayer {
        /// The image.
        image: ImageId,
        /// What it lacks.
        chain_id: Digest,
    },
    /// The layers are others than the config says.
    #[error("image {image}: layers do not match the config's diff ids")]
    LayersMismatch {
        /// The image.
        image: ImageId,
    },
    /// A config or manifest does not parse.
    #[error("read {what} {digest}: {source}")]
    Malformed {
        /// Config or manifest.
        what: &'static str,
        /// The blob.
        digest: Digest,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The name has neither tag nor digest where one is needed.
    #[error("reference {0} has no tag")]
    NoTag(Reference),
    /// A layer cannot be unpacked.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// A blob cannot be read or written.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A call on the file system failed.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<FreeError> for ImageError {
    fn from(error: FreeError) -> Self {
        match error {
            FreeError::Io(error) => error.into(),
            FreeError::Db(error) => error.into(),
        }
    }
}

/// Why a text does not name an image.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// Nothing has this name or id.
    #[error("no image {0}")]
    NotFound(String),
    /// Several ids begin so.
    #[error("image id prefix {0} is ambiguous")]
    Ambiguous(String),
    /// Neither a name nor an id.
    #[error("{source}: {name:?}")]
    Invalid {
        /// The text.
        name: String,
        /// What is wrong with it.
        source: ReferenceError,
    },
    /// The images cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
}

/// The images.
#[derive(Debug, Clone)]
pub struct Images {
    pub(crate) inner: Arc<Inner>,
}
