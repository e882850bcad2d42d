//! Layers made one tree of plain files, as a container would see them and without any overlay: each
//! is unpacked in overlay's form beside the tree and moved into it, the lowest first. What it hides is
//! removed on the way. Needs root, as every unpacking does.

use std::ffi::CString;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, mkdirat, openat2, renameat, statat,
    unlinkat,
};
use rustix::io::Errno;

use super::limits::Limits;
use super::metadata::{Metadata, is_opaque, is_whiteout};
use super::path::CleanPath;
use super::{Bytes, DIFF_DIR, LayerError, Tree, open_directory};
use crate::Inner;
use crate::digest::Digest;
use crate::error::IoError;
use crate::trash::remove_tree;

/// Mode of a directory until it has its own.
const PRIVATE: Mode = Mode::from_raw_mode(0o700);

impl Inner {
    /// Unpacks a layer upon what a tree has, by way of the empty directory `beside` of the same file
    /// system; answers its diff id, which the caller verifies, and the tree is of no use if it is wrong.
    pub(crate) fn unpack_upon(
        &self,
        tree: &Path,
        beside: &Path,
        reader: impl Read + Send,
    ) -> Result<Option<Digest>, LayerError> {
        let Tree { applied, digest } = self.unpack_tree(beside, Bytes::Unknown, reader)?;
        let pair = (open_directory(&beside.join(DIFF_DIR))?, open_directory(tree)?);
        let moved = flatten(&pair, &applied.implied);
        moved.map_err(|errno| IoError::new(format!("flatten a layer into {tree:?}"), errno))?;
        Ok(digest)
    }
}

/// Moves everything of a layer (the first) into a tree (the second).
fn flatten(pair: &(OwnedFd, OwnedFd), implied: &[CleanPath]) -> Result<(), Errno> {
    // Paths below both roots, and whether the tree had the directory.
    let mut waiting: Vec<(Vec<u8>, bool)> = vec![(Vec::new(), true)];
    let mut metadata: Vec<(Vec<u8>, Metadata)> = Vec::new();
    while let Some((path, was_there)) = waiting.pop() {
        let (from, into) = (below(&pair.0, &path)?, below(&pair.1, &path)?);
        if was_there && !path.is_empty() && is_opaque(&from)? {
            clear(&into)?;
        }
        let is_implied = implied.iter().any(|implied| implied.as_bytes() == path);
        if !path.is_empty() {
            // What the layer says nothing of stays, up to its time.
            let source = if is_implied && was_there { &into } else { &from };
            metadata.push((path.clone(), Metadata::of(source)?));
        }
        for name in names(&from)? {
            let stat = statat(&from, &name, AtFlags::SYMLINK_NOFOLLOW)?;
            let there = kind_of(statat(&into, &name, AtFlags::SYMLINK_NOFOLLOW))?;
            let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            if !(is_directory && there == Some(FileType::Directory)) {
                clear_name(&into, &name, there)?;
            }
            if is_directory {
                let was_there = there == Some(FileType::Directory);
                if !was_there {
                    mkdirat(&into, &name, PRIVATE)?;
                }
                let slash: &[u8] = if path.is_empty() { b"" } else { b"/" };
                waiting.push(([&path, slash, name.as_bytes()].concat(), was_there));
            } else if !is_whiteout(&stat) {
                renameat(&from, &name, &into, &name)?;
            }
        }
    }
    // Children first: what is moved into a directory changes its time.
    for (path, metadata) in metadata.into_iter().rev() {
        metadata.apply(below(&pair.1, &path)?)?;
    }
    Ok(())
}

/// A directory below a root that is nobody else's; no link leads to it.
fn below(root: &OwnedFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let path: &[u8] = if path.is_empty() { b"." } else { path };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    openat2(root, path, flags, Mode::empty(), resolve)
}

fn names(directory: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_owned();
        if name.as_c_str() != c"." && name.as_c_str() != c".." {
            names.push(name);
        }
    }
    Ok(names)
}

fn kind_of(stat: Result<Stat, Errno>) -> Result<Option<FileType>, Errno> {
    match stat {
        Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn clear(directory: &OwnedFd) -> Result<(), Errno> {
    for name in names(directory)? {
        let there = kind_of(statat(directory.as_fd(), &name, AtFlags::SYMLINK_NOFOLLOW))?;
        clear_name(directory, &name, there)?;
    }
    Ok(())
}

fn clear_name(parent: &OwnedFd, name: &CString, kind: Option<FileType>) -> Result<(), Errno> {
    match kind {
        None => Ok(()),
        Some(FileType::Directory) => remove_tree(parent, name),
        Some(_) => unlinkat(parent, name, AtFlags::empty()),
    }
}

/// Reads an archive as an unpacking would, and makes nothing of it; how many headers it has.
pub(crate) fn read_through(stream: &mut impl std::io::BufRead) -> Result<u64, LayerError> {
    let limits = Limits::default();
    let mut archive = super::archive::Archive::new(stream, &limits);
    while let Some(entry) = archive.next()? {
        let cleaned = CleanPath::new(&entry.path, &limits);
        cleaned.map_err(|source| LayerError::Entry {
            path: String::from_utf8_lossy(&entry.path).into_owned(),
            source: source.into(),
        })?;
    }
    archive.drain()?;
    Ok(archive.headers())
}
