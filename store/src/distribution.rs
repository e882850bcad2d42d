//! What a registry has under a name, without pulling it.

use crate::pull::Platform;
use crate::pull::config::CONFIG_LIMIT;
use crate::pull::manifest::{self, Document};
use crate::pull::{ManifestError, PullError};
use crate::reference::{DEFAULT_TAG, Reference};
use crate::registry::manifest::Fetched;
use crate::registry::repository::{Access, Repository};
use crate::registry::{Credentials, Registries, RegistryError};
use crate::{Digest, Manifest};

/// A manifest or index of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its descriptor.
    pub descriptor: Manifest,
    /// The platforms that it has images for.
    pub platforms: Vec<Platform>,
}

/// Asks the registry, never a mirror, for what a tag or a digest is.
///
/// # Errors
/// As a pull's; a registry's own answers come as they are.
pub async fn describe(
    registries: &Registries,
    reference: &Reference,
    credentials: Option<Credentials>,
) -> Result<Described, PullError> {
    let mut last = None;
    for endpoint in registries.endpoints(reference.domain()).await {
        if endpoint.mirror {
            continue;
        }
        let path = reference.path();
        let credentials = credentials.clone();
        let repository = Repository::new(registries, &endpoint, path, credentials, Access::Pull)
            .map_err(PullError::Registry)?;
        match describe_at(&repository, reference).await {
            Err(error) if !repository.has_answered() => last = Some(error),
            outcome => return outcome,
        }
    }
    Err(last.unwrap_or_else(|| {
        let error = RegistryError::protocol(reference.domain(), "malformed registry address");
        PullError::Registry(error)
    }))
}

async fn describe_at(
    repository: &Repository,
    reference: &Reference,
) -> Result<Described, PullError> {
    let fetched = match reference.digest() {
        Some(digest) => repository.manifest_by_digest(digest).await,
        None => repository.manifest_by_tag(reference.tag().unwrap_or(DEFAULT_TAG)).await,
    };
    let Fetched { bytes, digest, media_type } = fetched.map_err(PullError::Registry)?;
    let size = bytes.len() as u64;
    let announced = media_type.clone().unwrap_or_default();
    let descriptor = |media_type: String, digest: Digest| Manifest { digest, media_type, size };
    match manifest::parse(&bytes, media_type.as_deref())? {
        Document::Index(entries) => {
            let platforms = entries.into_iter().filter_map(|entry| entry.platform).collect();
            Ok(Described { descriptor: descriptor(announced, digest), platforms })
        }
        Document::Image(image) => {
            let config = &image.config;
            let bytes = repository.small_blob(&config.digest, config.size, CONFIG_LIMIT).await;
            let bytes = bytes.map_err(PullError::Registry)?;
            let platform: Platform = serde_json::from_slice(&bytes)
                .map_err(|source| ManifestError::Json { what: "config", source })?;
            let descriptor = descriptor(image.media_type, digest);
            Ok(Described { descriptor, platforms: vec![platform] })
        }
    }
}
