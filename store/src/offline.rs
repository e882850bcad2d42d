//! Images outside of any daemon: at registries, in OCI layouts and in archives; looked at, copied,
//! unpacked and verified.
//!
//! ```text
//! place ─ take ─► bench: a store in a temporary directory, used for its blobs ─ give ─► place
//!                   └► documents, a plain tree of files, a verdict
//! ```
//!
//! Every blob is verified on its way to the bench. Manifests keep their bytes, and so their digests,
//! unless they are Docker's and go to a layout or an archive: those get OCI's media types.

mod bench;
mod every;
mod give;
mod place;
mod registry;
mod take;
mod verify;

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use serde_json::{Value, json};

use crate::archive::{LoadError, SaveError};
use crate::content::ContentError;
use crate::digest::Digest;
use crate::error::{Context, IoError};
use crate::layer::LayerError;
use crate::pull::decompress::Decoder;
use crate::pull::{ManifestError, Platform, PullError};
use crate::push::PushError;
use crate::registry::{Credentials, Registries, RegistryError};
use crate::{ImageError, OpenError};
use bench::Bench;
pub use place::{Place, PlaceError};
use take::{Taken, Want};
pub use verify::Verdict;

/// Bytes read at once from a layer.
const BUFFER: usize = 256 << 10;

