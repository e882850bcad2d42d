//! Why a pull fails, in the words that Docker's clients know.

use super::manifest::ManifestError;
use super::platform::Platform;
use crate::content::ContentError;
use crate::digest::Digest;
use crate::image::{ImageError, ResolveError};
use crate::layer::LayerError;
use crate::reference::Reference;
use crate::registry::{ApiError, Code, RegistryError};

/// Why a pull failed.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The registry does not show this repository to us.
    #[error(
        "pull access denied for {name}, repository does not exist or may require 'docker login': \
         {source}"
    )]
    Denied {
        /// The familiar name of the repository.
        name: String,
        /// The registry's words.
        source: ApiError,
    },
    /// No such tag or digest.
    #[error("manifest for {reference} not found: {source}")]
    ManifestUnknown {
        /// The familiar form of the reference.
        reference: String,
        /// The registry's words.
        source: ApiError,
    },
    /// No such repository.
    #[error("repository {name} not found: {source}")]
    RepositoryUnknown {
        /// The familiar name of the repository.
        name: String,
        /// The registry's words.
        source: ApiError,
    },
    /// Every other trouble with the registry.
    #[error(transparent)]
    Registry(RegistryError),
    /// The index has no image for the platform.
    #[error("no matching manifest for {0} in the manifest list entries")]
    NoPlatform(Platform),
    /// The image is for another platform than asked for.
    #[error(
        "image with reference {reference} was found but its platform ({actual}) does not match \
         the specified platform ({wanted})"
    )]
    OtherPlatform {
        /// The familiar form of the reference.
        reference: String,
        /// The image's.
        actual: Box<Platform>,
        /// What was asked for.
        wanted: Box<Platform>,
    },
    /// The image is of another operating system.
    #[error("image operating system {0:?} cannot be used on this platform")]
    OperatingSystem(String),
    /// A manifest, index or config that is wrong or not supported.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The bytes of a layer are others than the manifest says.
    #[error("filesystem layer verification failed for digest {0}")]
    LayerVerification(Digest),
    /// A layer cannot be unpacked.
    #[error("failed to register layer {blob}: {source}")]
    Layer {
        /// The compressed blob.
        blob: Digest,
        /// Why.
        source: LayerError,
    },
    /// A blob cannot be stored or read.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The image cannot be committed.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The image that has the name now cannot be read.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// A thread of the pull ended before its work did.
    #[error("pull was stopped")]
    Stopped,
}

/// What kind of failure it is: decides about the status of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PullErrorKind {
    /// No such image for us.
    NotFound,
    /// No or wrong credentials.
    Unauthorized,
    /// Too many requests.
    RateLimited,
    /// The registry does not answer, or not as it should.
    Network,
    /// Bytes that are not what their digest says.
    DigestMismatch,
    /// Larger than allowed.
    TooLarge,
    /// There is none for the platform.
    UnsupportedPlatform,
    /// Malformed, or of a kind that is not supported.
    Invalid,
    /// The local store failed.
    Storage,
}

impl PullError {
    /// Puts a registry's error into Docker's words.
    pub(super) fn registry(reference: &Reference, error: RegistryError) -> Self {
        let RegistryError::Api(source) = error else { return Self::Registry(error) };
        match source.code {
            Code::Denied => Self::Denied { name: reference.familiar_name(), source },
            Code::ManifestUnknown => {
                Self::ManifestUnknown { reference: reference.familiar(), source }
            }
            Code::NameUnknown => {
                Self::RepositoryUnknown { name: reference.familiar_name(), source }
            }
            _ => Self::Registry(source.into()),
        }
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> PullErrorKind {
        match self {
            Self::Denied { .. } | Self::ManifestUnknown { .. } | Self::RepositoryUnknown { .. } => {
                PullErrorKind::NotFound
            }
            Self::Registry(error) => registry_kind(error),
            Self::NoPlatform(_) | Self::OtherPlatform { .. } | Self::OperatingSystem(_) => {
                PullErrorKind::UnsupportedPlatform
            }
            Self::LayerVerification(_)
            | Self::Layer { source: LayerError::DiffIdMismatch { .. }, .. } => {
                PullErrorKind::DigestMismatch
            }
            Self::Layer { source: LayerError::Io(_) | LayerError::Db(_), .. }
            | Self::Content(_)
            | Self::Image(_)
            | Self::Resolve(_)
            | Self::Stopped => PullErrorKind::Storage,
            Self::Manifest(_) | Self::Layer { .. } => PullErrorKind::Invalid,
        }
    }
}

fn registry_kind(error: &RegistryError) -> PullErrorKind {
    match error {
        RegistryError::Api(error) => match error.code {
            Code::Unauthorized => PullErrorKind::Unauthorized,
            Code::TooManyRequests => PullErrorKind::RateLimited,
            Code::BlobUnknown => PullErrorKind::NotFound,
            _ => PullErrorKind::Network,
        },
        RegistryError::NoCredentials { .. } => PullErrorKind::Unauthorized,
        RegistryError::TooLarge { .. } => PullErrorKind::TooLarge,
        RegistryError::DigestMismatch { .. } => PullErrorKind::DigestMismatch,
        _ => PullErrorKind::Network,
    }
}
