//! Copying a directory with all that is in it, by descriptors: no name is resolved twice and no link is followed.
//! Owners, modes, times and extended attributes go along; hard links become files of their own.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags,
    chownat, fchmod, fchown, fgetxattr, flistxattr, fsetxattr, futimens, mkdirat, mknodat, openat,
    readlinkat, statat, symlinkat, utimensat,
};

/// Most entries of a volume that are copied.
const ENTRIES_MAX: usize = 1_000_000;
/// Longest list of names of extended attributes, and longest value, in bytes.
const XATTR_MAX: usize = 64 * 1024;

/// Copies what is in `from` into the empty directory `to`, and the attributes of `from` itself.
pub(super) fn tree(from: OwnedFd, to: OwnedFd) -> io::Result<()> {
    let mut entries = 0;
    // Depth costs descriptors, not stack. Attributes are set when the directory is complete: entries change its times.
    let mut open = vec![Level::new(from, to)?];
    while let Some(level) = open.last_mut() {
        let Some(name) = level.names.pop() else {
            attributes(&level.from, &level.to)?;
            open.pop();
            continue;
        };
        entries += 1;
        if entries > ENTRIES_MAX {
            return Err(io::Error::other(format!("more than {ENTRIES_MAX} entries")));
        }
        if let Some(below) = entry(level, &name)? {
            open.push(below);
        }
    }
    Ok(())
}

struct Level {
    from: OwnedFd,
    to: OwnedFd,
    names: Vec<CString>,
}

impl Level {
    fn new(from: OwnedFd, to: OwnedFd) -> io::Result<Self> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&from)? {
            let name = entry?.file_name().to_owned();
            if !matches!(name.as_bytes(), b"." | b"..") {
                names.push(name);
            }
        }
        Ok(Self { from, to, names })
    }
}

/// Copies one entry; a directory is made and handed back to be gone through.
fn entry(level: &Level, name: &CStr) -> io::Result<Option<Level>> {
    let stat = statat(&level.from, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let mode = Mode::from_raw_mode(stat.st_mode);
    let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            mkdirat(&level.to, name, Mode::RWXU)?;
            let flags = read | OFlags::DIRECTORY;
            let from = openat(&level.from, name, flags, Mode::empty())?;
            let to = openat(&level.to, name, flags, Mode::empty())?;
            return Level::new(from, to).map(Some);
        }
        FileType::RegularFile => {
            let from = openat(&level.from, name, read, Mode::empty())?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let to = openat(&level.to, name, flags, Mode::RUSR | Mode::WUSR)?;
            let (mut from, mut to) = (File::from(from), File::from(to));
            io::copy(&mut from, &mut to)?;
            attributes(&from, &to)?;
        }
        FileType::Symlink => {
            symlinkat(readlinkat(&level.from, name, Vec::new())?, &level.to, name)?;
            by_name(level, name, &stat)?;
        }
        FileType::Socket => {}
        kind => {
            mknodat(&level.to, name, kind, mode, stat.st_rdev)?;
            by_name(level, name, &stat)?;
        }
    }
    Ok(None)
}

/// Owner, extended attributes, mode, times; in this order, for a new owner takes the set-id bits away.
fn attributes(from: &impl AsFd, to: &impl AsFd) -> io::Result<()> {
    let stat = rustix::fs::fstat(from)?;
    fchown(to, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    xattrs(from, to)?;
    fchmod(to, Mode::from_raw_mode(stat.st_mode))?;
    Ok(futimens(to, &times(&stat))?)
}

fn by_name(level: &Level, name: &CStr, stat: &Stat) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    chownat(&level.to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(utimensat(&level.to, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)?)
}

fn xattrs(from: &impl AsFd, to: &impl AsFd) -> io::Result<()> {
    let mut names = vec![0; XATTR_MAX];
    let length = match flistxattr(from, &mut names) {
        Ok(length) => length,
        Err(rustix::io::Errno::NOTSUP) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut value = vec![0; if length == 0 { 0 } else { XATTR_MAX }];
    for name in names[..length].split_inclusive(|byte| *byte == 0) {
        // What overlay keeps for itself stays with it.
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        if name.to_bytes().starts_with(b"trusted.overlay.") {
            continue;
        }
        let length = fgetxattr(from, name, &mut value)?;
        fsetxattr(to, name, &value[..length], XattrFlags::empty())?;
    }
    Ok(())
}

fn times(stat: &Stat) -> Timestamps {
    let time = |seconds, nanos: u64| Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(nanos).unwrap_or_default(),
    };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn open(path: &std::path::Path) -> OwnedFd {
        File::open(path).unwrap().into()
    }

    #[test]
    fn trees_are_copied_with_their_attributes() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let inside = from.path().join("a/b");
        fs::create_dir_all(&inside).unwrap();
        fs::write(inside.join("file"), "text").unwrap();
        fs::set_permissions(inside.join("file"), fs::Permissions::from_mode(0o4751)).unwrap();
        symlink("/etc/passwd", from.path().join("link")).unwrap();
        fs::set_permissions(from.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        tree(open(from.path()), open(to.path())).unwrap();
        assert_eq!(fs::read_to_string(to.path().join("a/b/file")).unwrap(), "text");
        let mode = |path: &std::path::Path| fs::symlink_metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(mode(&to.path().join("a/b/file")), 0o4751);
        assert_eq!(mode(to.path()), 0o1777);
        assert_eq!(fs::read_link(to.path().join("link")).unwrap().to_str(), Some("/etc/passwd"));
    }
}
