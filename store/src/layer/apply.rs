//! Makes of an archive's entries a directory in overlay's form.
//!
//! - `.wh.x` becomes a character device 0:0 named `x`; `.wh..wh..opq` an attribute of its
//!   directory. Both speak of the layers below only: an entry of the same layer stays, and a
//!   directory that meets its own whiteout becomes opaque, in either order.
//! - A whiteout below a file, a link or a whiteout of its own layer says nothing more and is left
//!   out: some tools write one for each name of a directory that has gone.
//! - A character device 0:0 in the archive would be a whiteout in disguise and is refused.
//! - Directories get their owner, mode and time at the end, when nothing is written to them.

pub(crate) mod node;

use std::collections::BTreeMap;
use std::io::BufRead;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::archive::{Archive, ArchiveError, Entry, Kind};
use super::limits::Limits;
use super::metadata::{self, Metadata};
use super::path::{CleanPath, Meaning, PathError, meaning};
use super::root::Root;
use crate::ahead::{Ahead, WRITEBACK_STEP};
use crate::sys;

/// Why an entry cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// Its path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The target of a hard link.
    #[error("hard link target {target:?}: {source}")]
    Target {
        /// As written.
        target: String,
        /// What is wrong with it.
        source: PathError,
    },
    /// The root itself is no directory, or a link.
    #[error("the root must be a directory")]
    Root,
    /// A character device 0:0.
    #[error("a character device 0:0 is a whiteout in disguise")]
    DisguisedWhiteout,
    /// An owner that Linux cannot have.
    #[error("owner {uid}:{gid} is out of range")]
    Owner {
        /// User id.
        uid: u64,
        /// Group id.
        gid: u64,
    },
    /// A system call.
    #[error("{call}: {errno}")]
    Call {
        /// Its name.
        call: &'static str,
        /// What the kernel answered.
        errno: Errno,
    },
}

/// Why a layer cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("entry {path:?}: {source}")]
    Entry { path: String, source: EntryError },
}

/// Names the call of a failed result.
pub(crate) trait Call<T> {
    fn call(self, call: &'static str) -> Result<T, EntryError>;
}

impl<T> Call<T> for Result<T, Errno> {
    fn call(self, call: &'static str) -> Result<T, EntryError> {
        self.map_err(|errno| EntryError::Call { call, errno })
    }
}

/// What was unpacked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Headers of the archive.
    pub(crate) entries: u64,
    /// Sum of the sizes of files and symbolic links, in bytes.
    pub(crate) bytes: u64,
    /// Directories without an entry: they have yet to look like the lower layers'.
    pub(crate) implied: Vec<CleanPath>,
}

/// Unpacks the archive into `root`; what later entries replace is moved to `discard`. Reads the
/// stream to its end.
pub(crate) fn apply(
    stream: &mut impl BufRead,
    root: OwnedFd,
    discard: OwnedFd,
    limits: &Limits,
    ahead: &Ahead,
) -> Result<Applied, ApplyError> {
    let mut archive = Archive::new(stream, limits);
    let mut applier = Applier {
        root: Root::new(root),
        discard,
        discarded: 0,
        directories: BTreeMap::new(),
        bytes: 0,
        limits,
        ahead,
    };
    while let Some(mut entry) = archive.next()? {
        applier.entry(&mut entry, &mut archive)?;
    }
    archive.drain()?;
    applier.finish()?;
    let (entries, bytes) = (archive.headers(), applier.bytes);
    Ok(Applied { entries, bytes, implied: applier.root.into_implied() })
}

struct Applier<'a> {
    root: Root,
    discard: OwnedFd,
    discarded: u64,
    /// Directories that wait for their metadata.
    directories: BTreeMap<CleanPath, Metadata>,
    bytes: u64,
    limits: &'a Limits,
    ahead: &'a Ahead,
}

