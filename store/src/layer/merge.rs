//! Unpacks a tar into a tree that is in use: what `docker cp` brings into a container. Names mean
//! themselves, also those that would be whiteouts in a layer; directories that are there stay,
//! everything else is replaced.
//!
//! Every parent is opened inside the tree's root by one `openat2`, however the container exchanges
//! directories and links meanwhile, and the last name is never followed.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io::{self, BufReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, linkat, makedev, mkdirat, mknodat, openat, statat, symlinkat,
    unlinkat,
};
use rustix::io::Errno;

use super::apply::node::{DataError, write_data};
use super::apply::{Call, EntryError};
use super::archive::{Archive, ArchiveError, Entry, Kind};
use super::limits::Limits;
use super::metadata::Metadata;
use super::path::CleanPath;
use super::root::Root;
use crate::pull::decompress::Decoder;
use crate::trash;

/// Bytes of the stream that are read at once.
const BUFFER: usize = 128 << 10;
/// Mode of a node until it has its owner.
const PRIVATE: Mode = Mode::from_raw_mode(0o600);
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Why an archive cannot be unpacked into a tree; what came before stays.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The stream cannot be decompressed.
    #[error("{0}")]
    Read(#[source] io::Error),
    /// The archive is malformed or asks for too much.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// An entry cannot be made.
    #[error("{path:?}: {source}")]
    Entry {
        /// As written in the archive.
        path: String,
        /// Why.
        source: EntryError,
    },
    /// Directories and other nodes are not to replace each other.
    #[error("cannot overwrite {0} with {1}")]
    Kinds(String, &'static str),
    /// The place in the tree.
    #[error("{path:?}: {errno}")]
    Place {
        /// Where in the tree.
        path: String,
        /// What the kernel answered.
        errno: Errno,
    },
}

/// How an archive is unpacked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Merging {
    /// User and group of everything, whatever the archive says.
    pub owner: Option<(u32, u32)>,
    /// A directory is not replaced by anything else, nor the other way round.
    pub keep_kinds: bool,
}

/// Unpacks an archive, plain or compressed by gzip or zstd, into the directory `at` of the tree with
/// this root.
///
/// # Errors
/// See [`MergeError`].
pub fn merge(
    root: BorrowedFd<'_>,
    at: &[u8],
    stream: impl Read,
    how: Merging,
) -> Result<(), MergeError> {
    let limits = Limits::default();
    let place = |errno| MergeError::Place { path: text(at), errno };
    let base = CleanPath::new(at, &limits).map_err(|source| entry_error(at, source.into()))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(root, ".", flags, Mode::empty()).map_err(place)?;
    let mut raw = BufReader::with_capacity(BUFFER, stream);
    let decoder = Decoder::of_archive(&mut raw).map_err(MergeError::Read)?;
    let mut stream = BufReader::with_capacity(BUFFER, decoder);
    let mut archive = Archive::new(&mut stream, &limits);
    let mut merger =
        Merger { root: Root::new(root), base, directories: BTreeMap::new(), how, limits: &limits };
    while let Some(mut entry) = archive.next()? {
        merger.entry(&mut entry, &mut archive)?;
    }
    archive.drain()?;
    merger.finish()
}

struct Merger<'a> {
    root: Root,
    base: CleanPath,
    /// Directories that wait for their time.
    directories: BTreeMap<CleanPath, Metadata>,
    how: Merging,
    limits: &'a Limits,
}

