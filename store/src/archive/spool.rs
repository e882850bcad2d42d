//! An archive on its way in: its files are put under `ingest/`, hashed as they come, and found
//! again by the names that the archive gives them. No name of it ever becomes a path on the disk.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use super::BLOBS;
use super::load::LoadError;
use crate::content::{BLOB_LIMIT, WRITEBACK_STEP};
use crate::digest::{Digest, Hasher};
use crate::error::Context;
use crate::pull::decompress::Decoder;
use crate::{Inner, durable, sys};

/// Most entries of one archive.
const ENTRIES_LIMIT: u64 = 65_536;
/// Bytes of headers, long names and extended attributes before one entry.
const METADATA_LIMIT: u64 = 1 << 20;
/// Links that lead to links.
const LINKS_LIMIT: u32 = 8;
/// Bytes read at once.
const BUFFER: usize = 256 << 10;
/// Bytes behind the archive's end that are still taken from the client.
const TAIL_LIMIT: u64 = 1 << 20;

/// A file of the archive.
#[derive(Debug, Clone)]
pub(super) struct Spooled {
    /// Where its bytes are: below the spool, or the store's own blob.
    pub(super) path: PathBuf,
    pub(super) digest: Digest,
    /// In bytes.
    pub(super) size: u64,
    /// Its bytes came with this archive, and their digest was reckoned.
    pub(super) is_new: bool,
}

/// The archive's files. Dropping it removes what nobody took.
#[derive(Debug)]
pub(super) struct Spool {
    inner: Arc<Inner>,
    dir: PathBuf,
    files: HashMap<String, Spooled>,
    /// Where symbolic and hard links lead.
    links: HashMap<String, String>,
    by_digest: HashMap<Digest, Spooled>,
}

/// Counts down what may be read.
struct Metered<R> {
    inner: R,
    room: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let room = self.room.get().checked_sub(count as u64);
        let too_much = || io::Error::other("archive has too much metadata before an entry");
        self.room.set(room.ok_or_else(too_much)?);
        Ok(count)
    }
}

impl Spool {
    /// Reads an archive to its end, compressed or not.
    pub(super) fn read(inner: &Arc<Inner>, reader: impl Read) -> Result<Self, LoadError> {
        let dir = inner.ingest_dir().join(format!("load-{}", inner.next_number()));
        durable::create_dir(&dir, 0o700)?;
        let (files, links, by_digest) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut spool = Self { inner: inner.clone(), dir, files, links, by_digest };
        let mut source = BufReader::with_capacity(BUFFER, reader);
        let decoder = Decoder::new(&mut source).map_err(LoadError::Read)?;
        spool.take_all(decoder).map_err(|error| match error {
            LoadError::Read(error) => LoadError::Archive(error.to_string()),
            error => error,
        })?;
        // The client may wait until its padding is taken; its end does not matter any more.
        let _ = io::copy(&mut source.take(TAIL_LIMIT), &mut io::sink());
        Ok(spool)
    }

    fn take_all(&mut self, reader: impl Read) -> Result<(), LoadError> {
        let room = Rc::new(Cell::new(METADATA_LIMIT));
        let mut archive = tar::Archive::new(Metered { inner: reader, room: Rc::clone(&room) });
        let mut entries = archive.entries().map_err(LoadError::Read)?;
        let mut left = BLOB_LIMIT;
        for number in 0.. {
            room.set(METADATA_LIMIT);
            let Some(entry) = entries.next() else { break };
            let entry = entry.map_err(LoadError::Read)?;
            if number == ENTRIES_LIMIT {
                return Err(LoadError::Archive(format!("more than {ENTRIES_LIMIT} entries")));
            }
            room.set(u64::MAX);
            let too_large = || LoadError::Archive(format!("more than {BLOB_LIMIT} bytes"));
            left = left.checked_sub(entry.size()).ok_or_else(too_large)?;
            self.take(entry, number)?;
        }
        Ok(())
    }

