//! Holds a store that no daemon has open against what it says of itself: every blob against its
//! digest, every layer against a fresh unpacking of its blob, every row against what it names.
//!
//! Repair drops what is broken, so that the next pull brings it again, and puts a fresh unpacking in
//! the place of a damaged layer where its blob is sound. What the database itself has lost is told
//! and left as it is.

mod bytes;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::db::DbError;
use crate::db::images::ImageRow;
use crate::digest::Digest;
use crate::error::IoError;
use crate::image::ImageId;
use crate::lease::FreeError;
use crate::{Inner, OpenError, recover};

/// Why a store cannot be checked to the end.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// There is no store in this directory.
    #[error("no store in {0:?}")]
    NoStore(std::path::PathBuf),
    /// It is in use, or its database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A call on the file system failed.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<FreeError> for CheckError {
    fn from(error: FreeError) -> Self {
        match error {
            FreeError::Io(error) => error.into(),
            FreeError::Db(error) => error.into(),
        }
    }
}

/// What is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The database's own structure.
    Database,
    /// The bytes under a digest.
    Blob(Digest),
    /// The unpacked layer of a chain id.
    Layer(Digest),
    /// The rows, manifest or config of an image.
    Image(ImageId),
    /// The directories of a container.
    Container(String),
    /// A document of the daemon's: its kind and id.
    Record(String, String),
    /// A file of the image layout.
    Layout(&'static str),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database => f.write_str("database"),
            Self::Blob(digest) => write!(f, "blob {digest}"),
            Self::Layer(chain_id) => write!(f, "layer {chain_id}"),
            Self::Image(id) => write!(f, "image {id}"),
            Self::Container(id) => write!(f, "container {id}"),
            Self::Record(kind, id) => write!(f, "record of {kind} {id}"),
            Self::Layout(name) => f.write_str(name),
        }
    }
}

/// What was done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Repair was not asked for.
    NotAsked,
    /// It is gone; a pull brings it again.
    Dropped,
    /// It is whole again.
    Mended,
    /// Nothing helps here.
    Impossible,
}

/// One thing that is broken; displayed as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub subject: Subject,
    /// In which way.
    pub problem: String,
    /// What was done.
    pub remedy: Remedy,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.problem)?;
        f.write_str(match self.remedy {
            Remedy::NotAsked => "",
            Remedy::Dropped => " (dropped)",
            Remedy::Mended => " (mended)",
            Remedy::Impossible => " (cannot be repaired)",
        })
    }
}

/// What a check saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// What is broken, in the order in which it was found.
    pub findings: Vec<Finding>,
    /// Names, or ids without a name, of images that are not whole now: to be pulled again.
    pub to_pull: BTreeSet<String>,
    /// Blobs that rows name.
    pub blobs: u64,
    /// Layers that rows name.
    pub layers: u64,
    /// Images that rows name.
    pub images: u64,
    /// Containers that rows name.
    pub containers: u64,
    /// Bytes of the blobs that were read.
    pub bytes: u64,
}

impl Checked {
    /// Whether everything is in order now, apart from what a pull brings again.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| matches!(finding.remedy, Remedy::Dropped | Remedy::Mended))
    }
}

/// Checks the store under a data root, and with `repair` drops or mends what is broken. Takes the
/// store's lock; reads every byte. Layers are unpacked again beside the store's own, one at a time.
///
/// # Errors
/// See [`CheckError`]; what was found until then is lost.
pub fn check(root: &Path, repair: bool) -> Result<Checked, CheckError> {
    if !root.join("jocker.db").exists() {
        return Err(CheckError::NoStore(root.to_owned()));
    }
    let inner = Arc::new(Inner::open(root)?);
    let mut checker = Checker {
        inner,
        repair,
        checked: Checked::default(),
        broken_blobs: BTreeSet::new(),
        broken_layers: BTreeSet::new(),
        sources: BTreeMap::new(),
    };
    if checker.database()? {
        checker.everything()?;
    }
    Ok(checker.checked)
}

struct Checker {
    inner: Arc<Inner>,
    repair: bool,
    checked: Checked,
    /// Missing or damaged.
    broken_blobs: BTreeSet<Digest>,
    /// Missing, or damaged and not mended.
    broken_layers: BTreeSet<Digest>,
    /// Which blob a layer was unpacked from.
    sources: BTreeMap<Digest, Digest>,
}

impl Checker {
    fn everything(&mut self) -> Result<(), CheckError> {
        self.blobs()?;
        let images = self.images()?;
        self.layers()?;
        self.containers()?;
        self.records()?;
        if self.repair {
            self.inner.sync()?;
            recover::at_open(&self.inner)?;
        }
        self.layout()?;
        for image in &images {
            self.tell_to_pull(image)?;
        }
        self.inner.keeper.empty_trash();
        self.inner.keeper.settle();
        Ok(())
    }

    fn tell_to_pull(&mut self, image: &ImageRow) -> Result<(), CheckError> {
        let blobs = self.inner.db.read(|db| crate::db::images::blobs_of(db, &image.id))?;
        let is_whole = self.broken_blobs.is_disjoint(&blobs)
            && !image.chain.iter().any(|chain_id| self.broken_layers.contains(chain_id))
            && !self.has_finding(&image.id);
        if is_whole {
            return Ok(());
        }
        let tags = image.tags.iter().map(|(repository, tag)| format!("{repository}:{tag}"));
        let mut names: Vec<String> = tags.collect();
        if names.is_empty() {
            let digests = &image.digests;
            names.extend(
                digests.iter().map(|(repository, digest)| format!("{repository}@{digest}")),
            );
        }
        if names.is_empty() {
            names.push(image.id.to_string());
        }
        self.checked.to_pull.extend(names);
        Ok(())
    }

    fn has_finding(&self, id: &ImageId) -> bool {
        let image = Subject::Image(id.clone());
        self.checked.findings.iter().any(|finding| finding.subject == image)
    }

    fn found(&mut self, subject: Subject, problem: impl Into<String>, remedy: Remedy) {
        let remedy = if self.repair { remedy } else { Remedy::NotAsked };
        self.checked.findings.push(Finding { subject, problem: problem.into(), remedy });
    }
}