impl Merger<'_> {
    fn entry<R: io::BufRead>(
        &mut self,
        entry: &mut Entry,
        archive: &mut Archive<'_, R>,
    ) -> Result<(), MergeError> {
        let written = entry.path.clone();
        let named = |source| entry_error(&written, source);
        let path = CleanPath::new(&entry.path, self.limits).map_err(|error| named(error.into()))?;
        if path.is_root() {
            // The place itself stays as it is.
            return Ok(());
        }
        let path = self.base.append(&path);
        let Some((above, name)) = path.split() else { return Ok(()) };
        // A directory of the tree may have been exchanged since it was opened.
        self.root.forget();
        let parent = self.root.ensure(&above).call("open directory").map_err(named)?;
        if entry.kind == Kind::Directory {
            return self.directory(&path, &parent, name, entry);
        }
        self.make_room(&path, &parent, name)?;
        match self.node(&parent, name, entry).map_err(named)? {
            None => Ok(()),
            Some(file) => {
                write_data(&file, entry, archive, |_| Ok(())).map_err(|error| match error {
                    DataError::Archive(error) => error.into(),
                    DataError::Entry(error) => named(error),
                })?;
                let metadata = self.metadata(entry).map_err(named)?;
                metadata.apply(&file).call("set owner, mode, attributes and time").map_err(named)
            }
        }
    }

    fn directory(
        &mut self,
        path: &CleanPath,
        parent: &OwnedFd,
        name: &[u8],
        entry: &mut Entry,
    ) -> Result<(), MergeError> {
        let shown = path.as_bytes();
        let named = |source| entry_error(shown, source);
        match mkdirat(parent, name, Mode::RWXU) {
            Err(Errno::EXIST) if !is_directory(parent, name) => {
                if self.how.keep_kinds {
                    let what = format!("non-directory \"/{}\"", text(shown));
                    return Err(MergeError::Kinds(what, "a directory"));
                }
                let result = unlinkat(parent, name, AtFlags::empty())
                    .and_then(|()| mkdirat(parent, name, Mode::RWXU));
                result.call("mkdir").map_err(named)?;
            }
            Err(Errno::EXIST) => {}
            result => result.call("mkdir").map_err(named)?,
        }
        let metadata = self.metadata(entry).map_err(named)?;
        let directory = openat(parent, name, DIRECTORY, Mode::empty());
        let applied = directory.and_then(|directory| metadata.apply(&directory));
        applied.call("set owner, mode, attributes and time").map_err(named)?;
        self.directories.insert(path.clone(), metadata);
        Ok(())
    }

    /// Removes what is in the way of a node that is no directory.
    fn make_room(
        &mut self,
        path: &CleanPath,
        parent: &OwnedFd,
        name: &[u8],
    ) -> Result<(), MergeError> {
        let named = |source| entry_error(path.as_bytes(), source);
        match unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::ISDIR | Errno::PERM) if is_directory(parent, name) => {}
            Err(errno) => return Err(errno).call("unlink").map_err(named),
        }
        if self.how.keep_kinds {
            let what = format!("directory \"/{}\"", text(path.as_bytes()));
            return Err(MergeError::Kinds(what, "a non-directory"));
        }
        self.directories.retain(|other, _| !other.is_below(path));
        let name = CString::new(name).map_err(|_| Errno::INVAL);
        let removed = name.and_then(|name| trash::remove_tree(parent, &name));
        removed.call("remove directory").map_err(named)
    }

    /// Makes what is no directory; answers the file if data belongs into it.
    fn node(
        &mut self,
        parent: &Rc<OwnedFd>,
        name: &[u8],
        entry: &mut Entry,
    ) -> Result<Option<OwnedFd>, EntryError> {
        let parent = parent.as_fd();
        let special = |kind, device| mknodat(parent, name, kind, PRIVATE, device).call("mknod");
        match &entry.kind {
            Kind::File { .. } | Kind::Directory => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
                let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                return openat(parent, name, flags, PRIVATE).call("create file").map(Some);
            }
            Kind::Symlink(target) => {
                symlinkat(target.as_slice(), parent, name).call("symlink")?;
            }
            Kind::Hardlink(target) => {
                let clean = CleanPath::new(target, self.limits)
                    .map_err(|source| EntryError::Target { target: text(target), source })?;
                let target = self.base.append(&clean);
                let Some((above, target)) = target.split() else { return Err(EntryError::Root) };
                let from = self.root.directory(&above).call("open hard link target")?;
                linkat(&from, target, parent, name, AtFlags::empty()).call("link")?;
                return Ok(None);
            }
            Kind::Character(0, 0) => return Err(EntryError::DisguisedWhiteout),
            Kind::Character(major, minor) => {
                special(FileType::CharacterDevice, makedev(*major, *minor))?;
            }
            Kind::Block(major, minor) => special(FileType::BlockDevice, makedev(*major, *minor))?,
            Kind::Fifo => special(FileType::Fifo, 0)?,
        }
        let metadata = self.metadata(entry)?;
        let mut applied = metadata.apply_at(parent, name, false);
        if !matches!(entry.kind, Kind::Symlink(_)) {
            // By a descriptor: the name may be a link by now.
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let location = openat(parent, name, flags, Mode::empty());
            applied = applied.and(location.and_then(|location| metadata.apply_mode(&location)));
        }
        applied.call("set owner, mode, attributes and time").map(|()| None)
    }

    fn metadata(&self, entry: &mut Entry) -> Result<Metadata, EntryError> {
        let (uid, gid) = (entry.uid, entry.gid);
        let metadata = Metadata::new(entry).ok_or(EntryError::Owner { uid, gid })?;
        Ok(match self.how.owner {
            Some((uid, gid)) => metadata.owned_by(uid, gid),
            None => metadata,
        })
    }

    /// Gives the directories their time, which entries below have changed.
    fn finish(mut self) -> Result<(), MergeError> {
        self.root.forget();
        for (path, metadata) in std::mem::take(&mut self.directories) {
            let Some((above, name)) = path.split() else { continue };
            let directory = (self.root.directory(&above))
                .and_then(|parent| openat(&parent, name, DIRECTORY, Mode::empty()));
            match directory.and_then(|directory| metadata.apply(&directory)) {
                // The container has taken it away.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                result => result
                    .call("set owner, mode, attributes and time")
                    .map_err(|source| entry_error(path.as_bytes(), source))?,
            }
        }
        Ok(())
    }
}

fn is_directory(parent: &OwnedFd, name: &[u8]) -> bool {
    statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

fn entry_error(path: &[u8], source: EntryError) -> MergeError {
    MergeError::Entry { path: text(path), source }
}

fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
mod tests;
