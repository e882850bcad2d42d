//! One pull at one address, from the reference to the commit.

use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, TryStreamExt as _};
use tokio::task::spawn_blocking;

use super::config::{self, CONFIG_LIMIT};
use super::layer::Layer;
use super::manifest::{self, Descriptor, Document, Entry, ImageManifest, ManifestError};
use super::platform::Platform;
use super::{Progress, PullError, Pulled};
use crate::digest::Digest;
use crate::image::{Image, Manifest, NewImage, NewLayer, ResolveError};
use crate::layer::chain_ids;
use crate::reference::{DEFAULT_TAG, Reference};
use crate::registry::manifest::{Fetched, MANIFEST_LIMIT};
use crate::registry::repository::Repository;
use crate::registry::{Registries, RegistryError};
use crate::{Lease, Store};

/// Indexes that may lead to a manifest.
const INDEX_DEPTH_LIMIT: usize = 2;

/// One pull at one address.
pub(super) struct Session<'a, P> {
    pub(super) store: &'a Store,
    pub(super) registries: &'a Registries,
    pub(super) repository: Arc<Repository>,
    pub(super) reference: &'a Reference,
    pub(super) platform: &'a Platform,
    /// Whether somebody said so.
    pub(super) is_asked: bool,
    pub(super) lease: Arc<Lease>,
    pub(super) progress: &'a P,
}

/// What a reference led to.
struct Resolved {
    /// What the registry calls it.
    digest: Digest,
    /// On the way to the manifest; kept as blobs. The first is `digest`.
    index: Option<Digest>,
    manifest: ImageManifest,
    descriptor: Manifest,
}

