//! `docker load`: an archive becomes images. An archive tells at its end what its files are: until then
//! what looks like a layer has been unpacked on suspicion. What is still to do follows, and the commit.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use super::contents::{self, Found};
use super::spool::{Spool, Spooled};
use crate::content::ContentError;
use crate::digest::Digest;
use crate::error::{Context, IoError};
use crate::image::{ImageError, ImageId, Images, Manifest, NewImage, NewLayer, ResolveError};
use crate::layer::{Bytes, LayerError, Layers, chain_ids};
use crate::layout::{CONFIG, MANIFEST, TAR};
use crate::lease::Lease;
use crate::pull::config::{self, CONFIG_LIMIT};
use crate::pull::decompress::{self, Decoder};
use crate::pull::{ManifestError, Platform};
use crate::reference::Reference;

/// Layers that are unpacked at the same time.
const CONCURRENT_LAYERS: usize = 2;
/// Bytes read at once.
const BUFFER: usize = 256 << 10;

/// Why an archive is not loaded. Images before the one that fails stay.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The stream broke off, or cannot be decompressed.
    #[error("read archive: {0}")]
    Read(#[source] io::Error),
    /// None of its images is for a platform that was asked for.
    #[error("archive has no image for platform {0}")]
    NoPlatform(String),
    /// Malformed, or asks for too much.
    #[error("archive: {0}")]
    Archive(String),
    /// Neither Docker's list nor a layout's index names an image for this machine.
    #[error("archive has no images: no usable manifest.json or index.json")]
    NoImages,
    /// The archive names a file that it does not have.
    #[error("archive lacks {0:?}")]
    NotFound(String),
    /// A name without tag, or none at all.
    #[error("invalid tag {0:?}")]
    InvalidTag(String),
    /// A file's bytes are others than its name says.
    #[error("{path}: expected {expected}, got {actual}")]
    DigestMismatch {
        /// As in the archive.
        path: String,
        /// By its name.
        expected: Digest,
        /// Of its bytes.
        actual: Digest,
    },
    /// A layer's bytes are others than the config says.
    #[error("invalid diffID for layer {index}: expected \"{expected}\", got \"{actual}\"")]
    DiffId {
        /// From 0, the lowest.
        index: usize,
        /// By the config.
        expected: Digest,
        /// Of its bytes.
        actual: Digest,
    },
    /// The image is of another operating system.
    #[error("cannot load {0} image on linux")]
    OperatingSystem(String),
    /// A manifest, list or config that is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A layer cannot be unpacked.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// A blob cannot be stored.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The image cannot be committed.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A call on the file system failed.
    #[error(transparent)]
    Io(#[from] IoError),
}

/// An image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The image.
    pub image: ImageId,
    /// The names that it got.
    pub names: Vec<Reference>,
}

/// A step of a load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadProgress {
    /// A layer is unpacked.
    Layer {
        /// Its short diff id.
        id: String,
        /// Bytes of the blob so far.
        current: u64,
        /// Bytes of the blob.
        total: u64,
    },
    /// A name moves away from another image.
    Renamed {
        /// The name.
        name: Reference,
        /// Who had it.
        old: ImageId,
    },
    /// An image is whole.
    Image(Loaded),
}

/// A layer to unpack.
struct Work<'a> {
    index: usize,
    file: &'a Spooled,
    diff_id: &'a Digest,
    chain_id: &'a Digest,
}

