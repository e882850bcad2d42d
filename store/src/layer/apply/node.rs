//! Single nodes: files and their data, directories, links, devices, whiteouts.

use std::io::BufRead;
use std::os::fd::OwnedFd;

use rustix::fs::{
    AtFlags, Dev, FileType, Mode, OFlags, Stat, ftruncate, linkat, makedev, mkdirat, mknodat,
    openat, renameat, statat, symlinkat, unlinkat,
};
use rustix::io::{Errno, pwrite, write};

use super::{Applier, Call, EntryError, owned};
use crate::layer::archive::{Archive, ArchiveError, Entry, Kind};
use crate::layer::metadata::{is_whiteout, set_opaque};
use crate::layer::path::CleanPath;
use crate::layer::sparse::Region;

/// What of its mode a file has before it has its owner.
const CREATED: Mode = Mode::from_raw_mode(0o755);
/// Mode of a node until it has its owner.
const PRIVATE: Mode = Mode::from_raw_mode(0o600);
const PRIVATE_DIRECTORY: Mode = Mode::from_raw_mode(0o700);

impl Applier<'_> {
    pub(super) fn node(
        &mut self,
        path: &CleanPath,
        parent_path: &CleanPath,
        name: &[u8],
        entry: &mut Entry,
    ) -> Result<Option<OwnedFd>, EntryError> {
        if matches!(entry.kind, Kind::Character(0, 0)) {
            return Err(EntryError::DisguisedWhiteout);
        }
        let parent = self.root.ensure(parent_path).call("open directory")?;
        match &entry.kind {
            Kind::File { .. } => {
                let flags = OFlags::WRONLY
                    | OFlags::CREATE
                    | OFlags::EXCL
                    | OFlags::NOFOLLOW
                    | OFlags::CLOEXEC;
                // As it will be, but for what an owner to come must not get.
                let mode = Mode::from_raw_mode(entry.mode) & CREATED;
                let create = || openat(&parent, name, flags, mode);
                return self.replacing(path, &parent, name, create).call("create file").map(Some);
            }
            Kind::Directory => {
                self.directory(path, &parent, name)?;
                self.remember(path, entry)?;
                return Ok(None);
            }
            Kind::Symlink(target) => {
                let create = || symlinkat(target.as_slice(), &parent, name);
                self.replacing(path, &parent, name, create).call("symlink")?;
            }
            Kind::Hardlink(target) => {
                let target = target.clone();
                self.hard_link(path, &parent, name, &target)?;
                // Owner and mode are the target's, which has been made already.
                return Ok(None);
            }
            Kind::Character(major, minor) => {
                let device = makedev(*major, *minor);
                self.special(path, &parent, name, FileType::CharacterDevice, device)?;
            }
            Kind::Block(major, minor) => {
                let device = makedev(*major, *minor);
                self.special(path, &parent, name, FileType::BlockDevice, device)?;
            }
            Kind::Fifo => self.special(path, &parent, name, FileType::Fifo, 0)?,
        }
        let has_mode = !matches!(entry.kind, Kind::Symlink(_));
        owned(entry)?
            .apply_at(&parent, name, has_mode)
            .call("set owner, mode, attributes and time")?;
        Ok(None)
    }

    /// Hides a name of the layers below.
    pub(super) fn whiteout(&mut self, parent: &CleanPath, name: &[u8]) -> Result<(), EntryError> {
        let Some(parent) = self.root.ensure_seen(parent).call("open directory")? else {
            return Ok(());
        };
        match mknodat(&parent, name, FileType::CharacterDevice, Mode::empty(), 0) {
            Err(Errno::EXIST) => {}
            result => return result.call("make whiteout"),
        }
        // The layer's own entry stays and hides what is below by itself, if it is a file.
        let there = stat(&parent, name).call("stat")?;
        if is_directory(&there) {
            self.root.settled(there.st_ino);
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let directory = openat(&parent, name, flags, Mode::empty()).call("open directory")?;
            set_opaque(&directory).call("setxattr")?;
        }
        Ok(())
    }

    /// A directory that is there stays; one in a whiteout's place is opaque.
    fn directory(
        &mut self,
        path: &CleanPath,
        parent: &OwnedFd,
        name: &[u8],
    ) -> Result<(), EntryError> {
        match mkdirat(parent, name, PRIVATE_DIRECTORY) {
            Err(Errno::EXIST) => {}
            result => return result.call("mkdir"),
        }
        let there = stat(parent, name).call("stat")?;
        if is_directory(&there) {
            self.root.settled(there.st_ino);
            return Ok(());
        }
        let create = || mkdirat(parent, name, PRIVATE_DIRECTORY);
        self.replacing(path, parent, name, create).call("mkdir")?;
        if is_whiteout(&there) {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let directory = openat(parent, name, flags, Mode::empty()).call("open directory")?;
            set_opaque(&directory).call("setxattr")?;
        }
        Ok(())
    }

    fn special(
        &mut self,
        path: &CleanPath,
        parent: &OwnedFd,
        name: &[u8],
        kind: FileType,
        device: Dev,
    ) -> Result<(), EntryError> {
        let create = || mknodat(parent, name, kind, PRIVATE, device);
        self.replacing(path, parent, name, create).call("mknod")
    }

    /// Links to a file of the same layer; a symbolic link is linked to itself, never followed.
    fn hard_link(
        &mut self,
        path: &CleanPath,
        parent: &OwnedFd,
        name: &[u8],
        target: &[u8],
    ) -> Result<(), EntryError> {
        let clean = CleanPath::new(target, self.limits).map_err(|source| {
            let target = String::from_utf8_lossy(target).into_owned();
            EntryError::Target { target, source }
        })?;
        let Some((target_parent, target_name)) = clean.split() else {
            return Err(EntryError::Root);
        };
        let from = self.root.directory(&target_parent).call("open hard link target")?;
        let source = stat(&from, target_name).call("stat hard link target")?;
        if is_whiteout(&source) {
            return Err(EntryError::DisguisedWhiteout);
        }
        if stat(parent, name).is_ok_and(|there| is_same(&there, &source)) {
            return Ok(());
        }
        let create = || linkat(&from, target_name, parent, name, AtFlags::empty());
        self.replacing(path, parent, name, create).call("link")
    }

    /// Makes a node; what an earlier entry of this layer has made under this name goes.
    fn replacing<T>(
        &mut self,
        path: &CleanPath,
        parent: &OwnedFd,
        name: &[u8],
        create: impl Fn() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        match create() {
            Err(Errno::EXIST) => {}
            result => return result,
        }
        let there = stat(parent, name)?;
        if is_directory(&there) {
            renameat(parent, name, &self.discard, self.discarded.to_string())?;
            self.discarded += 1;
            self.directories.retain(|other, _| !other.is_below(path));
        } else {
            unlinkat(parent, name, AtFlags::empty())?;
        }
        // Open directories may have been reached through it.
        self.root.forget();
        create()
    }
}

