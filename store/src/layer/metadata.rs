//! Owner, mode, extended attributes and time of what an archive made. The order matters: a change
//! of owner takes setuid bits and capabilities away, so they come after it; times come last.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags, chmodat,
    chownat, fchmod, fchown, fgetxattr, flistxattr, fsetxattr, fstat, futimens, lsetxattr,
    utimensat,
};
use rustix::io::Errno;

use super::archive::Entry;
use super::pax::Time;

/// The mark of an opaque directory in overlay's upper and lower directories.
///
/// Source: the kernel's Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".
const OPAQUE: (&str, &[u8]) = ("trusted.overlay.opaque", b"y");
/// Of a directory that was renamed; the same document, "redirect_dir".
const REDIRECT: &str = "trusted.overlay.redirect";
/// Bytes of the longest value and of the longest list of names. Source: `<linux/limits.h>`.
const XATTR_BYTES: usize = 65536;
const CAPABILITY: &[u8] = b"security.capability";

/// Names and values.
pub(crate) type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// What is left of an entry when its path and data are dealt with.
#[derive(Debug, Clone)]
pub(crate) struct Metadata {
    uid: Uid,
    gid: Gid,
    mode: Mode,
    mtime: Time,
    xattrs: Xattrs,
}

impl Metadata {
    /// None when an id does not fit: 32 bits, of which the highest value means "unchanged".
    pub(crate) fn new(entry: &mut Entry) -> Option<Self> {
        let id = |value: u64| u32::try_from(value).ok().filter(|id| *id != u32::MAX);
        let mut xattrs = std::mem::take(&mut entry.xattrs);
        xattrs.retain(|(name, _)| is_wanted(name));
        Some(Self {
            uid: Uid::from_raw(id(entry.uid)?),
            gid: Gid::from_raw(id(entry.gid)?),
            mode: Mode::from_raw_mode(entry.mode),
            mtime: entry.mtime,
            xattrs,
        })
    }

    /// With another owner.
    pub(crate) fn owned_by(self, uid: u32, gid: u32) -> Self {
        Self { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid), ..self }
    }

    /// Of a directory that is there.
    pub(crate) fn of(directory: impl AsFd) -> Result<Self, Errno> {
        let directory = directory.as_fd();
        let stat = fstat(directory)?;
        let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or_default();
        Ok(Self {
            uid: Uid::from_raw(stat.st_uid),
            gid: Gid::from_raw(stat.st_gid),
            mode: Mode::from_raw_mode(stat.st_mode & 0o7777),
            mtime: (stat.st_mtime, nanoseconds),
            xattrs: wanted_xattrs(directory)?,
        })
    }

    /// For a file or directory that is open. What it has already is not set again: to look costs
    /// less than a change of the inode.
    pub(crate) fn apply(&self, file: impl AsFd) -> Result<(), Errno> {
        let file = file.as_fd();
        let now = fstat(file)?;
        let is_owned = (now.st_uid, now.st_gid) == (self.uid.as_raw(), self.gid.as_raw());
        if !is_owned {
            fchown(file, Some(self.uid), Some(self.gid))?;
        }
        // A new owner takes the bits of setuid and setgid away.
        if !is_owned || now.st_mode & 0o7777 != self.mode.as_raw_mode() {
            fchmod(file, self.mode)?;
        }
        for (name, value) in &self.xattrs {
            let result = fsetxattr(file, name.as_slice(), value, XattrFlags::empty());
            tolerate(name, result)?;
        }
        futimens(file, &self.times())
    }

    /// For what cannot be opened, by its name in its directory; `has_mode` is false for symbolic
    /// links, and only then may the name be one.
    pub(crate) fn apply_at(
        &self,
        parent: impl AsFd,
        name: &[u8],
        has_mode: bool,
    ) -> Result<(), Errno> {
        let parent = parent.as_fd();
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        chownat(parent, name, Some(self.uid), Some(self.gid), flags)?;
        if has_mode {
            // Nobody but us writes here: it is still the node that we have made.
            chmodat(parent, name, self.mode, AtFlags::empty())?;
        }
        if !self.xattrs.is_empty() {
            // Only the directory's own magic link is followed; the last name is not.
            let mut path = format!("/proc/self/fd/{}/", parent.as_raw_fd()).into_bytes();
            path.extend_from_slice(name);
            for (key, value) in &self.xattrs {
                let result = lsetxattr(path.as_slice(), key.as_slice(), value, XattrFlags::empty());
                tolerate(key, result)?;
            }
        }
        utimensat(parent, name, &self.times(), flags)
    }

    /// The mode alone, for a location (`O_PATH`) that is no symbolic link.
    pub(crate) fn apply_mode(&self, location: impl AsFd) -> Result<(), Errno> {
        let location = location.as_fd();
        if FileType::from_raw_mode(fstat(location)?.st_mode) == FileType::Symlink {
            return Err(Errno::LOOP);
        }
        let path = format!("/proc/self/fd/{}", location.as_raw_fd());
        chmodat(CWD, path, self.mode, AtFlags::empty())
    }

    fn times(&self) -> Timestamps {
        let (tv_sec, nanoseconds) = self.mtime;
        let time = Timespec { tv_sec, tv_nsec: i64::from(nanoseconds) };
        Timestamps { last_access: time, last_modification: time }
    }
}

