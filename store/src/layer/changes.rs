//! What a container changed: its upper directory compared with the layers below, name by name, as
//! overlay would show them. Nothing is mounted and no link is followed.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fgetxattr, openat, statat};
use rustix::io::Errno;

use super::limits::Limits;
use super::metadata;
use crate::error::{Context, IoError};
use crate::snapshot::Snapshot;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Bytes of a file capability at most; capabilities(7).
const CAPABILITY: usize = 64;

/// What became of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// Other than in the image, or a directory in which something is.
    Modified,
    /// Not in the image.
    Added,
    /// In the image alone.
    Deleted,
}

/// A name that is not as in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// From the root, with a slash before it.
    pub path: Vec<u8>,
    /// What became of it.
    pub difference: Difference,
}

impl Snapshot {
    /// All changes, in order of their names; a directory comes before what is in it. Names in `unseen`, from
    /// the root on, count only if the image has them.
    ///
    /// # Errors
    /// The file system's.
    pub fn changes(&self, unseen: &[&str]) -> Result<Vec<Change>, IoError> {
        let open = |path: &Path| openat(CWD, path, DIRECTORY, Mode::empty()).on("open", path);
        let upper = open(&self.upper)?;
        let below = self.lower.iter().map(|layer| open(layer)).collect::<Result<Vec<_>, _>>()?;
        let mut found = Found { unseen, changes: Vec::new() };
        compare(&upper, &Below(below), b"", &mut found).on("compare", &self.upper)?;
        Ok(found.changes)
    }

    /// Bytes of the files in the upper directory; a file with several names counts once, as with
    /// du(1). What vanishes meanwhile does not count.
    #[must_use]
    pub fn size(&self) -> u64 {
        tree_size(&self.upper)
    }
}

/// Bytes of the files below a directory; a file with several names counts once.
#[must_use]
pub fn tree_size(directory: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut seen = BTreeSet::new();
    let mut waiting = vec![directory.to_owned()];
    let mut sum = 0_u64;
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let Ok(stat) = entry.metadata() else { continue };
            if stat.is_dir() {
                waiting.push(entry.path());
            } else if stat.nlink() < 2 || seen.insert((stat.dev(), stat.ino())) {
                sum = sum.saturating_add(stat.len());
            }
        }
    }
    sum
}

/// The changes so far.
struct Found<'a> {
    unseen: &'a [&'a str],
    changes: Vec<Change>,
}

impl Found<'_> {
    fn leads_to_unseen(&self, path: &[u8]) -> bool {
        let is_above = |unseen: &&str| {
            let below = unseen.as_bytes().strip_prefix(path);
            below.is_some_and(|below| below.starts_with(b"/"))
        };
        self.unseen.iter().any(is_above)
    }
}

/// The directories of the layers that overlay shows as one, topmost first.
struct Below(Vec<OwnedFd>);

/// A name in the layers below.
struct Seen {
    stat: Option<Stat>,
    /// Where the topmost is.
    at: usize,
    below: Below,
}

impl Below {
    fn child(&self, name: &CStr) -> Result<Seen, Errno> {
        let mut seen = Seen { stat: None, at: 0, below: Below(Vec::new()) };
        for (at, layer) in self.0.iter().enumerate() {
            let stat = match statat(layer, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                result => result?,
            };
            if metadata::is_whiteout(&stat) || (seen.stat.is_some() && !is_directory(&stat)) {
                break;
            }
            if seen.stat.is_none() {
                (seen.stat, seen.at) = (Some(stat), at);
            }
            if !is_directory(&stat) {
                break;
            }
            let directory = openat(layer, name, DIRECTORY, Mode::empty())?;
            let hides = metadata::is_opaque(&directory)?;
            seen.below.0.push(directory);
            if hides {
                break;
            }
        }
        Ok(seen)
    }

