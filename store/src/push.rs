//! Pushing an image: blobs that the registry lacks, several at once, then the manifest as it is
//! here, so that the digest stays what it was where the image came from. What was made here is
//! compressed first.

mod layer;

use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, TryStreamExt as _};
use tokio::sync::Semaphore;

use crate::content::ContentError;
use crate::digest::Digest;
use crate::image::{DeriveError, Image, ImageError, Images, Manifest};
use crate::pull::ManifestError;
use crate::pull::manifest::{self, ImageManifest};
use crate::reference::Reference;
use crate::registry::manifest::MANIFEST_LIMIT;
use crate::registry::repository::{Access, Repository};
use crate::registry::{Credentials, Registries, RegistryError};
use crate::{Lease, Store};
use layer::Layer;

/// Layers of one push that are sent at the same time, as dockerd's default.
const CONCURRENT_UPLOADS: usize = 5;
/// Repositories that are asked for a blob before it is sent.
const MOUNT_SOURCES: usize = 3;

/// Why a push failed.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The registry said no, or nothing.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The registry took no byte for too long.
    #[error("{0}: the registry takes nothing any more")]
    Stalled(String),
    /// The image's manifest is damaged.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A blob is not here or cannot be read.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The image's layers cannot be compressed.
    #[error("compress layers: {0}")]
    Compress(#[from] DeriveError),
    /// What the registry calls the image cannot be noted.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A thread ended before its work did.
    #[error("push was stopped")]
    Stopped,
}

/// A step of a push; layers by their short diff ids.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum PushProgress {
    Preparing { id: String },
    Waiting { id: String },
    Pushing { id: String, current: u64, total: u64 },
    Pushed { id: String },
    AlreadyExists { id: String },
    Mounted { id: String, from: String },
}

/// An image that a registry has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Of the manifest.
    pub digest: Digest,
    /// Of the manifest, in bytes.
    pub size: u64,
}

/// What is pushed, read from the store.
struct Parcel {
    bytes: Vec<u8>,
    descriptor: Manifest,
    manifest: ImageManifest,
}

/// A manifest or an index.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) bytes: Vec<u8>,
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
}

/// What is pushed of blobs and documents that are here.
pub(crate) struct Goods<'a> {
    pub(crate) blobs: Vec<&'a Digest>,
    /// What names others before those; the first gets the tag.
    pub(crate) documents: &'a [Document],
    pub(crate) tag: &'a str,
}

/// What one push brings.
enum Cargo<'a> {
    Image(&'a Image, &'a Parcel),
    Goods(&'a Goods<'a>),
}

/// Where a push goes.
struct Way<'a> {
    store: &'a Store,
    registries: &'a Registries,
    reference: &'a Reference,
    credentials: Option<Credentials>,
    /// Repositories of the same registry that may have the blobs.
    sources: Vec<String>,
}

/// One push at one address.
struct Session<'a, P> {
    store: &'a Store,
    repository: Arc<Repository>,
    /// Repositories of the same registry that may have the blobs.
    sources: Vec<String>,
    progress: &'a P,
}

/// Pushes an image under the tag of `reference`. Dropping the future stops it.
///
/// # Errors
/// See [`PushError`]; blobs that were taken stay at the registry.
pub async fn push(
    store: &Store,
    registries: &Registries,
    image: &Image,
    reference: &Reference,
    credentials: Option<Credentials>,
    progress: impl Fn(PushProgress) + Send + Sync,
) -> Result<Pushed, PushError> {
    let _lease: Lease = store.lease("push");
    let (images, plain) = (store.images(), image.clone());
    let compressed = blocking(move || images.compress_layers(&plain)).await?;
    let image = compressed.as_deref().unwrap_or(image);
    let parcel = read(store.images(), image).await?;
    let sources = sources(image, reference);
    let way = Way { store, registries, reference, credentials, sources };
    way.send(&Cargo::Image(image, &parcel), &progress).await?;
    let Manifest { digest, size, .. } = parcel.descriptor;
    let (images, id, name) = (store.images(), image.id.clone(), reference.with_digest(&digest));
    blocking(move || images.note_digest(&id, &name)).await?;
    Ok(Pushed { digest, size })
}

/// Pushes what is here: blobs, then documents.
pub(crate) async fn push_goods(
    store: &Store,
    registries: &Registries,
    goods: &Goods<'_>,
    reference: &Reference,
    credentials: Option<Credentials>,
) -> Result<(), PushError> {
    let way = Way { store, registries, reference, credentials, sources: Vec::new() };
    way.send(&Cargo::Goods(goods), &|_| {}).await
}