impl<P: Fn(Progress) + Send + Sync> Session<'_, P> {
    /// Pulls what the reference names, or every tag of its repository.
    pub(super) async fn pull(&self, all_tags: bool) -> Result<Pulled, PullError> {
        let pulled = match all_tags {
            true => self.pull_all_tags().await?,
            false => self.pull_reference().await?,
        };
        self.tell_status(&pulled);
        Ok(pulled)
    }

    /// Pulls every tag of the repository, one after the other.
    async fn pull_all_tags(&self) -> Result<Pulled, PullError> {
        let tags = self.repository.tags().await.map_err(|error| self.failed(error))?;
        let mut last = None;
        let mut up_to_date = true;
        for tag in tags {
            let invalid = |_| {
                let reason = format!("malformed tag {tag:?}");
                self.failed(RegistryError::protocol(self.reference.name(), reason))
            };
            let reference = self.reference.with_tag(&tag).map_err(invalid)?;
            let session = Session {
                repository: Arc::clone(&self.repository),
                lease: Arc::clone(&self.lease),
                reference: &reference,
                ..*self
            };
            let pulled = session.pull_reference().await?;
            up_to_date &= pulled.up_to_date;
            last = Some(pulled);
        }
        let none = || {
            let error = RegistryError::protocol(self.reference.name(), "repository has no tags");
            self.failed(error)
        };
        last.map(|pulled| Pulled { up_to_date, ..pulled }).ok_or_else(none)
    }

    async fn pull_reference(&self) -> Result<Pulled, PullError> {
        let existing = self.find(self.reference.canonical()).await?;
        let resolved = self.resolve(existing.is_some()).await?;
        if self.is_asked {
            self.config(&resolved.manifest).await?;
        }
        let name = self.reference.with_digest(&resolved.digest).familiar();
        let is_same = |image: &Arc<Image>| {
            image.id == resolved.manifest.config.digest
                && image.manifest.digest == resolved.descriptor.digest
                && image.repo_digests.contains(&name)
        };
        let digest = resolved.digest.clone();
        let (image, up_to_date) = match existing.filter(is_same) {
            Some(image) => (image.id.clone(), true),
            None => (self.pull_image(resolved).await?, false),
        };
        (self.progress)(Progress::Digest(digest.clone()));
        Ok(Pulled { image, digest, up_to_date })
    }

    /// The last line of a pull.
    fn tell_status(&self, pulled: &Pulled) {
        let familiar = self.reference.familiar();
        (self.progress)(Progress::Status(match pulled.up_to_date {
            true => format!("Status: Image is up to date for {familiar}"),
            false => format!("Status: Downloaded newer image for {familiar}"),
        }));
    }

    async fn pull_image(&self, resolved: Resolved) -> Result<Digest, PullError> {
        let Resolved { digest, index, manifest, descriptor } = resolved;
        let config = self.config(&manifest).await?;
        let is_known = self.find(manifest.config.digest.to_string()).await?.is_some();
        let chain = chain_ids(&config.diff_ids);
        let layers: Vec<Layer> = manifest
            .layers
            .into_iter()
            .zip(config.diff_ids)
            .zip(chain)
            .map(|((blob, diff_id), chain_id)| Layer { blob, diff_id, chain_id })
            .collect();
        self.pull_layers(&layers, is_known).await?;
        let layers = layers.into_iter().map(|Layer { blob, diff_id, chain_id }| NewLayer {
            blob: blob.digest,
            diff_id,
            chain_id,
        });
        let image = NewImage {
            reference: Some(self.reference.clone()),
            manifest: descriptor,
            index,
            registry_digest: Some(digest),
            config: manifest.config.digest,
            layers: layers.collect(),
            parent: None,
        };
        let images = self.store.images();
        blocking(move || images.commit(image)).await
    }

    /// Says nothing of the layers that are here with the image, under another name.
    async fn pull_layers(&self, layers: &[Layer], is_known: bool) -> Result<(), PullError> {
        let mut missing = Vec::new();
        for layer in layers {
            let id = layer.id();
            if self.here(layer).await?.is_complete() {
                if !is_known {
                    (self.progress)(Progress::AlreadyExists { id });
                }
            } else {
                (self.progress)(Progress::PullingLayer { id });
                missing.push(layer);
            }
        }
        let pulls: FuturesUnordered<_> =
            missing.into_iter().map(|layer| self.pull_layer(layer)).collect();
        pulls.try_collect().await
    }

    /// The image that has the name or id now.
    async fn find(&self, name: String) -> Result<Option<Arc<Image>>, PullError> {
        let images = self.store.images();
        blocking(move || match images.resolve(&name) {
            Ok(image) => Ok(Some(image)),
            Err(ResolveError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    /// Follows the reference to the manifest of the platform's image.
    async fn resolve(&self, is_known: bool) -> Result<Resolved, PullError> {
        let mut fetched = match self.wanted_digest(is_known).await? {
            Some(digest) => self.manifest(&digest).await?,
            None => {
                let fetched = self.repository.manifest_by_tag(self.tag()).await;
                self.put(fetched.map_err(|error| self.failed(error))?).await?
            }
        };
        (self.progress)(Progress::PullingFrom {
            repository: self.reference.path().to_owned(),
            tag: match self.reference.digest() {
                Some(digest) => digest.to_string(),
                None => self.tag().to_owned(),
            },
        });
        let digest = fetched.digest.clone();
        let mut index = None;
        for _ in 0..=INDEX_DEPTH_LIMIT {
            match manifest::parse(&fetched.bytes, fetched.media_type.as_deref())? {
                Document::Image(manifest) => {
                    let descriptor = Manifest {
                        digest: fetched.digest,
                        media_type: manifest.media_type.clone(),
                        size: fetched.bytes.len() as u64,
                    };
                    return Ok(Resolved { digest, index, manifest, descriptor });
                }
                Document::Index(entries) => {
                    index.get_or_insert(fetched.digest);
                    fetched = self.child(&entries).await?;
                }
            }
        }
        let reason = "too many indexes in indexes".to_owned();
        Err(ManifestError::Invalid { what: "index", reason }.into())
    }

    /// The digest to fetch, if it is known: the reference's, or what the registry says of a tag
    /// that may be up to date.
    async fn wanted_digest(&self, is_known: bool) -> Result<Option<Digest>, PullError> {
        match self.reference.digest() {
            Some(digest) => Ok(Some(digest.clone())),
            None if is_known => {
                let told = self.repository.digest_of_tag(self.tag()).await;
                // Not every registry answers HEAD; a GET tells what is wrong otherwise.
                Ok(told.ok().flatten())
            }
            None => Ok(None),
        }
    }

    /// Fetches the platform's entry of an index.
    async fn child(&self, entries: &[Entry]) -> Result<Fetched, PullError> {
        let chosen = self.platform.choose(entries.iter().map(|entry| entry.platform.as_ref()));
        let entry = match (chosen, entries) {
            (Some(at), entries) => &entries[at],
            (None, [only]) if only.platform.is_none() => only,
            _ => return Err(PullError::NoPlatform(self.platform.clone())),
        };
        let Descriptor { media_type, digest, size } = entry.descriptor("manifest")?;
        if size > MANIFEST_LIMIT {
            let what = format!("manifest {digest}");
            return Err(self.failed(RegistryError::TooLarge { what, limit: MANIFEST_LIMIT }));
        }
        let fetched = self.manifest(&digest).await?;
        if fetched.bytes.len() as u64 != size {
            let reason = format!("{digest} has {} bytes instead of {size}", fetched.bytes.len());
            return Err(ManifestError::Invalid { what: "manifest", reason }.into());
        }
        Ok(Fetched { media_type: Some(media_type), ..fetched })
    }

    /// A manifest by digest: from the store if it is there, or from the registry.
    async fn manifest(&self, digest: &Digest) -> Result<Fetched, PullError> {
        if let Some(bytes) = self.local(digest, MANIFEST_LIMIT).await? {
            return Ok(Fetched { bytes, digest: digest.clone(), media_type: None });
        }
        let fetched = self.repository.manifest_by_digest(digest).await;
        self.put(fetched.map_err(|error| self.failed(error))?).await
    }

    async fn config(&self, manifest: &ImageManifest) -> Result<config::Config, PullError> {
        let Descriptor { digest, size, .. } = &manifest.config;
        let bytes = match self.local(digest, CONFIG_LIMIT).await? {
            Some(bytes) => bytes,
            None => {
                let fetched = self.repository.small_blob(digest, *size, CONFIG_LIMIT).await;
                let bytes = fetched.map_err(|error| self.failed(error))?;
                let (store, copy) = (self.store.clone(), bytes.clone());
                blocking(move || store.put(&copy)).await?;
                bytes
            }
        };
        let config = config::parse(&bytes, manifest.layers.len())?;
        self.check_platform(&config.platform)?;
        Ok(config)
    }

    fn check_platform(&self, actual: &Platform) -> Result<(), PullError> {
        if !matches!(actual.os.as_str(), "" | "linux") {
            return Err(PullError::OperatingSystem(actual.os.clone()));
        }
        // Without an index nothing was chosen; dockerd takes what there is, unless asked not to.
        if !self.is_asked || self.platform.accepts(actual) {
            return Ok(());
        }
        Err(PullError::OtherPlatform {
            reference: self.reference.familiar(),
            actual: Box::new(actual.clone()),
            wanted: Box::new(self.platform.clone()),
        })
    }

    /// A blob of the store, if it is there and sound.
    async fn local(&self, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>, PullError> {
        let (store, digest) = (self.store.clone(), digest.clone());
        let read = blocking(move || Ok::<_, PullError>(store.read_small(&digest, limit).ok()));
        read.await
    }

    async fn put(&self, fetched: Fetched) -> Result<Fetched, PullError> {
        let store = self.store.clone();
        blocking(move || store.put(&fetched.bytes).map(|_| fetched)).await
    }

    fn tag(&self) -> &str {
        self.reference.tag().unwrap_or(DEFAULT_TAG)
    }

    fn failed(&self, error: RegistryError) -> PullError {
        PullError::registry(self.reference, error)
    }
}

/// Runs what blocks on a thread for that.
pub(super) async fn blocking<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, PullError>
where
    T: Send + 'static,
    E: Send + 'static,
    PullError: From<E>,
{
    let result = spawn_blocking(work).await.map_err(|_| PullError::Stopped)?;
    result.map_err(PullError::from)
}