impl Applier<'_> {
    fn entry<R: BufRead>(
        &mut self,
        entry: &mut Entry,
        archive: &mut Archive<'_, R>,
    ) -> Result<(), ApplyError> {
        let own = match &entry.kind {
            Kind::Symlink(target) => target.len() as u64,
            _ => entry.size,
        };
        self.bytes = self.bytes.saturating_add(own);
        if self.bytes > self.limits.bytes {
            return Err(ArchiveError::Limit { what: "bytes", limit: self.limits.bytes }.into());
        }
        if archive.headers().saturating_add(self.root.implicit()) > self.limits.entries {
            let limit = self.limits.entries;
            return Err(ArchiveError::Limit { what: "entries", limit }.into());
        }
        if self.root.implied_bytes() > self.limits.implied_bytes {
            let (what, limit) = ("bytes of implied directories' paths", self.limits.implied_bytes);
            return Err(ArchiveError::Limit { what, limit }.into());
        }
        let path = CleanPath::new(&entry.path, self.limits).map_err(EntryError::from);
        let result = match path {
            Ok(path) => match self.place(&path, entry) {
                Ok(Some(file)) => return self.fill(&path, &file, entry, archive),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        result.map_err(|source| failed(&entry.path, source))
    }

    /// Makes the entry; answers the file if data belongs into it.
    fn place(
        &mut self,
        path: &CleanPath,
        entry: &mut Entry,
    ) -> Result<Option<OwnedFd>, EntryError> {
        let Some((parent, name)) = path.split() else {
            if entry.kind != Kind::Directory {
                return Err(EntryError::Root);
            }
            self.remember(path, entry)?;
            return Ok(None);
        };
        match meaning(name)? {
            Meaning::Ignored => {}
            Meaning::Opaque => {
                if let Some(directory) = self.root.ensure_seen(&parent).call("open directory")? {
                    metadata::set_opaque(&directory).call("setxattr")?;
                }
            }
            Meaning::Whiteout(hidden) => self.whiteout(&parent, hidden)?,
            Meaning::Entry => return self.node(path, &parent, name, entry),
        }
        Ok(None)
    }

    fn remember(&mut self, path: &CleanPath, entry: &mut Entry) -> Result<(), EntryError> {
        let metadata = owned(entry)?;
        self.directories.insert(path.clone(), metadata);
        Ok(())
    }

    /// Writes the data of a file, then its metadata.
    fn fill<R: BufRead>(
        &mut self,
        path: &CleanPath,
        file: &OwnedFd,
        entry: &mut Entry,
        archive: &mut Archive<'_, R>,
    ) -> Result<(), ApplyError> {
        const CALL: &str = "sync_file_range";
        let named = |source| failed(path.as_bytes(), source);
        let mut started = 0;
        let wrote = |written| {
            if written - started < WRITEBACK_STEP {
                return Ok(());
            }
            let from = std::mem::replace(&mut started, written);
            sys::start_writeback(file, from, written - from).call(CALL)
        };
        node::write_data(file, entry, archive, wrote).map_err(|error| match error {
            node::DataError::Archive(error) => error.into(),
            node::DataError::Entry(error) => named(error),
        })?;
        let metadata = owned(entry).map_err(named)?;
        metadata.apply(file).call("set owner, mode, attributes and time").map_err(named)?;
        self.ahead.wrote(file, entry.size).call(CALL).map_err(named)
    }

    /// Gives the directories what was put off.
    fn finish(&mut self) -> Result<(), ApplyError> {
        for (path, metadata) in std::mem::take(&mut self.directories) {
            let named = |source| failed(path.as_bytes(), source);
            let directory = match path.split() {
                None => self.root.directory(&path).call("open directory").map_err(named)?,
                Some((parent, name)) => {
                    let flags =
                        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let parent = self.root.directory(&parent).call("open directory");
                    let directory = openat(&parent.map_err(named)?, name, flags, Mode::empty());
                    std::rc::Rc::new(directory.call("open directory").map_err(named)?)
                }
            };
            metadata
                .apply(&directory)
                .call("set owner, mode, attributes and time")
                .map_err(named)?;
        }
        Ok(())
    }
}

fn owned(entry: &mut Entry) -> Result<Metadata, EntryError> {
    let (uid, gid) = (entry.uid, entry.gid);
    Metadata::new(entry).ok_or(EntryError::Owner { uid, gid })
}

fn failed(path: &[u8], source: EntryError) -> ApplyError {
    ApplyError::Entry { path: String::from_utf8_lossy(path).into_owned(), source }
}

#[cfg(test)]
mod tests;