    fn names(&self) -> Result<BTreeSet<CString>, Errno> {
        self.0.iter().try_fold(BTreeSet::new(), |mut all, layer| {
            all.append(&mut names(layer)?);
            Ok(all)
        })
    }
}

/// Adds what is other in this directory than below.
fn compare(
    upper: &OwnedFd,
    below: &Below,
    path: &[u8],
    found: &mut Found<'_>,
) -> Result<(), Errno> {
    if path.iter().filter(|byte| **byte == b'/').count() > Limits::default().path_depth {
        return Err(Errno::NAMETOOLONG);
    }
    let mut all = names(upper)?;
    let is_opaque = metadata::is_opaque(upper)?;
    if is_opaque {
        all.append(&mut below.names()?);
    }
    for name in all {
        let path = [path, b"/", name.to_bytes()].concat();
        let old = below.child(&name)?;
        if old.stat.is_none() && found.unseen.iter().any(|unseen| unseen.as_bytes() == path) {
            continue;
        }
        let mut add = |difference| found.changes.push(Change { path: path.clone(), difference });
        let new = match statat(upper, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => None,
            result => Some(result?).filter(|stat| !metadata::is_whiteout(stat)),
        };
        match (&old.stat, &new) {
            (None, None) => {}
            (Some(_), None) => add(Difference::Deleted),
            (None, Some(stat)) => {
                add(Difference::Added);
                let after = found.changes.len();
                if is_directory(stat) {
                    descend(upper, &name, &Below(Vec::new()), &path, found)?;
                    // It was made for what is mounted below it, and for nothing else.
                    if found.changes.len() == after && found.leads_to_unseen(&path) {
                        found.changes.pop();
                    }
                }
            }
            (Some(before), Some(stat)) => {
                let is_changed =
                    is_other(before, stat) || has_other_capability(&below.0[old.at], upper, &name)?;
                let position = found.changes.len();
                if is_directory(stat) {
                    descend(upper, &name, &old.below, &path, found)?;
                }
                if is_changed || found.changes.len() > position {
                    let difference = Difference::Modified;
                    found.changes.insert(position, Change { path, difference });
                }
            }
        }
    }
    Ok(())
}

fn descend(
    upper: &OwnedFd,
    name: &CStr,
    below: &Below,
    path: &[u8],
    found: &mut Found<'_>,
) -> Result<(), Errno> {
    match openat(upper, name, DIRECTORY, Mode::empty()) {
        Ok(directory) => compare(&directory, below, path, found),
        // It has just gone.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn names(directory: &OwnedFd) -> Result<BTreeSet<CString>, Errno> {
    let mut names = BTreeSet::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.as_bytes(), b"." | b"..") {
            names.insert(name);
        }
    }
    Ok(names)
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// As dockerd compares: mode, owner, device, and of all but directories time and size.
fn is_other(one: &Stat, other: &Stat) -> bool {
    let common = |stat: &Stat| (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_rdev);
    let time = |stat: &Stat| (stat.st_mtime, stat.st_mtime_nsec, stat.st_size);
    common(one) != common(other) || (!is_directory(one) && time(one) != time(other))
}

fn has_other_capability(one: &OwnedFd, other: &OwnedFd, name: &CStr) -> Result<bool, Errno> {
    Ok(capability(one, name)? != capability(other, name)?)
}

fn capability(parent: &OwnedFd, name: &CStr) -> Result<Vec<u8>, Errno> {
    let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(Vec::new());
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(parent, name, flags, Mode::empty()) {
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(Vec::new()),
        result => result?,
    };
    let mut value = vec![0; CAPABILITY];
    match fgetxattr(file.as_fd(), "security.capability", &mut value[..]) {
        Ok(length) => value.truncate(length),
        Err(Errno::NODATA | Errno::NOTSUP) => value.clear(),
        Err(errno) => return Err(errno),
    }
    Ok(value)
}

#[cfg(test)]
mod tests;