/// Why something cannot be done with an image outside of a daemon.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum OfflineError {
    #[error("{place} has no image {name:?}; it has: {}", list(.there))]
    NoImage { place: String, name: String, there: Vec<String> },
    #[error("{place} has several images, name one: {}", list(.there))]
    Several { place: String, there: Vec<String> },
    #[error("no image of {0} is for platform {1}")]
    NoPlatform(String, Platform),
    #[error("{0} holds one image of one platform, and no index")]
    OneImage(String),
    #[error("{0} is there already")]
    Exists(String),
    #[error("invalid diffID for layer {index}: expected \"{expected}\", got \"{actual}\"")]
    DiffId { index: usize, expected: String, actual: Digest },
    #[error("{0} is a place to copy from, not to: a registry needs a tag")]
    Untagged(String),
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error("temporary store: {0}")]
    Bench(#[from] OpenError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Push(#[from] PushError),
    #[error(transparent)]
    Pull(#[from] PullError),
    #[error(transparent)]
    Archive(#[from] LoadError),
    #[error(transparent)]
    Save(#[from] SaveError),
    #[error(transparent)]
    Layer(#[from] LayerError),
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Io(#[from] IoError),
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing that has a name".to_owned() } else { names.join(", ") }
}

/// What all of it is done with.
#[derive(Debug)]
pub struct Tools<'a> {
    /// How registries are spoken to.
    pub registries: &'a Registries,
    /// Which image of an index.
    pub platform: Platform,
    /// Finds a registry's credentials by its name.
    pub credentials: &'a dyn Wallet,
}

/// Who has credentials.
pub trait Wallet: std::fmt::Debug {
    /// Those of a registry, by its domain.
    fn of(&self, domain: &str) -> Option<Credentials>;
}

/// An image's documents.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// What is told of it, in the form of skopeo's `inspect`.
    pub summary: Value,
    /// The bytes that the name leads to: a manifest or an index.
    pub raw: Vec<u8>,
    /// The config's bytes.
    pub config: Vec<u8>,
}

impl Tools<'_> {
    /// Reads an image's documents; of a registry, no layer is fetched.
    ///
    /// # Errors
    /// See [`OfflineError`].
    pub async fn inspect(&self, place: &Place) -> Result<Inspection, OfflineError> {
        let bench = Bench::new(None)?;
        let taken = self.take(&bench, place, Want::Documents).await?;
        let config: Value = serde_json::from_slice(&taken.config).unwrap_or_default();
        let layers = || taken.manifest.layers.iter();
        let data = layers().map(|layer| {
            json!({"MIMEType": layer.media_type, "Digest": layer.digest, "Size": layer.size})
        });
        let summary = json!({
            "Name": taken.name,
            "Digest": Digest::of(&taken.raw),
            "RepoTags": taken.tags,
            "Created": config["created"],
            "DockerVersion": config["docker_version"].as_str().unwrap_or_default(),
            "Labels": config["config"]["Labels"],
            "Architecture": config["architecture"],
            "Os": config["os"],
            "Layers": layers().map(|layer| &layer.digest).collect::<Vec<_>>(),
            "LayersData": data.collect::<Vec<_>>(),
            "Env": config["config"]["Env"],
        });
        Ok(Inspection { summary, raw: taken.raw, config: taken.config })
    }

    /// Copies an image; answers the digest of its manifest where it is now.
    ///
    /// # Errors
    /// See [`OfflineError`].
    pub async fn copy(&self, from: &Place, to: &Place) -> Result<Digest, OfflineError> {
        to.check_free()?;
        let bench = Bench::new(to.directory())?;
        let taken = self.take(&bench, from, Want::All).await?;
        self.give(&bench, &taken, to).await
    }

    /// Copies all that has the name, the images of every platform and what belongs to them; answers the
    /// digest of what has the name now.
    ///
    /// # Errors
    /// See [`OfflineError`].
    pub async fn copy_all(&self, from: &Place, to: &Place) -> Result<Digest, OfflineError> {
        to.check_free()?;
        if let Some(place) =
            [from, to].into_iter().find(|place| matches!(place, Place::DockerArchive(..)))
        {
            return Err(OfflineError::OneImage(place.to_string()));
        }
        let bench = Bench::new(to.directory())?;
        let whole = self.take_every(&bench, from).await?;
        self.give_every(&bench, whole, to).await
    }

    /// Unpacks all layers into a directory that is not there yet, as plain files: what a container
    /// would see. Needs root.
    ///
    /// # Errors
    /// See [`OfflineError`]; the directory is not there then.
    pub async fn unpack(&self, place: &Place, into: &Path) -> Result<(), OfflineError> {
        if into.symlink_metadata().is_ok() {
            return Err(OfflineError::Exists(format!("{}", into.display())));
        }
        let bench = Bench::new(Some(place::parent(into)))?;
        let taken = self.take(&bench, place, Want::All).await?;
        let tree = bench.directory("tree", 0o755)?;
        for (index, (layer, expected)) in taken.layers().enumerate() {
            let beside = bench.directory(&format!("layer-{index}"), 0o700)?;
            let file = bench.open(&layer.digest)?;
            let mut source = BufReader::with_capacity(BUFFER, file);
            let decoder = Decoder::of_layer(&mut source).map_err(LayerError::Read)?;
            let actual = bench.inner().unpack_upon(&tree, &beside, decoder)?;
            if let Some(actual) = actual.filter(|actual| actual.to_string() != *expected) {
                let expected = expected.clone();
                return Err(OfflineError::DiffId { index, expected, actual });
            }
        }
        Ok(fs::rename(&tree, into).on("rename", into)?)
    }

    /// Looks at every byte of an image.
    ///
    /// # Errors
    /// When the image cannot be found or read; what is wrong with it is the answer.
    pub async fn verify(&self, place: &Place) -> Result<Verdict, OfflineError> {
        let bench = Bench::new(None)?;
        match self.take(&bench, place, Want::All).await {
            Ok(taken) => verify::judge(&bench, &taken),
            Err(error) if verify::is_damage(&error) => Ok(Verdict::damaged(&error)),
            Err(error) => Err(error),
        }
    }
}

impl Taken {
    /// Each layer with the diff id that the config tells.
    fn layers(&self) -> impl Iterator<Item = (&crate::pull::manifest::Descriptor, &String)> {
        self.manifest.layers.iter().zip(&self.diff_ids)
    }
}

fn open(path: &Path) -> Result<File, IoError> {
    File::open(path).on("open", path)
}
