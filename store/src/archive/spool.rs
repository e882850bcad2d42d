//! An archive on its way in: its files are put under `ingest/`, hashed and unpacked as they come, and
//! found again by the names that the archive gives them. No name of it ever becomes a path on the disk.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::ahead::{self, Ahead, Growing, Unpacking};
use super::load::LoadError;
use super::{BLOBS, INDEX};
use crate::ahead::WRITEBACK_STEP;
use crate::content::BLOB_LIMIT;
use crate::db::images;
use crate::digest::beside::Beside;
use crate::digest::{Digest, Hasher};
use crate::error::Context;
use crate::layer::LayerError;
use crate::layer::pump::fill;
use crate::pull::decompress::Decoder;
use crate::registry::manifest::MANIFEST_LIMIT;
use crate::{Inner, durable, sys};

/// Most entries of one archive.
const ENTRIES_LIMIT: u64 = 65_536;
/// Bytes of headers, long names and extended attributes before one entry.
const METADATA_LIMIT: u64 = 1 << 20;
/// Links that lead to links.
const LINKS_LIMIT: u32 = 8;
/// Bytes of a file read at once.
const BUFFER: usize = 256 << 10;
/// Bytes read at once where less is asked for, as headers are: files are read past the buffer.
const SMALL_BUFFER: usize = 16 << 10;
/// Bytes behind the archive's end that are still taken from the client.
const TAIL_LIMIT: u64 = 1 << 20;

/// How a header of garbage is told.
const NO_NUMBER: &str = "numeric field";

/// A file of the archive.
#[derive(Debug, Clone)]
pub(crate) struct Spooled {
    /// Where its bytes are: below the spool, or the store's own blob.
    pub(crate) path: PathBuf,
    pub(crate) digest: Digest,
    /// In bytes.
    pub(crate) size: u64,
    /// Its bytes came with this archive, and their digest was reckoned.
    pub(crate) is_new: bool,
    /// What it is unpacked to, if it looks like a layer.
    pub(super) ahead: Option<Arc<Unpacking>>,
}

/// The archive's files. Dropping it removes what nobody took.
#[derive(Debug)]
pub(crate) struct Spool {
    /// There until the drop, where there is anything to unpack.
    ahead: Option<Ahead>,
    /// Blobs are also looked for in this layout.
    layout: Option<PathBuf>,
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
    /// Reads an archive to its end, compressed or not, and unpacks its layers meanwhile.
    pub(super) fn read(inner: &Arc<Inner>, reader: impl Read) -> Result<Self, LoadError> {
        let mut spool = Self::new(inner)?;
        spool.ahead = Some(Ahead::new(inner));
        spool.fill(reader)
    }

    /// Reads an archive to its end, and unpacks nothing.
    pub(crate) fn read_only(inner: &Arc<Inner>, reader: impl Read) -> Result<Self, LoadError> {
        Self::new(inner)?.fill(reader)
    }

    /// A layout in a directory; its files stay where they are and are not verified.
    pub(crate) fn of_layout(inner: &Arc<Inner>, layout: &Path) -> Result<Self, LoadError> {
        let mut spool = Self::new(inner)?;
        let path = layout.join(INDEX);
        let size = path.metadata().on("stat", &path)?.len();
        if size > MANIFEST_LIMIT {
            return Err(LoadError::Archive(format!("{INDEX} is larger than {MANIFEST_LIMIT}")));
        }
        let digest = Digest::of(&std::fs::read(&path).on("read", &path)?);
        let index = Spooled { path, digest, size, is_new: false, ahead: None };
        spool.files.insert(INDEX.to_owned(), index);
        spool.layout = Some(layout.to_owned());
        Ok(spool)
    }

    fn new(inner: &Arc<Inner>) -> Result<Self, LoadError> {
        let dir = inner.ingest_dir().join(format!("load-{}", inner.next_number()));
        durable::create_dir(&dir, 0o700)?;
        let (files, links, by_digest) = (HashMap::new(), HashMap::new(), HashMap::new());
        let inner = Arc::clone(inner);
        Ok(Self { ahead: None, layout: None, inner, dir, files, links, by_digest })
    }

