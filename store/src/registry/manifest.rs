//! Manifests by tag or digest, as bytes: fetched whole, bounded, their digest computed and checked.
//! What they say is read in [`crate::pull`].

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap};

use super::repository::Repository;
use super::{Code, RegistryError, body};
use crate::digest::Digest;

/// Largest manifest or index, in bytes: what registries must take (OCI distribution
/// specification, "Pushing Manifests").
pub(crate) const MANIFEST_LIMIT: u64 = 4 * 1024 * 1024;

const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json, */*;q=0.1";

const CONTENT_DIGEST: &str = "docker-content-digest";

/// A manifest or index as the registry sent it.
#[derive(Debug, Clone)]
pub(crate) struct Fetched {
    pub(crate) bytes: Vec<u8>,
    /// Computed from the bytes.
    pub(crate) digest: Digest,
    /// The `Content-Type` without its parameters, in lower case.
    pub(crate) media_type: Option<String>,
}

impl Repository {
    /// The manifest that a tag names.
    pub(crate) async fn manifest_by_tag(&self, tag: &str) -> Result<Fetched, RegistryError> {
        let mut ask = self.ask(&format!("manifests/{tag}"), Code::ManifestUnknown)?;
        ask.accept = ACCEPT;
        let response = self.request(&ask).await?;
        let told = content_digest(response.headers());
        let fetched = read(response).await?;
        match told {
            Some(told) if told != fetched.digest => Err(RegistryError::DigestMismatch {
                what: format!("manifest {tag}"),
                expected: told,
                actual: fetched.digest,
            }),
            _ => Ok(fetched),
        }
    }

    /// The manifest of a digest.
    pub(crate) async fn manifest_by_digest(
        &self,
        digest: &Digest,
    ) -> Result<Fetched, RegistryError> {
        let mut ask = self.ask(&format!("manifests/{digest}"), Code::ManifestUnknown)?;
        ask.accept = ACCEPT;
        let fetched = read(self.request(&ask).await?).await?;
        if fetched.digest != *digest {
            return Err(RegistryError::DigestMismatch {
                what: format!("manifest verification failed for digest {digest}"),
                expected: digest.clone(),
                actual: fetched.digest,
            });
        }
        Ok(fetched)
    }

    /// The digest that a tag has now, if the registry tells it; costs less than the manifest, and
    /// nothing of a rate limit on pulls.
    pub(crate) async fn digest_of_tag(&self, tag: &str) -> Result<Option<Digest>, RegistryError> {
        let mut ask = self.ask(&format!("manifests/{tag}"), Code::ManifestUnknown)?;
        ask.method = Method::HEAD;
        ask.accept = ACCEPT;
        Ok(content_digest(self.request(&ask).await?.headers()))
    }
}

async fn read(response: reqwest::Response) -> Result<Fetched, RegistryError> {
    let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.and_then(|value| value.split(';').next());
    let media_type = media_type.map(|value| value.trim().to_ascii_lowercase());
    let bytes = body::bounded(response, MANIFEST_LIMIT).await?;
    Ok(Fetched { digest: Digest::of(&bytes), bytes, media_type })
}

fn content_digest(headers: &HeaderMap) -> Option<Digest> {
    Digest::parse(headers.get(CONTENT_DIGEST)?.to_str().ok()?).ok()
}