    /// Takes one entry, its data to the end.
    fn take<R: Read>(
        &mut self,
        mut entry: tar::Entry<'_, R>,
        number: u64,
    ) -> Result<(), LoadError> {
        let name = normal("", &String::from_utf8_lossy(&entry.path_bytes()));
        let kind = entry.header().entry_type();
        if kind.is_symlink() || kind.is_hard_link() {
            let target = entry.link_name_bytes().unwrap_or_default();
            let parent = if kind.is_symlink() { parent(&name) } else { "" };
            let target = normal(parent, &String::from_utf8_lossy(&target));
            self.links.insert(name, target);
            return drain(&mut entry);
        }
        if !kind.is_file() && !kind.is_contiguous() {
            return drain(&mut entry);
        }
        let named = name.strip_prefix(BLOBS).and_then(|hex| Digest::from_hex(hex).ok());
        if let Some(digest) = &named
            && let Some(blob) = self.known(digest)
        {
            self.files.insert(name, blob);
            return drain(&mut entry);
        }
        let spooled = self.write(&mut entry, number)?;
        if let Some(expected) = named.filter(|expected| *expected != spooled.digest) {
            let actual = spooled.digest;
            return Err(LoadError::DigestMismatch { path: name, expected, actual });
        }
        self.by_digest.insert(spooled.digest.clone(), spooled.clone());
        self.files.insert(name, spooled);
        Ok(())
    }

    fn write<R: Read>(
        &self,
        entry: &mut tar::Entry<'_, R>,
        number: u64,
    ) -> Result<Spooled, LoadError> {
        let path = self.dir.join(number.to_string());
        let mut file = File::create_new(&path).on("create", &path)?;
        let (mut hasher, mut size, mut started) = (Hasher::default(), 0, 0);
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = entry.read(&mut buffer).map_err(LoadError::Read)?;
            if count == 0 {
                break;
            }
            file.write_all(&buffer[..count]).on("write", &path)?;
            hasher.update(&buffer[..count]);
            size += count as u64;
            if size - started >= WRITEBACK_STEP {
                sys::start_writeback(&file, started, size - started).on("write back", &path)?;
                started = size;
            }
        }
        if size != entry.size() {
            return Err(LoadError::Archive("unexpected end".to_owned()));
        }
        Ok(Spooled { path, digest: hasher.finish(), size, is_new: true })
    }

    fn known(&self, digest: &Digest) -> Option<Spooled> {
        let path = self.inner.blob_path(digest);
        let size = path.metadata().ok()?.len();
        Some(Spooled { path, digest: digest.clone(), size, is_new: false })
    }

    /// The file of this name, through links.
    pub(super) fn file(&self, name: &str) -> Option<&Spooled> {
        let mut name = normal("", name);
        for _ in 0..LINKS_LIMIT {
            if let Some(file) = self.files.get(&name) {
                return Some(file);
            }
            name = self.links.get(&name)?.clone();
        }
        None
    }

    /// The file with these bytes, of the archive or of the store.
    pub(super) fn blob(&self, digest: &Digest) -> Option<Spooled> {
        self.by_digest.get(digest).cloned().or_else(|| self.known(digest))
    }

    /// The bytes of a small file.
    pub(super) fn small(&self, file: &Spooled, limit: u64) -> Result<Vec<u8>, LoadError> {
        if file.size > limit {
            return Err(LoadError::Archive(format!("{} is larger than {limit}", file.digest)));
        }
        // A file that was taken already is where blobs are.
        let stored = self.inner.blob_path(&file.digest);
        let path = if file.path.exists() { &file.path } else { &stored };
        Ok(std::fs::read(path).on("read", path)?)
    }

    /// Makes a file the store's blob.
    pub(super) fn keep(&self, file: &Spooled) -> Result<(), LoadError> {
        let place = self.inner.blob_path(&file.digest);
        if place.exists() {
            return Ok(());
        }
        Ok(std::fs::rename(&file.path, &place).on("rename", &file.path)?)
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if let Err(error) = self.inner.throw_away(&self.dir) {
            tracing::warn!(%error, "a loaded archive could not be thrown away");
        }
        self.inner.keeper.empty_trash();
    }
}

fn drain<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<(), LoadError> {
    io::copy(entry, &mut io::sink()).map(drop).map_err(LoadError::Read)
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// A name without `.`, `..` and double slashes, from the archive's top.
fn normal(base: &str, name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn names_stay_inside() {
        assert_eq!(normal("", "./a//b/../c"), "a/c");
        assert_eq!(normal("x", "../y.tar"), "y.tar");
        assert_eq!(normal("", "../../etc/passwd"), "etc/passwd");
    }
}
