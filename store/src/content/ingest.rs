//! One blob on its way in: an append-only file `ingest/<hex>.partial` and the hash of its bytes.
//!
//! The hash is not stored: reopening reads the bytes again, so a damaged tail can not pass.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use super::{BLOB_LIMIT, ContentError};
use crate::Inner;
use crate::ahead::WRITEBACK_STEP;
use crate::crash;
use crate::digest::{Digest, Hasher};
use crate::error::{Context, IoError};
use crate::sys;

const SUFFIX: &str = ".partial";
/// Bytes read at once when earlier bytes are hashed again.
const REHASH_BUFFER: usize = 256 << 10;

/// A blob on its way in. Dropping it keeps the bytes for a later attempt.
#[derive(Debug)]
pub struct Ingest {
    inner: Arc<Inner>,
    expected: Digest,
    size: Option<u64>,
    path: PathBuf,
    file: File,
    hasher: Hasher,
    offset: u64,
    /// Up to here the disk has been set to work.
    started: u64,
}

impl Ingest {
    pub(super) fn open(
        inner: &Arc<Inner>,
        expected: &Digest,
        size: Option<u64>,
    ) -> Result<Self, ContentError> {
        let limit = size.unwrap_or(BLOB_LIMIT);
        if limit > BLOB_LIMIT {
            return Err(ContentError::TooLarge { digest: expected.clone(), limit: BLOB_LIMIT });
        }
        let is_first =
            inner.ingesting.lock().unwrap_or_else(PoisonError::into_inner).insert(expected.clone());
        if !is_first {
            return Err(ContentError::Busy(expected.clone()));
        }
        let path = inner.ingest_dir().join(partial_name(expected));
        let opened = open_partial(&path, limit).and_then(|(file, hasher, offset)| {
            inner.make_room(size.unwrap_or_default().saturating_sub(offset))?;
            Ok((file, hasher, offset))
        });
        match opened {
            Ok((file, hasher, offset)) => {
                crash::step("store.ingest.opened");
                let expected = expected.clone();
                Ok(Self {
                    inner: inner.clone(),
                    expected,
                    size,
                    path,
                    file,
                    hasher,
                    offset,
                    started: 0,
                })
            }
            Err(error) => {
                release(inner, expected);
                Err(error.into())
            }
        }
    }

    /// How many bytes are here: where the download goes on.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// `TooLarge` when there are more than announced; the file system's.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ContentError> {
        let limit = self.size.unwrap_or(BLOB_LIMIT);
        if bytes.len() as u64 > limit - self.offset {
            return Err(ContentError::TooLarge { digest: self.expected.clone(), limit });
        }
        self.file.write_all(bytes).on("write", &self.path)?;
        self.hasher.update(bytes);
        self.offset += bytes.len() as u64;
        if self.offset - self.started >= WRITEBACK_STEP {
            self.start_writeback()?;
        }
        crash::step("store.ingest.written");
        Ok(())
    }

    /// Throws the bytes away and begins anew: the server cannot resume.
    ///
    /// # Errors
    /// The file system's.
    pub fn restart(&mut self) -> Result<(), ContentError> {
        self.file.set_len(0).on("truncate", &self.path)?;
        self.file.seek(SeekFrom::Start(0)).on("seek", &self.path)?;
        self.hasher = Hasher::default();
        (self.offset, self.started) = (0, 0);
        Ok(())
    }

    fn start_writeback(&mut self) -> Result<(), ContentError> {
        self.inner.make_room(0)?;
        let (from, length) = (self.started, self.offset - self.started);
        sys::start_writeback(&self.file, from, length).on("write back", &self.path)?;
        self.started = self.offset;
        Ok(())
    }

    /// Verifies size and digest and moves the blob to its place.
    ///
    /// # Errors
    /// `Incomplete`: the bytes are kept. `DigestMismatch`: they are removed. The file system's.
    pub fn commit(mut self) -> Result<(), ContentError> {
        if let Some(expected) = self.size.filter(|size| *size != self.offset) {
            let digest = self.expected.clone();
            return Err(ContentError::Incomplete { digest, expected, actual: self.offset });
        }
        let actual = self.hasher.clone().finish();
        if actual != self.expected {
            let expected = self.expected.clone();
            self.discard()?;
            return Err(ContentError::DigestMismatch { expected, actual });
        }
        if self.started > 0 {
            self.start_writeback()?;
        }
        fs::rename(&self.path, self.inner.blob_path(&self.expected)).on("rename", &self.path)?;
        crash::step("store.ingest.renamed");
        Ok(())
    }

    /// Keeps the bytes for a later attempt; the same as dropping, but said.
    pub fn keep(self) {}

    /// Removes the bytes.
    ///
    /// # Errors
    /// The file system's.
    pub fn discard(self) -> Result<(), ContentError> {
        Ok(fs::remove_file(&self.path).on("unlink", &self.path)?)
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        release(&self.inner, &self.expected);
    }
}

fn release(inner: &Inner, digest: &Digest) {
    inner.ingesting.lock().unwrap_or_else(PoisonError::into_inner).remove(digest);
}

/// The name of a blob's file while it comes in.
pub(crate) fn partial_name(digest: &Digest) -> String {
    digest.hex() + SUFFIX
}

/// The digest in such a name.
pub(crate) fn partial_digest(name: &str) -> Option<Digest> {
    Digest::from_hex(name.strip_suffix(SUFFIX)?).ok()
}

/// Opens or makes the file and hashes what is in it; more than `limit` bytes cannot be right.
fn open_partial(path: &Path, limit: u64) -> Result<(File, Hasher, u64), IoError> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .open(path)
        .on("open", path)?;
    let mut hasher = Hasher::default();
    match file.metadata().on("stat", path)?.len() {
        0 => return Ok((file, hasher, 0)),
        length if length > limit => {
            file.set_len(0).on("truncate", path)?;
            return Ok((file, hasher, 0));
        }
        _ => {}
    }
    let mut buffer = vec![0; REHASH_BUFFER];
    let mut offset = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((file, hasher, offset)),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(IoError::new(format!("read {path:?}"), error)),
        }
    }
}