impl Images {
    /// Reads an archive, plain or compressed by gzip or zstd, and makes its images: those for this machine that its
    /// indexes have and all that its list has, or those for `platforms`, if there are any. Blocks.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(
        &self,
        reader: impl Read,
        platforms: &[Platform],
        progress: &(impl Fn(LoadProgress) + Sync),
    ) -> Result<(), LoadError> {
        let _lease = Lease::new(&self.inner, "load");
        let spool = Spool::read(&self.inner, reader)?;
        let mut found = match platforms {
            [] => contents::images(&spool, &Platform::host(), true)?,
            platforms => images_for(&spool, platforms)?,
        };
        forget_strangers(&spool, &mut found);
        for found in found {
            let loaded = self.load_image(&spool, found, progress)?;
            progress(LoadProgress::Image(loaded));
        }
        Ok(())
    }

    fn load_image(
        &self,
        spool: &Spool,
        found: Found,
        progress: &(impl Fn(LoadProgress) + Sync),
    ) -> Result<Loaded, LoadError> {
        let Found { names, config, layers, manifest, parent, .. } = found;
        let parsed = config::parse(&spool.small(&config, CONFIG_LIMIT)?, layers.len())?;
        if !matches!(parsed.platform.os.as_str(), "" | "linux") {
            return Err(LoadError::OperatingSystem(parsed.platform.os));
        }
        let chain = chain_ids(&parsed.diff_ids);
        let all = layers.iter().zip(&parsed.diff_ids).zip(&chain).enumerate();
        let work =
            all.map(|(index, ((file, diff_id), chain_id))| Work { index, file, diff_id, chain_id });
        for file in layers.iter().chain([&config]) {
            spool.keep(file)?;
        }
        self.unpack_all(work.collect(), progress)?;
        let (bytes, media_type) = match manifest {
            Some(manifest) => manifest,
            None => (self.manifest_of(&config, &layers)?, MANIFEST.to_owned()),
        };
        let size = bytes.len() as u64;
        let manifest = Manifest { digest: self.inner.put(&bytes)?, media_type, size };
        let files = layers.into_iter().zip(parsed.diff_ids).zip(chain);
        let layers = files.map(|((file, diff_id), chain_id)| NewLayer {
            blob: file.digest,
            diff_id,
            chain_id,
        });
        let mut new = NewImage {
            reference: None,
            manifest,
            index: None,
            registry_digest: None,
            config: config.digest,
            layers: layers.collect(),
            parent,
        };
        for name in &names {
            self.tell_renamed(name, &new.config, progress);
        }
        new.reference = names.first().cloned();
        let image = self.commit(new)?;
        for name in names.iter().skip(1) {
            self.tag(&image, name)?;
        }
        Ok(Loaded { image, names })
    }

    fn tell_renamed(&self, name: &Reference, id: &ImageId, progress: &impl Fn(LoadProgress)) {
        let old: Result<_, ResolveError> = self.resolve(&name.canonical());
        if let Some(old) = old.ok().filter(|old| old.id != *id) {
            progress(LoadProgress::Renamed { name: name.clone(), old: old.id.clone() });
        }
    }

    /// Unpacks what is not here, a few layers at once; the first failure counts.
    fn unpack_all(
        &self,
        work: Vec<Work<'_>>,
        progress: &(impl Fn(LoadProgress) + Sync),
    ) -> Result<(), LoadError> {
        let layers = Layers { inner: Arc::clone(&self.inner) };
        let missing: Vec<_> = work.into_iter().filter(|work| !layers.has(work.chain_id)).collect();
        let next = AtomicUsize::new(0);
        let failed: Mutex<Option<LoadError>> = Mutex::default();
        let has_failed = || failed.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        std::thread::scope(|scope| {
            for _ in 0..CONCURRENT_LAYERS.min(missing.len()) {
                scope.spawn(|| {
                    while !has_failed()
                        && let Some(work) = missing.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        if let Err(error) = self.unpack_one(&layers, work, progress) {
                            let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                            failed.get_or_insert(error);
                        }
                    }
                });
            }
        });
        failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn unpack_one(
        &self,
        layers: &Layers,
        work: &Work<'_>,
        progress: &(impl Fn(LoadProgress) + Sync),
    ) -> Result<(), LoadError> {
        let unpacked = match self.take_ahead(layers, work, progress) {
            Some(unpacked) => unpacked,
            None => self.unpack_late(layers, work, progress),
        };
        unpacked.map_err(|error| match error {
            LayerError::DiffIdMismatch { expected, actual } => {
                LoadError::DiffId { index: work.index, expected, actual }
            }
            error => error.into(),
        })
    }

    /// Takes what was unpacked while the archive came, if it was.
    fn take_ahead(
        &self,
        layers: &Layers,
        work: &Work<'_>,
        progress: &(impl Fn(LoadProgress) + Sync),
    ) -> Option<Result<(), LayerError>> {
        let ahead = work.file.ahead.as_ref()?;
        let (id, total) = (work.diff_id.short(), work.file.size);
        let tell = |current| progress(LoadProgress::Layer { id: id.clone(), current, total });
        let tree = match ahead.take(tell)? {
            Ok(tree) => tree,
            Err(error) => return Some(Err(error)),
        };
        tell(total);
        let actual = tree.digest.clone().unwrap_or_else(|| work.file.digest.clone());
        let names = (work.chain_id, work.diff_id);
        Some(layers.adopt(ahead.directory(), tree, names, actual))
    }

    /// Unpacks a layer from its blob.
    fn unpack_late(
        &self,
        layers: &Layers,
        work: &Work<'_>,
        progress: &(impl Fn(LoadProgress) + Sync),
    ) -> Result<(), LayerError> {
        let path = self.inner.blob_path(&work.file.digest);
        let file = File::open(&path).on("open", &path)?;
        let told = Told {
            inner: file,
            id: work.diff_id.short(),
            current: 0,
            total: work.file.size,
            progress,
        };
        let (chain_id, diff_id) = (work.chain_id, work.diff_id);
        // A file that is its own diff id is a plain tar, whose digest is known.
        if work.file.is_new && work.file.digest == *diff_id {
            return layers.unpack_as(Bytes::Verified, chain_id, diff_id, told).map(drop);
        }
        let mut source = BufReader::with_capacity(BUFFER, told);
        let decoder = Decoder::of_layer(&mut source).map_err(LayerError::Read)?;
        layers.unpack(chain_id, diff_id, decoder).map(drop)
    }

    /// A manifest for an archive that has none.
    pub(crate) fn manifest_of(
        &self,
        config: &Spooled,
        layers: &[Spooled],
    ) -> Result<Vec<u8>, LoadError> {
        let mut descriptors = Vec::with_capacity(layers.len());
        for layer in layers {
            let path = self.inner.blob_path(&layer.digest);
            let mut file = File::open(&path).map_err(LoadError::Read)?;
            let suffix = decompress::suffix(&mut file).map_err(LoadError::Read)?;
            descriptors.push(json!({
                "mediaType": format!("{TAR}{suffix}"),
                "digest": layer.digest,
                "size": layer.size,
            }));
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": config.digest, "size": config.size},
            "layers": descriptors,
        });
        Ok(manifest.to_string().into_bytes())
    }
}