impl Way<'_> {
    /// Sends to the first address that answers; mirrors take nothing.
    async fn send(
        self,
        cargo: &Cargo<'_>,
        progress: &(impl Fn(PushProgress) + Send + Sync),
    ) -> Result<(), PushError> {
        let Self { store, registries, reference, credentials, sources } = self;
        let mut last = None;
        for endpoint in registries.endpoints(reference.domain()).await {
            if endpoint.mirror {
                continue;
            }
            let (path, access) = (reference.path(), Access::Push(&sources));
            let repository =
                Repository::new(registries, &endpoint, path, credentials.clone(), access)?;
            let sources = sources.clone();
            let session = Session { store, repository, sources, progress };
            let sent = match cargo {
                Cargo::Image(image, parcel) => session.push(image, parcel, reference).await,
                Cargo::Goods(goods) => session.push_goods(goods).await,
            };
            match sent {
                // Another address may do better: http behind https.
                Err(error) if !session.repository.has_answered() => last = Some(error),
                sent => return sent,
            }
        }
        Err(last.unwrap_or_else(|| {
            RegistryError::protocol(reference.domain(), "malformed registry address").into()
        }))
    }
}

impl<P: Fn(PushProgress) + Send + Sync> Session<'_, P> {
    async fn push_goods(&self, goods: &Goods<'_>) -> Result<(), PushError> {
        for digest in &goods.blobs {
            self.push_blob(digest, &|_, _| {}).await?;
        }
        for (at, Document { bytes, media_type, digest }) in goods.documents.iter().enumerate().rev()
        {
            let name = if at == 0 { goods.tag.to_owned() } else { digest.to_string() };
            self.repository.put_manifest(&name, media_type, bytes).await?;
        }
        Ok(())
    }

    async fn push(
        &self,
        image: &Image,
        parcel: &Parcel,
        reference: &Reference,
    ) -> Result<(), PushError> {
        let layers = layers(image, &parcel.manifest);
        // Whoever does not answer at all is not told of; another address may be tried.
        let first = layers.first().map_or(&parcel.manifest.config.digest, |layer| &layer.digest);
        self.repository.has_blob(first).await?;
        for (number, layer) in layers.iter().enumerate() {
            let id = layer.id.clone();
            (self.progress)(PushProgress::Preparing { id: id.clone() });
            if number >= CONCURRENT_UPLOADS {
                (self.progress)(PushProgress::Waiting { id });
            }
        }
        let turns = Semaphore::new(CONCURRENT_UPLOADS);
        let pushes: FuturesUnordered<_> =
            layers.iter().map(|layer| self.push_layer(layer, &turns)).collect();
        pushes.try_collect::<()>().await?;
        let config = &parcel.manifest.config;
        self.push_blob(&config.digest, &|_, _| {}).await?;
        let tag = reference.tag().unwrap_or(crate::reference::DEFAULT_TAG);
        let media_type = &parcel.descriptor.media_type;
        Ok(self.repository.put_manifest(tag, media_type, &parcel.bytes).await?)
    }
}

/// The layers, topmost first as dockerd shows them; each blob once.
fn layers(image: &Image, manifest: &ImageManifest) -> Vec<Layer> {
    let diff_ids = image.config.rootfs().diff_ids();
    let mut layers: Vec<Layer> = Vec::new();
    for (blob, diff_id) in manifest.layers.iter().zip(diff_ids).rev() {
        if layers.iter().any(|layer| layer.digest == blob.digest) {
            continue;
        }
        let id = Digest::parse(diff_id).map_or_else(|_| blob.digest.short(), |id| id.short());
        layers.push(Layer { id, digest: blob.digest.clone() });
    }
    layers
}

/// Other repositories of the same registry that know the image.
fn sources(image: &Image, reference: &Reference) -> Vec<String> {
    let names = image.repo_digests.iter().filter_map(|name| Reference::parse_named(name).ok());
    let others =
        names.filter(|name| name.domain() == reference.domain() && name.path() != reference.path());
    let mut sources: Vec<String> = others.map(|name| name.path().to_owned()).collect();
    sources.dedup();
    sources.truncate(MOUNT_SOURCES);
    sources
}

async fn read(images: Images, image: &Image) -> Result<Parcel, PushError> {
    let descriptor = image.manifest.clone();
    blocking(move || parcel(&images, &descriptor)).await
}

fn parcel(images: &Images, descriptor: &Manifest) -> Result<Parcel, PushError> {
    let bytes = images.inner.read_small(&descriptor.digest, MANIFEST_LIMIT)?;
    let descriptor = descriptor.clone();
    match manifest::parse(&bytes, Some(&descriptor.media_type))? {
        manifest::Document::Image(manifest) => Ok(Parcel { bytes, descriptor, manifest }),
        manifest::Document::Index(_) => {
            let reason = "an index where a manifest should be".to_owned();
            Err(ManifestError::Invalid { what: "manifest", reason }.into())
        }
    }
}

/// Runs what blocks on a thread for that.
async fn blocking<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, PushError>
where
    T: Send + 'static,
    E: Send + 'static,
    PushError: From<E>,
{
    let result = tokio::task::spawn_blocking(work).await.map_err(|_| PushError::Stopped)?;
    result.map_err(PushError::from)
}