    fn fill(mut self, reader: impl Read) -> Result<Self, LoadError> {
        let mut source = BufReader::with_capacity(SMALL_BUFFER, reader);
        let decoder = Decoder::of_archive(&mut source).map_err(LoadError::Read)?;
        self.take_all(decoder).map_err(|error| match error {
            // Not with the bytes that are no number: they may be anything.
            LoadError::Read(error) if error.to_string().starts_with(NO_NUMBER) => {
                LoadError::Archive("malformed tar header".to_owned())
            }
            LoadError::Read(error) => LoadError::Archive(error.to_string()),
            error => error,
        })?;
        // The client may wait until its padding is taken; its end does not matter any more.
        let _ = io::copy(&mut source.take(TAIL_LIMIT), &mut io::sink());
        Ok(self)
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
        let is_unpacked = match &named {
            Some(digest) => {
                let known = self.inner.db.read(|db| images::has_diff(db, digest));
                known.map_err(LayerError::from)?
            }
            None => false,
        };
        let spooled = self.write(&mut entry, number, !is_unpacked)?;
        if let Some(expected) = named.filter(|expected| *expected != spooled.digest) {
            let actual = spooled.digest;
            return Err(LoadError::DigestMismatch { path: name, expected, actual });
        }
        self.by_digest.insert(spooled.digest.clone(), spooled.clone());
        self.files.insert(name, spooled);
        Ok(())
    }

    fn write<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
        number: u64,
        may_unpack: bool,
    ) -> Result<Spooled, LoadError> {
        self.inner.make_room(entry.size())?;
        let path = self.dir.join(number.to_string());
        let mut file = File::create_new(&path).on("create", &path)?;
        // Of what is no more than a buffer, a thread would be the larger part.
        let beside = (entry.size() > BUFFER as u64).then(Beside::start).transpose();
        let beside = beside.map_err(LoadError::Read)?;
        let (mut hasher, mut size, mut started) = (Hasher::default(), 0, 0);
        let mut growing = None;
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = fill(entry, &mut buffer).map_err(LoadError::Read)?;
            if count == 0 {
                break;
            }
            file.write_all(&buffer[..count]).on("write", &path)?;
            if size == 0 && may_unpack && ahead::is_layer(&buffer[..count]) {
                let begun = self.ahead.as_mut().map(|ahead| ahead.begin(&path)).transpose()?;
                growing = begun.flatten();
            }
            size += count as u64;
            if let Some(growing) = &growing {
                growing.reached(size);
            }
            match &beside {
                Some(beside) => {
                    let spent = beside.update(buffer, count);
                    buffer = spent.unwrap_or_else(|| vec![0; BUFFER]);
                }
                None => hasher.update(&buffer[..count]),
            }
            if size - started >= WRITEBACK_STEP {
                self.inner.make_room(entry.size() - size)?;
                sys::start_writeback(&file, started, size - started).on("write back", &path)?;
                started = size;
            }
        }
        if size != entry.size() {
            return Err(LoadError::Archive("unexpected end".to_owned()));
        }
        let ahead = growing.map(Growing::whole);
        let digest = match beside {
            Some(beside) => beside.finish().map_err(LoadError::Read)?,
            None => hasher.finish(),
        };
        Ok(Spooled { path, digest, size, is_new: true, ahead })
    }

    fn known(&self, digest: &Digest) -> Option<Spooled> {
        let laid = self.layout.as_ref().map(|layout| layout.join(BLOBS).join(digest.hex()));
        let path = laid.unwrap_or_else(|| self.inner.blob_path(digest));
        let size = path.metadata().ok()?.len();
        Some(Spooled { path, digest: digest.clone(), size, is_new: false, ahead: None })
    }

    /// The file of this name, through links.
    pub(crate) fn file(&self, name: &str) -> Option<&Spooled> {
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
    pub(crate) fn blob(&self, digest: &Digest) -> Option<Spooled> {
        self.by_digest.get(digest).cloned().or_else(|| self.known(digest))
    }

    /// The bytes of a small file.
    pub(crate) fn small(&self, file: &Spooled, limit: u64) -> Result<Vec<u8>, LoadError> {
        if file.size > limit {
            return Err(LoadError::Archive(format!("{} is larger than {limit}", file.digest)));
        }
        // A file that was taken already is where blobs are.
        let stored = self.inner.blob_path(&file.digest);
        let path = if file.path.exists() { &file.path } else { &stored };
        let bytes = std::fs::read(path).on("read", path)?;
        let actual = Digest::of(&bytes);
        if actual != file.digest {
            let (path, expected) = (path.display().to_string(), file.digest.clone());
            return Err(LoadError::DigestMismatch { path, expected, actual });
        }
        Ok(bytes)
    }

    /// Makes a file the store's blob.
    pub(crate) fn keep(&self, file: &Spooled) -> Result<(), LoadError> {
        let place = self.inner.blob_path(&file.digest);
        if place.exists() {
            return Ok(());
        }
        Ok(std::fs::rename(&file.path, &place).on("rename", &file.path)?)
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // Its threads write into the directory.
        self.ahead = None;
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