/// The images of an archive that are for one of these platforms, each once.
fn images_for(spool: &Spool, platforms: &[Platform]) -> Result<Vec<Found>, LoadError> {
    let mut all: Vec<Found> = Vec::new();
    for wanted in platforms {
        let found = match contents::images(spool, wanted, true) {
            Err(LoadError::NoImages) => Vec::new(),
            found => found?,
        };
        for image in found {
            let config = spool.small(&image.config, CONFIG_LIMIT)?;
            let own = config::parse(&config, image.layers.len())?.platform;
            let is_known = all.iter().any(|other| other.config.digest == image.config.digest);
            if own.normalized() == wanted.normalized() && !is_known {
                all.push(image);
            }
        }
    }
    let asked = || platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if all.is_empty() { Err(LoadError::NoPlatform(asked())) } else { Ok(all) }
}

/// A parent counts where it comes along, and its layers are the lowest of the child's; as with dockerd.
fn forget_strangers(spool: &Spool, images: &mut [Found]) {
    let layers = |found: &Found| {
        // What is wrong with a config is told when its image's turn comes.
        let config = spool.small(&found.config, CONFIG_LIMIT).ok()?;
        Some(config::parse(&config, found.layers.len()).ok()?.diff_ids)
    };
    if images.iter().all(|found| found.parent.is_none()) {
        return;
    }
    let all: HashMap<Digest, Vec<Digest>> = images
        .iter()
        .filter_map(|found| Some((found.config.digest.clone(), layers(found)?)))
        .collect();
    for found in images {
        let id = &found.config.digest;
        let is_above = |parent: &Digest| {
            let pair = all.get(id).zip(all.get(parent));
            parent != id && pair.is_some_and(|(own, below)| own.starts_with(below))
        };
        found.parent = found.parent.take().filter(is_above);
    }
}

/// Tells how far a layer is, at most once for each buffer.
struct Told<'a, P> {
    inner: File,
    id: String,
    current: u64,
    total: u64,
    progress: &'a P,
}

impl<P: Fn(LoadProgress)> Read for Told<'_, P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if count > 0 {
            self.current += count as u64;
            let (id, current, total) = (self.id.clone(), self.current, self.total);
            (self.progress)(LoadProgress::Layer { id, current, total });
        }
        Ok(count)
    }
}
