//! Whether two unpacked layers are the same to the last attribute, and if not, where.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fgetxattr, flistxattr, openat2,
    readlinkat, statat,
};
use rustix::io::Errno;

use super::metadata::{Xattrs, is_whiteout};
use super::open_directory;
use super::path::CleanPath;

/// Bytes of files compared at once.
const BUFFER: usize = 64 << 10;
/// Bytes of attributes' names, and of one value: what Linux allows, xattr(7).
const XATTR_BYTES: usize = 64 << 10;

/// Both sides of what is compared.
type Pair<T> = (T, T);

/// The first difference of two trees, as `path: what`; None when there is none. The metadata of the
/// `implied` directories, and the root's time, are nobody's to compare.
///
/// # Errors
/// The file system's.
pub(crate) fn difference(
    one: &Path,
    other: &Path,
    implied: &[CleanPath],
) -> io::Result<Option<String>> {
    let open = |path| open_directory(path).map_err(io::Error::other);
    let roots = (open(one)?, open(other)?);
    let implied: BTreeSet<&[u8]> = implied.iter().map(CleanPath::as_bytes).collect();
    // Paths below the root; directories are opened by them, so that few are open at a time.
    let mut waiting = vec![Vec::new()];
    // What a change in a directory does to its time: the change itself says more.
    let mut other_time = None;
    while let Some(path) = waiting.pop() {
        let pair = (directory(&roots.0, &path)?, directory(&roots.1, &path)?);
        let names = (names(&pair.0)?, names(&pair.1)?);
        if let Some(name) = names.0.symmetric_difference(&names.1).next() {
            let side = if names.0.contains(name) { "is missing" } else { "is too much" };
            return Ok(Some(format!("{}: {side}", shown(&joined(&path, name)))));
        }
        for name in names.0 {
            let below = joined(&path, &name);
            let stats = (stat(&pair.0, &name)?, stat(&pair.1, &name)?);
            let is_directory = kind(&stats.0) == FileType::Directory;
            let has_metadata = !(is_directory && implied.contains(below.as_slice()));
            let found = nodes(&pair, &name, &stats, has_metadata)?;
            if let Some(what) = found {
                return Ok(Some(format!("{}: {what}", shown(&below))));
            }
            if is_directory {
                if has_metadata && times(&stats.0) != times(&stats.1) {
                    other_time.get_or_insert_with(|| shown(&below) + ": has another time");
                }
                waiting.push(below);
            }
        }
    }
    Ok(other_time)
}

/// What differs between two nodes of one name.
fn nodes(
    parents: &Pair<OwnedFd>,
    name: &CString,
    (one, other): &Pair<Stat>,
    has_metadata: bool,
) -> io::Result<Option<&'static str>> {
    let node_kind = kind(one);
    if node_kind != kind(other) {
        return Ok(Some("is of another kind"));
    }
    if has_metadata {
        if (one.st_uid, one.st_gid) != (other.st_uid, other.st_gid) {
            return Ok(Some("has another owner"));
        }
        if one.st_mode != other.st_mode {
            return Ok(Some("has another mode"));
        }
        // Whiteouts have the time of their making.
        let has_time = node_kind != FileType::Directory && !is_whiteout(one);
        if has_time && times(one) != times(other) {
            return Ok(Some("has another time"));
        }
    }
    match node_kind {
        FileType::Symlink => {
            let target = |parent: &OwnedFd| readlinkat(parent, name, Vec::new());
            Ok((target(&parents.0)? != target(&parents.1)?).then_some("leads elsewhere"))
        }
        FileType::CharacterDevice | FileType::BlockDevice => {
            Ok((one.st_rdev != other.st_rdev).then_some("is another device"))
        }
        FileType::RegularFile => {
            let flags = OFlags::RDONLY;
            let files = (open(&parents.0, name, flags)?, open(&parents.1, name, flags)?);
            if one.st_size != other.st_size {
                return Ok(Some("has another size"));
            }
            if attributes(&files.0)? != attributes(&files.1)? {
                return Ok(Some("has other attributes"));
            }
            Ok((!same_bytes(files.0.into(), files.1.into())?).then_some("has other bytes"))
        }
        FileType::Directory if has_metadata => {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            let pair = (open(&parents.0, name, flags)?, open(&parents.1, name, flags)?);
            Ok((attributes(&pair.0)? != attributes(&pair.1)?).then_some("has other attributes"))
        }
        _ => Ok(None),
    }
}

fn open(parent: impl AsFd, name: &CString, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

fn directory(root: &OwnedFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { b"." } else { path };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    openat2(root, path, flags, Mode::empty(), resolve)
}

fn names(directory: &OwnedFd) -> Result<BTreeSet<CString>, Errno> {
    let mut names = BTreeSet::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.insert(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

fn stat(parent: &OwnedFd, name: &CString) -> Result<Stat, Errno> {
    statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
}

fn times(stat: &Stat) -> (i64, u64) {
    (stat.st_mtime, stat.st_mtime_nsec)
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn attributes(file: &OwnedFd) -> Result<Xattrs, Errno> {
    let mut names = vec![0; XATTR_BYTES];
    let length = match flistxattr(file, &mut names[..]) {
        Err(Errno::NOTSUP) => 0,
        result => result?,
    };
    let mut attributes = Vec::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; XATTR_BYTES];
        let length = fgetxattr(file, name, &mut value[..])?;
        value.truncate(length);
        attributes.push((name.to_vec(), value));
    }
    attributes.sort();
    Ok(attributes)
}

fn same_bytes(mut one: File, mut other: File) -> io::Result<bool> {
    let mut buffers = (vec![0; BUFFER], vec![0; BUFFER]);
    loop {
        let length = one.read(&mut buffers.0)?;
        if length == 0 {
            return Ok(other.read(&mut buffers.1)? == 0);
        }
        match other.read_exact(&mut buffers.1[..length]) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            result => result?,
        }
        if buffers.0[..length] != buffers.1[..length] {
            return Ok(false);
        }
    }
}

fn joined(path: &[u8], name: &CString) -> Vec<u8> {
    match path {
        [] => name.to_bytes().to_vec(),
        path => [path, b"/", name.to_bytes()].concat(),
    }
}

fn shown(path: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(path))
}