/// The stream or the file failed.
#[derive(Debug)]
pub(crate) enum DataError {
    Archive(ArchiveError),
    Entry(EntryError),
}

impl From<ArchiveError> for DataError {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

/// Copies the entry's data into its file, straight from the stream's buffers; holes stay holes. `wrote` hears how many
/// bytes of a file without holes are there.
pub(crate) fn write_data<R: BufRead>(
    file: &OwnedFd,
    entry: &Entry,
    archive: &mut Archive<'_, R>,
    mut wrote: impl FnMut(u64) -> Result<(), EntryError>,
) -> Result<(), DataError> {
    let Kind::File { regions: Some(regions) } = &entry.kind else {
        let mut written = 0;
        loop {
            match archive.data(u64::MAX, |bytes| put(bytes, |bytes| write(file, bytes)))? {
                0 => return Ok(()),
                count => written += count as u64,
            }
            wrote(written).map_err(DataError::Entry)?;
        }
    };
    for Region { offset, length } in regions {
        let (mut at, end) = (*offset, offset + length);
        while at < end {
            let used =
                archive.data(end - at, |bytes| put(bytes, |bytes| pwrite(file, bytes, at)))?;
            at += used as u64;
        }
    }
    ftruncate(file, entry.size).call("truncate").map_err(DataError::Entry)
}

fn put(bytes: &[u8], write: impl Fn(&[u8]) -> Result<usize, Errno>) -> Result<usize, DataError> {
    if bytes.is_empty() {
        return Ok(0);
    }
    rustix::io::retry_on_intr(|| write(bytes)).call("write").map_err(DataError::Entry)
}

fn stat(parent: &OwnedFd, name: &[u8]) -> Result<Stat, Errno> {
    statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn is_same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}
