//! Blobs by their digest: `blobs/sha256/<hex>`, exactly the bytes that the digest names. They come
//! in through an [`Ingest`] (large, resumable) or [`Store::put`] (small, whole).
//!
//! Nothing here is synced: the commit of an image makes its blobs durable, all with one `syncfs`.

mod ingest;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;

pub use ingest::Ingest;
pub(crate) use ingest::{partial_digest, partial_name};

use crate::digest::Digest;
use crate::durable;
use crate::error::{Context, IoError};
use crate::{Inner, Store};

/// No blob is larger, in bytes; also the limit where a registry does not say a size.
pub const BLOB_LIMIT: u64 = 256 << 30;

/// Why a blob cannot be read or taken in.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// No blob of this digest is here.
    #[error("no blob {0}")]
    NotFound(Digest),
    /// Another ingest of the same digest is open in this process.
    #[error("blob {0} is being written by another pull")]
    Busy(Digest),
    /// More bytes than announced or allowed.
    #[error("blob {digest} is larger than {limit} bytes")]
    TooLarge {
        /// The blob.
        digest: Digest,
        /// Bytes that were announced or allowed.
        limit: u64,
    },
    /// The stream ended early; the bytes are kept.
    #[error("blob {digest} has {actual} bytes instead of {expected}")]
    Incomplete {
        /// The blob.
        digest: Digest,
        /// Bytes that were announced.
        expected: u64,
        /// Bytes that are there.
        actual: u64,
    },
    /// The bytes are others than the digest says; they are thrown away.
    #[error("digest mismatch: expected {expected}, got {actual}")]
    DigestMismatch {
        /// The digest that was asked for.
        expected: Digest,
        /// The digest of what came.
        actual: Digest,
    },
    /// A call on the file system failed.
    #[error(transparent)]
    Io(#[from] IoError),
}

/// A blob that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
}

impl Store {
    /// Opens the way in for a blob; bytes of an earlier, broken attempt are taken over.
    ///
    /// `size` is what the descriptor says, in bytes; None allows [`BLOB_LIMIT`]. Reading the
    /// earlier bytes takes as long as hashing them.
    ///
    /// # Errors
    /// `Busy` while another ingest of this digest is open, or the file system's.
    pub fn ingest(&self, expected: &Digest, size: Option<u64>) -> Result<Ingest, ContentError> {
        Ingest::open(&self.inner, expected, size)
    }

    /// Where a blob is, or None.
    ///
    /// # Errors
    /// The file system's.
    pub fn blob(&self, digest: &Digest) -> Result<Option<Blob>, ContentError> {
        let path = self.inner.blob_path(digest);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(Some(Blob { path, size: metadata.len() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(IoError::new(format!("stat {path:?}"), error).into()),
        }
    }

    /// Reads a small blob whole and verifies it.
    ///
    /// # Errors
    /// `NotFound`, `TooLarge` when it has more than `limit` bytes, `DigestMismatch` when the file
    /// is damaged, or the file system's.
    pub fn read_small(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, ContentError> {
        self.inner.read_small(digest, limit)
    }

    /// Stores a small blob whole; one that is here already is written again.
    ///
    /// # Errors
    /// The file system's.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, ContentError> {
        Ok(self.inner.put(bytes)?)
    }
}

impl Inner {
    pub(crate) fn blobs_dir(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.blobs_dir().join(digest.hex())
    }

    pub(crate) fn ingest_dir(&self) -> PathBuf {
        self.root.join("ingest")
    }

    pub(crate) fn read_small(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, ContentError> {
        let path = self.blob_path(digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ContentError::NotFound(digest.clone()));
            }
            Err(error) => return Err(IoError::new(format!("open {path:?}"), error).into()),
        };
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).on("read", &path)?;
        if bytes.len() as u64 > limit {
            return Err(ContentError::TooLarge { digest: digest.clone(), limit });
        }
        let actual = Digest::of(&bytes);
        if actual != *digest {
            return Err(ContentError::DigestMismatch { expected: digest.clone(), actual });
        }
        Ok(bytes)
    }

    pub(crate) fn put(&self, bytes: &[u8]) -> Result<Digest, IoError> {
        let digest = Digest::of(bytes);
        let temporary = self.ingest_dir().join(format!("put-{}", self.next_number()));
        durable::write_new(&temporary, bytes)?;
        fs::rename(&temporary, self.blob_path(&digest)).on("rename", &temporary)?;
        // What an earlier process had of it is not needed any more.
        let partial = self.ingest_dir().join(partial_name(&digest));
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(IoError::new(format!("unlink {partial:?}"), error))
            }
            _ => Ok(digest),
        }
    }
}
