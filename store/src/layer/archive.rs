//! Walks a tar archive: headers decoded, extension headers folded in, sizes bounded.
//!
//! The `tar` crate gives the headers' fields. Their order and the extension headers are read here
//! and not there, because it reads extensions of any length into memory, cuts PAX records at line
//! feeds (a binary attribute then hides the size that follows it) and knows only the old sparse
//! form. Where programs differ, this reads as Go's archive/tar does, since that is what makes and
//! unpacks images elsewhere: a PAX size goes before the header's, links and directories have no
//! data whatever their size says.

use std::io::{self, BufRead, Read};

use tar::Header;

use super::limits::Limits;
use super::pax::{self, Extensions, Time};
use super::sparse::{self, Region};

/// Bytes of a block: headers are one, data is padded to whole ones.
pub(super) const BLOCK: usize = 512;

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The stream broke.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// It ends inside a header or a file.
    #[error("archive ends too early")]
    Truncated,
    /// A header's checksum is wrong.
    #[error("header checksum mismatch")]
    Checksum,
    /// A number in a header is none.
    #[error("malformed {0} in header")]
    Field(&'static str),
    /// A PAX record is malformed.
    #[error("malformed pax record")]
    Pax,
    /// A global header sets what only a local one may.
    #[error("global pax header sets {0:?}")]
    GlobalHeader(String),
    /// Two extension headers of one kind describe the same entry, or one describes none.
    #[error("misplaced extension header")]
    Extension,
    /// A sparse file's map is malformed.
    #[error("malformed sparse map")]
    Sparse,
    /// Entries of this type are not allowed in a layer.
    #[error("entry {path:?} has unsupported type {kind:?}")]
    Type {
        /// The entry.
        path: String,
        /// The type flag.
        kind: char,
    },
    /// More than allowed.
    #[error("more than {limit} {what}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many or much is allowed.
        limit: u64,
    },
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    File { regions: Option<Vec<Region>> },
    Directory,
    Symlink(Vec<u8>),
    Hardlink(Vec<u8>),
    Character(u32, u32),
    Block(u32, u32),
    Fifo,
}

/// One entry; its data follows in the stream.
#[derive(Debug)]
pub(crate) struct Entry {
    /// As written; not cleaned.
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    /// Permission bits with setuid, setgid and sticky.
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) mtime: Time,
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Of the file, holes included, in bytes.
    pub(crate) size: u64,
}

/// The archive.
pub(crate) struct Archive<'a, R> {
    reader: &'a mut R,
    limits: &'a Limits,
    headers: u64,
    /// Data of the current entry that was not read, in bytes.
    data: u64,
    /// Zeros after it.
    padding: u64,
}

/// Extension headers that came before an entry.
#[derive(Default)]
struct Pending {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Option<Extensions>,
}

impl<'a, R: BufRead> Archive<'a, R> {
    pub(crate) fn new(reader: &'a mut R, limits: &'a Limits) -> Self {
        Self { reader, limits, headers: 0, data: 0, padding: 0 }
    }

