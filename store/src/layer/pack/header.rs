//! Headers of a tar that is written: ustar, and a PAX extension before it for what does not fit.
//!
//! Sources: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; the key of
//! extended attributes is star's, which Docker's tools read and write.

use std::collections::BTreeMap;
use std::io::{self, Write};

use tar::{EntryType, Header};

use crate::layer::archive::{BLOCK, Entry, Kind};

/// Bytes of a name or a link's target in the header itself.
const NAME: usize = 100;
/// Highest id, size and time that the header's octal digits hold.
const ID_MAX: u64 = 0o777_7777;
const NUMBER_MAX: u64 = 0o777_7777_7777;

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// Writes the header of an entry; its data, padded by [`pad`], follows.
pub(super) fn write(into: &mut impl Write, entry: &Entry) -> io::Result<()> {
    let mut records = Records::new();
    let mut header = Header::new_ustar();
    let (kind, link) = kind(&entry.kind);
    header.set_entry_type(kind);
    if let Kind::Character(major, minor) | Kind::Block(major, minor) = entry.kind {
        header.set_device_major(major)?;
        header.set_device_minor(minor)?;
    }
    header.set_mode(entry.mode);
    header.set_uid(fitting(&mut records, b"uid", entry.uid, ID_MAX));
    header.set_gid(fitting(&mut records, b"gid", entry.gid, ID_MAX));
    header.set_size(fitting(&mut records, b"size", entry.size, NUMBER_MAX));
    header.set_mtime(time(&mut records, entry.mtime));
    let old = header.as_old_mut();
    put(&mut old.name, &mut records, b"path", &entry.path);
    put(&mut old.linkname, &mut records, b"linkpath", link);
    // A name with an equals sign cannot be written as a key.
    for (name, value) in entry.xattrs.iter().filter(|(name, _)| !name.contains(&b'=')) {
        records.insert([b"SCHILY.xattr.", name.as_slice()].concat(), value.clone());
    }
    if !records.is_empty() {
        extension(into, &entry.path, &records)?;
    }
    header.set_cksum();
    into.write_all(header.as_bytes())
}

/// Fills the last block of so many bytes.
pub(super) fn pad(into: &mut impl Write, size: u64) -> io::Result<()> {
    let used = usize::try_from(size % BLOCK as u64).unwrap_or_default();
    into.write_all(&[0; BLOCK][..(BLOCK - used) % BLOCK])
}

/// Writes the archive's end.
pub(super) fn finish(into: &mut impl Write) -> io::Result<()> {
    into.write_all(&[0; 2 * BLOCK])
}

fn kind(kind: &Kind) -> (EntryType, &[u8]) {
    match kind {
        Kind::File { .. } => (EntryType::Regular, b""),
        Kind::Directory => (EntryType::Directory, b""),
        Kind::Symlink(target) => (EntryType::Symlink, target),
        Kind::Hardlink(target) => (EntryType::Link, target),
        Kind::Character(..) => (EntryType::Char, b""),
        Kind::Block(..) => (EntryType::Block, b""),
        Kind::Fifo => (EntryType::Fifo, b""),
    }
}

/// The number for the header's own field; what is too large for it becomes a record.
fn fitting(records: &mut Records, key: &[u8], value: u64, most: u64) -> u64 {
    if value <= most {
        return value;
    }
    records.insert(key.to_vec(), value.to_string().into_bytes());
    0
}

/// Whole seconds for the header's own field; finer, earlier and later times become a record.
fn time(records: &mut Records, (seconds, nanoseconds): (i64, u32)) -> u64 {
    let whole = u64::try_from(seconds).ok().filter(|seconds| *seconds <= NUMBER_MAX);
    if let (Some(whole), 0) = (whole, nanoseconds) {
        return whole;
    }
    // Records have a sign and a fraction: half a second before 1970 is -0.5.
    let text = match (seconds, nanoseconds) {
        (seconds, 0) => seconds.to_string(),
        (0.., fraction) => format!("{seconds}.{fraction:09}"),
        (_, fraction) => format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - fraction),
    };
    let text = if text.contains('.') { text.trim_end_matches('0') } else { &text };
    records.insert(b"mtime".to_vec(), text.as_bytes().to_vec());
    whole.unwrap_or_default()
}

fn put(field: &mut [u8; NAME], records: &mut Records, key: &[u8], value: &[u8]) {
    if value.len() > NAME {
        records.insert(key.to_vec(), value.to_vec());
    }
    let length = value.len().min(NAME);
    field[..length].copy_from_slice(&value[..length]);
}

fn extension(into: &mut impl Write, path: &[u8], records: &Records) -> io::Result<()> {
    let mut body = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + b" =\n".len();
        // The length counts its own digits.
        let digits = (1..).find(|digits| (rest + digits).to_string().len() == *digits);
        let length = rest + digits.unwrap_or_default();
        body.extend_from_slice(length.to_string().as_bytes());
        body.extend_from_slice(&[b" ", key.as_slice(), b"=", value, b"\n"].concat());
    }
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::XHeader);
    header.set_mode(0o644);
    header.set_size(body.len() as u64);
    let base = path.strip_suffix(b"/").unwrap_or(path);
    let base = base.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let name = [b"PaxHeaders.0/", base].concat();
    let length = name.len().min(NAME);
    header.as_old_mut().name[..length].copy_from_slice(&name[..length]);
    header.set_cksum();
    into.write_all(header.as_bytes())?;
    into.write_all(&body)?;
    pad(into, body.len() as u64)
}
