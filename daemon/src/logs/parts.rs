//! The files of a log. Blocking.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use rustix::fs::OFlags;

/// Most rotated files that are looked for.
const FILES_MAX: u32 = 1000;
/// Names that may be missing in the row: one is while its monitor rotates.
const GAP_MAX: u32 = 1;

/// One file. It stays the same if it is renamed or removed.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    compressed: bool,
    /// The inode number that the file has, or had before it was compressed. Others may have it after that.
    pub(super) inode: u64,
    /// The inode number that it has.
    own_inode: u64,
}

/// A part that is read from its beginning, or from a place in it.
#[derive(Debug)]
pub(super) enum Reader {
    Plain(File),
    Compressed(Box<GzDecoder<File>>),
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Compressed(decoder) => decoder.read(buffer),
        }
    }
}

/// A log's files, newest first. Files move towards higher numbers while this looks from the lowest on: none is missed,
/// and one that is met twice is taken once.
pub(super) fn list(path: &Path) -> io::Result<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::new();
    let mut gap = 0;
    for number in 0..FILES_MAX {
        match Part::find(path, number)? {
            Some(part) if part.is_among(&parts) => gap = 0,
            Some(part) => {
                gap = 0;
                parts.push(part);
            }
            None if number == 0 => {}
            None if gap < GAP_MAX => gap += 1,
            None => break,
        }
    }
    Ok(parts)
}

/// The inode number of the newest file.
pub(super) fn newest(path: &Path) -> io::Result<Option<u64>> {
    match std::fs::metadata(path) {
        Ok(now) => Ok(Some(now.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn name(path: &Path, number: u32, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    if number > 0 {
        name.push(format!(".{number}{end}"));
    }
    name.into()
}

impl Part {
    /// Whether it is one of these, newer ones, under another name. They are open, so no other file has their numbers
    /// now. One that was compressed in between is beside its older form; the neighbour was made while that was there
    /// and can not have its number by chance.
    fn is_among(&self, newer: &[Self]) -> bool {
        newer.iter().any(|known| known.own_inode == self.own_inode)
            || self.compressed && newer.last().is_some_and(|known| known.inode == self.inode)
    }

    fn find(path: &Path, number: u32) -> io::Result<Option<Self>> {
        // Never what a link leads to.
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NOFOLLOW);
        let open = |name: PathBuf| match options.open(name) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        if let Some(file) = open(name(path, number, ""))? {
            let inode = file.metadata()?.ino();
            return Ok(Some(Self { file, compressed: false, inode, own_inode: inode }));
        }
        // It is compressed before it is removed.
        match open(name(path, number, ".gz"))? {
            Some(file) if number > 0 => Self::compressed(file).map(Some),
            _ => Ok(None),
        }
    }

    fn compressed(mut file: File) -> io::Result<Self> {
        let decoder = GzDecoder::new(&mut file);
        let comment = decoder.header().and_then(|header| header.comment());
        let text = comment.and_then(|comment| std::str::from_utf8(comment).ok());
        let before = text.and_then(|text| text.parse().ok());
        file.seek(SeekFrom::Start(0))?;
        let own_inode = file.metadata()?.ino();
        Ok(Self { file, compressed: true, inode: before.unwrap_or(own_inode), own_inode })
    }

    /// As a file that can be read at any place; a compressed one is unpacked beside `path`, without a name.
    pub(super) fn unpacked(self, path: &Path) -> io::Result<Self> {
        if !self.compressed {
            return Ok(self);
        }
        let directory = path.parent().unwrap_or(Path::new("/"));
        let flags = i32::try_from(OFlags::TMPFILE.bits()).unwrap_or_default();
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).mode(0o600).custom_flags(flags);
        let mut file = options.open(directory)?;
        io::copy(&mut GzDecoder::new(&self.file), &mut file)?;
        Ok(Self { file, compressed: false, ..self })
    }

    /// Of one that is not compressed.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Reads from `offset` on; a compressed one from its beginning.
    pub(super) fn reader(mut self, offset: u64) -> io::Result<Reader> {
        if self.compressed {
            return Ok(Reader::Compressed(Box::new(GzDecoder::new(self.file))));
        }
        self.file.seek(SeekFrom::Start(offset))?;
        Ok(Reader::Plain(self.file))
    }
}