    /// The next entry, or None at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, ArchiveError> {
        let mut pending = Pending::default();
        let mut has_pending = false;
        loop {
            let Some(header) = self.next_header()? else {
                return if has_pending { Err(ArchiveError::Extension) } else { Ok(None) };
            };
            match header.as_old().linkflag[0] {
                b'g' => {
                    pax::check_global(&self.extension(&header)?)?;
                    continue;
                }
                b'x' if pending.pax.is_none() => {
                    let bytes = self.extension(&header)?;
                    pending.pax = Some(Extensions::parse(&bytes, self.limits)?);
                }
                b'L' if pending.name.is_none() => pending.name = Some(self.long(&header)?),
                b'K' if pending.link.is_none() => pending.link = Some(self.long(&header)?),
                b'x' | b'L' | b'K' => return Err(ArchiveError::Extension),
                _ => return self.entry(&header, pending).map(Some),
            }
            has_pending = true;
        }
    }

    /// Number of headers so far.
    pub(crate) fn headers(&self) -> u64 {
        self.headers
    }

    /// The next bytes of the current entry's data, straight from the stream's buffer; empty at
    /// its end. `take` says how many of them it used.
    pub(crate) fn data<E: From<ArchiveError>>(
        &mut self,
        limit: u64,
        take: impl FnOnce(&[u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let limit = limit.min(self.data);
        if limit == 0 {
            return take(&[]);
        }
        let available = self.reader.fill_buf().map_err(ArchiveError::from)?;
        if available.is_empty() {
            return Err(ArchiveError::Truncated.into());
        }
        let length = available.len().min(usize::try_from(limit).unwrap_or(usize::MAX));
        let used = take(&available[..length])?;
        self.reader.consume(used);
        self.data -= used as u64;
        Ok(used)
    }

    /// Reads what follows the archive's end: it belongs to the digest.
    pub(crate) fn drain(&mut self) -> Result<(), ArchiveError> {
        loop {
            let length = self.reader.fill_buf()?.len();
            if length == 0 {
                return Ok(());
            }
            self.reader.consume(length);
        }
    }

    fn next_header(&mut self) -> Result<Option<Header>, ArchiveError> {
        self.skip_data()?;
        let mut header = Header::new_old();
        if !read_block(self.reader, header.as_mut_bytes())? {
            return Ok(None);
        }
        if is_zero(header.as_bytes()) {
            // The end is two such blocks; one alone at the very end is tolerated.
            let ended = !read_block(self.reader, header.as_mut_bytes())?;
            if ended || is_zero(header.as_bytes()) {
                return Ok(None);
            }
            return Err(ArchiveError::Checksum);
        }
        self.headers += 1;
        if self.headers > self.limits.entries {
            return Err(ArchiveError::Limit { what: "entries", limit: self.limits.entries });
        }
        check_sum(&header)?;
        Ok(Some(header))
    }

    /// Goes on to the next header. The last padding and the end's blocks may be missing, as Go's
    /// reader allows; data may not.
    fn skip_data(&mut self) -> Result<(), ArchiveError> {
        let (data, padding) = (std::mem::take(&mut self.data), std::mem::take(&mut self.padding));
        if self.skip(data)? < data {
            return Err(ArchiveError::Truncated);
        }
        self.skip(padding).map(drop)
    }

    /// Skips so many bytes, or fewer if the stream ends; how many.
    fn skip(&mut self, bytes: u64) -> Result<u64, ArchiveError> {
        let mut left = bytes;
        while left > 0 {
            let available = self.reader.fill_buf()?.len();
            if available == 0 {
                break;
            }
            let step = available.min(usize::try_from(left).unwrap_or(usize::MAX));
            self.reader.consume(step);
            left -= step as u64;
        }
        Ok(bytes - left)
    }

    fn set_data(&mut self, size: u64) -> Result<(), ArchiveError> {
        if size > self.limits.bytes {
            return Err(ArchiveError::Limit { what: "bytes", limit: self.limits.bytes });
        }
        self.data = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        Ok(())
    }

    /// The data of an extension header.
    fn extension(&mut self, header: &Header) -> Result<Vec<u8>, ArchiveError> {
        let size = number(&header.as_old().size, "size")?;
        if size > self.limits.extension_bytes {
            let limit = self.limits.extension_bytes;
            return Err(ArchiveError::Limit { what: "bytes of an extension header", limit });
        }
        self.set_data(size)?;
        let mut bytes = Vec::new();
        self.reader.by_ref().take(size).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != size {
            return Err(ArchiveError::Truncated);
        }
        self.data = 0;
        Ok(bytes)
    }

    /// A GNU long name: up to the first zero.
    fn long(&mut self, header: &Header) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = self.extension(header)?;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        bytes.truncate(end);
        Ok(bytes)
    }

    fn entry(&mut self, header: &Header, pending: Pending) -> Result<Entry, ArchiveError> {
        let old = header.as_old();
        let mut pax = pending.pax.unwrap_or_default();
        let path = pending.name.or(pax.path.take());
        let mut path = path.unwrap_or_else(|| header.path_bytes().into_owned());
        let link = pending.link.or(pax.link.take());
        let link = link.unwrap_or_else(|| until_zero(&old.linkname).to_vec());
        let size = match pax.size {
            Some(size) => size,
            None => number(&old.size, "size")?,
        };
        let kind = match old.linkflag[0] {
            0 if path.ends_with(b"/") => Kind::Directory,
            0 | b'0' | b'7' | b'S' => Kind::File { regions: None },
            b'1' => Kind::Hardlink(link),
            b'2' => Kind::Symlink(link),
            b'3' => Kind::Character(device(header, 0)?, device(header, 1)?),
            b'4' => Kind::Block(device(header, 0)?, device(header, 1)?),
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            kind => {
                let path = String::from_utf8_lossy(&path).into_owned();
                return Err(ArchiveError::Type { path, kind: char::from(kind) });
            }
        };
        let (kind, size) = match kind {
            Kind::File { .. } => {
                self.set_data(size)?;
                let (regions, real_size) = self.file(header, &mut pax, &mut path, size)?;
                (Kind::File { regions }, real_size)
            }
            kind => (kind, 0),
        };
        let id = |pax: Option<u64>, field: &[u8], name| pax.map_or_else(|| number(field, name), Ok);
        Ok(Entry {
            path,
            kind,
            mode: u32::try_from(number(&old.mode, "mode")? & 0o7777).unwrap_or_default(),
            uid: id(pax.uid, &old.uid, "uid")?,
            gid: id(pax.gid, &old.gid, "gid")?,
            mtime: pax.mtime.map_or_else(|| seconds(&old.mtime), Ok)?,
            xattrs: pax.xattrs,
            size,
        })
    }

    /// The map and the real size of a regular file with `size` bytes of data.
    fn file(
        &mut self,
        header: &Header,
        pax: &mut Extensions,
        path: &mut Vec<u8>,
        size: u64,
    ) -> Result<(Option<Vec<Region>>, u64), ArchiveError> {
        let (regions, real_size) = if header.as_old().linkflag[0] == b'S' {
            let gnu = header.as_gnu().ok_or(ArchiveError::Sparse)?;
            let real_size = number(&gnu.realsize, "real size")?;
            (sparse::read_old(gnu, self.reader, self.limits)?, real_size)
        } else if pax.sparse.is_present {
            let real_size = pax.sparse.real_size.ok_or(ArchiveError::Sparse)?;
            if let Some(name) = pax.sparse.name.take() {
                *path = name;
            }
            if pax.sparse.is_in_data {
                let (regions, read) = sparse::read_in_data(self.reader, size, self.limits)?;
                self.data -= read;
                (regions, real_size)
            } else {
                (std::mem::take(&mut pax.sparse.regions), real_size)
            }
        } else {
            return Ok((None, size));
        };
        sparse::check(&regions, real_size, self.data)?;
        if real_size > self.limits.bytes {
            return Err(ArchiveError::Limit { what: "bytes", limit: self.limits.bytes });
        }
        Ok((Some(regions), real_size))
    }
}

