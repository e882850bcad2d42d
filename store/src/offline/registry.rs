//! An image of a registry on its way to the bench: documents first, then layers, several at once.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::bench::Bench;
use super::take::{Taken, Want};
use super::{OfflineError, Tools};
use crate::pull::ManifestError;
use crate::pull::config::CONFIG_LIMIT;
use crate::pull::manifest::{self, Descriptor, Document, Entry};
use crate::reference::{DEFAULT_TAG, Reference};
use crate::registry::manifest::Fetched;
use crate::registry::repository::{Access, Repository};
use crate::registry::{DEFAULT_CONCURRENT_DOWNLOADS, RegistryError};

/// Indexes that may lead to a manifest.
const INDEX_DEPTH_LIMIT: usize = 2;

impl Tools<'_> {
    pub(super) async fn take_of_registry(
        &self,
        bench: &Bench,
        reference: &Reference,
        want: Want,
    ) -> Result<Taken, OfflineError> {
        let take = async |repository: &Arc<Repository>| {
            self.take_of(bench, repository, reference, want).await
        };
        self.of_first_that_answers(reference, take).await
    }

    /// Asks the registry's addresses in turn, until one of them has an answer.
    pub(super) async fn of_first_that_answers<T>(
        &self,
        reference: &Reference,
        ask: impl AsyncFn(&Arc<Repository>) -> Result<T, OfflineError>,
    ) -> Result<T, OfflineError> {
        let domain = reference.domain();
        let mut last = None;
        for endpoint in self.registries.endpoints(domain).await {
            let credentials = self.credentials.of(domain);
            let (path, access) = (reference.path(), Access::Pull);
            let repository =
                Repository::new(self.registries, &endpoint, path, credentials, access)?;
            match ask(&repository).await {
                Err(error) if endpoint.mirror || !repository.has_answered() => last = Some(error),
                answer => return answer,
            }
        }
        let nowhere = || RegistryError::protocol(domain, "malformed registry address").into();
        Err(last.unwrap_or_else(nowhere))
    }

    async fn take_of(
        &self,
        bench: &Bench,
        repository: &Arc<Repository>,
        reference: &Reference,
        want: Want,
    ) -> Result<Taken, OfflineError> {
        let top = match reference.digest() {
            Some(digest) => repository.manifest_by_digest(digest).await?,
            None => repository.manifest_by_tag(reference.tag().unwrap_or(DEFAULT_TAG)).await?,
        };
        let raw = top.bytes.clone();
        let (fetched, manifest) = self.follow(repository, reference, top).await?;
        let Descriptor { digest, size, .. } = &manifest.config;
        let config = repository.small_blob(digest, *size, CONFIG_LIMIT).await?;
        bench.store.put(&config)?;
        let tags = match want {
            // Not every registry lists them.
            Want::Documents => repository.tags().await.unwrap_or_default(),
            Want::All => {
                let layers = manifest.layers.iter();
                let fetches = layers.map(|layer| fetch(bench, repository, layer));
                let fetches = stream::iter(fetches).buffer_unordered(DEFAULT_CONCURRENT_DOWNLOADS);
                fetches.try_collect::<()>().await?;
                Vec::new()
            }
        };
        let taken = Taken::new(fetched.bytes, &manifest.media_type, config)?;
        Ok(Taken { name: reference.name(), tags, raw, ..taken })
    }

    async fn follow(
        &self,
        repository: &Repository,
        reference: &Reference,
        top: Fetched,
    ) -> Result<(Fetched, manifest::ImageManifest), OfflineError> {
        let mut fetched = top;
        for _ in 0..=INDEX_DEPTH_LIMIT {
            let entries = match manifest::parse(&fetched.bytes, fetched.media_type.as_deref())? {
                Document::Image(manifest) => return Ok((fetched, manifest)),
                Document::Index(entries) => entries,
            };
            let entry = self.entry(&entries).ok_or_else(|| {
                OfflineError::NoPlatform(reference.familiar(), self.platform.clone())
            })?;
            let digest = entry.descriptor("manifest")?.digest;
            fetched = repository.manifest_by_digest(&digest).await?;
        }
        let reason = "too many indexes in indexes".to_owned();
        Err(ManifestError::Invalid { what: "index", reason }.into())
    }

    fn entry<'e>(&self, entries: &'e [Entry]) -> Option<&'e Entry> {
        let chosen = self.platform.choose(entries.iter().map(|entry| entry.platform.as_ref()));
        match (chosen, entries) {
            (Some(at), entries) => entries.get(at),
            (None, [only]) if only.platform.is_none() => Some(only),
            _ => None,
        }
    }
}

/// Brings a layer; what broke off goes on where it was.
pub(super) async fn fetch(
    bench: &Bench,
    repository: &Repository,
    layer: &Descriptor,
) -> Result<(), OfflineError> {
    if bench.path(&layer.digest).exists() {
        return Ok(());
    }
    let mut ingest = match bench.store.ingest(&layer.digest, Some(layer.size)) {
        // The same layer twice: the other one brings it.
        Err(crate::ContentError::Busy(_)) => return Ok(()),
        ingest => ingest?,
    };
    let mut failed = 0;
    while ingest.offset() < layer.size {
        let before = ingest.offset();
        let error = match receive(repository, layer, &mut ingest).await {
            Err(OfflineError::Registry(error)) if error.is_temporary() => error,
            result => {
                result?;
                continue;
            }
        };
        failed = if ingest.offset() > before { 1 } else { failed + 1 };
        let delay = repository.retry().delay(failed, error.retry_after());
        let Some(delay) = delay else { return Err(error.into()) };
        tokio::time::sleep(delay).await;
    }
    Ok(ingest.commit()?)
}

async fn receive(
    repository: &Repository,
    layer: &Descriptor,
    ingest: &mut crate::Ingest,
) -> Result<(), OfflineError> {
    let mut stream = repository.blob(&layer.digest, layer.size, ingest.offset()).await?;
    while let Some(bytes) = stream.next().await? {
        ingest.write(&bytes)?;
    }
    Ok(())
}