/// Marks an open directory: nothing of the layers below is seen in it.
pub(crate) fn set_opaque(directory: impl AsFd) -> Result<(), Errno> {
    fsetxattr(directory, OPAQUE.0, OPAQUE.1, XattrFlags::empty())
}

/// Whether a directory has that mark.
pub(crate) fn is_opaque(directory: impl AsFd) -> Result<bool, Errno> {
    let mut value = [0; 8];
    match fgetxattr(directory, OPAQUE.0, &mut value[..]) {
        Ok(length) => Ok(value[..length] == *OPAQUE.1),
        Err(Errno::NODATA | Errno::NOTSUP | Errno::RANGE) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Whether the kernel says that the content of a directory is elsewhere in the layers below.
pub(crate) fn is_redirect(directory: impl AsFd) -> Result<bool, Errno> {
    match fgetxattr(directory, REDIRECT, &mut [0; 0]) {
        Ok(_) => Ok(true),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// The attributes of an open file or directory that a layer may set.
pub(crate) fn wanted_xattrs(directory: BorrowedFd<'_>) -> Result<Xattrs, Errno> {
    // Nearly everything has none: that costs no buffer. (An empty one would always be answered 0.)
    match flistxattr(directory, &mut [0; 1]) {
        Ok(0) | Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Ok(_) | Err(Errno::RANGE) => {}
        Err(errno) => return Err(errno),
    }
    let mut names = vec![0; XATTR_BYTES];
    let length = flistxattr(directory, &mut names[..])?;
    let mut xattrs = Vec::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| is_wanted(name)) {
        let mut value = vec![0; XATTR_BYTES];
        let length = fgetxattr(directory, name, &mut value[..])?;
        value.truncate(length);
        xattrs.push((name.to_vec(), value));
    }
    Ok(xattrs)
}

/// Whether a node hides a name of the layers below.
pub(crate) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// Which attributes a layer may set. Overlay's own would redirect, hide or uncover what the archive
/// does not contain; labels and integrity hashes belong to the host.
fn is_wanted(name: &[u8]) -> bool {
    name == CAPABILITY
        || name.starts_with(b"system.posix_acl_")
        || (name.starts_with(b"user.") && !name.starts_with(b"user.overlay."))
}

/// A file system without this kind of attribute, or a node that cannot have it, is no error, as
/// with Docker; a lost capability is one.
fn tolerate(name: &[u8], result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::NOTSUP | Errno::PERM) if name != CAPABILITY => Ok(()),
        other => other,
    }
}