/// Reads one block; false at the stream's end, an error inside it.
pub(super) fn read_block(
    reader: &mut impl Read,
    block: &mut [u8; BLOCK],
) -> Result<bool, ArchiveError> {
    let mut length = 0;
    while length < BLOCK {
        match reader.read(&mut block[length..]) {
            Ok(0) if length == 0 => return Ok(false),
            Ok(0) => return Err(ArchiveError::Truncated),
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

fn is_zero(block: &[u8; BLOCK]) -> bool {
    block.iter().all(|byte| *byte == 0)
}

/// The sum of all bytes with the checksum's own field as spaces.
fn check_sum(header: &Header) -> Result<(), ArchiveError> {
    const FIELD: std::ops::Range<usize> = 148..156;
    let bytes = header.as_bytes();
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    let expected = sum(bytes) - sum(&bytes[FIELD]) + FIELD.len() as u64 * u64::from(b' ');
    match number(&bytes[FIELD], "checksum") {
        Ok(actual) if actual == expected => Ok(()),
        _ => Err(ArchiveError::Checksum),
    }
}

/// A number of a header: octal digits between spaces and zeros, or, with the highest bit set,
/// base 256. An empty field is 0.
fn number(field: &[u8], name: &'static str) -> Result<u64, ArchiveError> {
    let malformed = || ArchiveError::Field(name);
    match field.first() {
        Some(first) if first & 0x80 != 0 => field[1..]
            .iter()
            .try_fold(u64::from(first & 0x7f), |sum, byte| {
                sum.checked_mul(256).map(|sum| sum | u64::from(*byte))
            })
            .ok_or_else(malformed),
        _ => {
            let digits = until_zero(field).trim_ascii();
            digits
                .iter()
                .try_fold(0_u64, |sum, byte| {
                    let digit = u64::from(byte.wrapping_sub(b'0'));
                    sum.checked_mul(8).filter(|_| digit < 8).map(|sum| sum | digit)
                })
                .ok_or_else(malformed)
        }
    }
}

/// Seconds of a header; before 1970 in base 256 as a two's complement.
fn seconds(field: &[u8; 12]) -> Result<Time, ArchiveError> {
    if field[..4] == [0xff; 4] {
        let mut low = [0; 8];
        low.copy_from_slice(&field[4..]);
        return Ok((i64::from_be_bytes(low), 0));
    }
    let seconds = number(field, "mtime")?;
    Ok((i64::try_from(seconds).map_err(|_| ArchiveError::Field("mtime"))?, 0))
}

/// A device number: 0 for the major, 1 for the minor part.
fn device(header: &Header, part: usize) -> Result<u32, ArchiveError> {
    const FIELDS: [std::ops::Range<usize>; 2] = [329..337, 337..345];
    let value = number(&header.as_bytes()[FIELDS[part].clone()], "device number")?;
    u32::try_from(value).map_err(|_| ArchiveError::Field("device number"))
}

fn until_zero(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    &field[..end]
}

#[cfg(test)]
mod tests;
