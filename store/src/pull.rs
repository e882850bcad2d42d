//! Pulling an image: from a reference to committed rows.
//!
//! ```text
//! reference ─ endpoints, in turn ─► session: tag or digest ─► index? ─► manifest ─► config
//!                                       └► layers, several at once, each in one streaming pass:
//!   network ─► bounded queue ─► hash + blob file ─► inflate ─► hash + unpack      (layer, stream)
//! ```
//!
//! All that came and was verified stays when a pull fails or its future is dropped, and the next
//! pull goes on from there; only the commit at the end makes an image of it.

pub(crate) mod config;
pub(crate) mod decompress;
mod error;
pub(crate) mod foreign;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gzip;
pub(crate) mod json;
mod layer;
pub(crate) mod manifest;
mod platform;
mod progress;
mod session;
mod stream;

pub use error::{PullError, PullErrorKind};
pub use manifest::ManifestError;
pub use platform::{Platform, PlatformError};
pub use progress::Progress;

use std::sync::Arc;

use crate::digest::Digest;
use crate::image::ImageId;
use crate::reference::Reference;
use crate::registry::{Credentials, Registries, RegistryError};
use crate::{Store, registry};
use registry::repository::{Access, Repository};
use session::Session;

/// How to pull.
#[derive(Debug, Clone, Default)]
pub struct PullOptions {
    /// Which image of an index, and of which platform an image without one must be. None is the host's
    /// of an index, and what there is without one.
    pub platform: Option<Platform>,
    /// For the registry, never for mirrors.
    pub credentials: Option<Credentials>,
    /// Every tag of the repository instead of the reference's.
    pub all_tags: bool,
}

/// A pull that went well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The image; with `all_tags` that of the last tag.
    pub image: ImageId,
    /// What the registry calls it: the digest of the index, if there was one, or of the manifest.
    pub digest: Digest,
    /// It was here before, under the same name.
    pub up_to_date: bool,
}

/// Pulls an image and gives it the reference's name.
///
/// `progress` is called from the pulling task, at most about ten times a second and layer for
/// bytes. Dropping the future stops the pull; threads that unpack end soon after.
///
/// # Errors
/// See [`PullError`]; nothing is named then, what came stays for the next attempt.
pub async fn pull(
    store: &Store,
    registries: &Registries,
    reference: &Reference,
    options: &PullOptions,
    progress: impl Fn(Progress) + Send + Sync,
) -> Result<Pulled, PullError> {
    let lease = Arc::new(store.lease("pull"));
    let platform = options.platform.clone().unwrap_or_else(Platform::host);
    let mut last = None;
    for endpoint in registries.endpoints(reference.domain()).await {
        let credentials = options.credentials.clone();
        let path = reference.path();
        let repository = Repository::new(registries, &endpoint, path, credentials, Access::Pull)
            .map_err(|error| PullError::registry(reference, error))?;
        let session = Session {
            store,
            registries,
            repository,
            reference,
            platform: &platform,
            is_asked: options.platform.is_some(),
            lease: Arc::clone(&lease),
            progress: &progress,
        };
        match session.pull(options.all_tags).await {
            // Another address may do better: the one behind a mirror, or http behind https.
            Err(error) if endpoint.mirror || !session.repository.has_answered() => {
                tracing::debug!(%error, registry.endpoint = %endpoint.base, "pull from next endpoint");
                last = Some(error);
            }
            outcome => return outcome,
        }
    }
    Err(last.unwrap_or_else(|| {
        let error = RegistryError::protocol(reference.domain(), "malformed registry address");
        PullError::registry(reference, error)
    }))
}
