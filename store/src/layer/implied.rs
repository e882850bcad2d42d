//! Directories that a layer is in need of and its archive has no entry for: `tmp` of `tmp/y`. They
//! mean the lower layers' directory, owner, mode and all, which is not known while layers are
//! unpacked side by side. Noted here by inode, so that no link of the archive leads astray; nothing
//! is removed while a layer is unpacked, only moved away, so no inode comes twice.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstat, openat2, readlinkat};
use rustix::io::Errno;

use super::path::CleanPath;

/// The directories of one layer.
#[derive(Debug, Default)]
pub(crate) struct Implied {
    by_inode: HashMap<u64, CleanPath>,
    bytes: u64,
}

impl Implied {
    /// A directory was made without an entry; its path is the real one, without links.
    pub(crate) fn note(&mut self, directory: impl AsFd, path: CleanPath) -> Result<(), Errno> {
        self.bytes += path.as_bytes().len() as u64;
        self.by_inode.insert(fstat(directory)?.st_ino, path);
        Ok(())
    }

    /// An entry came for it, or the whiteout of what it would have meant.
    pub(crate) fn settled(&mut self, inode: u64) {
        self.by_inode.remove(&inode);
    }

    /// Sum of the paths' lengths so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Those that are still in their place, ordered.
    pub(crate) fn into_paths(self, root: &OwnedFd) -> Vec<CleanPath> {
        let is_there = |inode: u64, path: &CleanPath| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
            openat2(root, path.as_bytes(), flags, Mode::empty(), resolve)
                .and_then(fstat)
                .is_ok_and(|stat| stat.st_ino == inode)
        };
        let there = self.by_inode.into_iter().filter(|(inode, path)| is_there(*inode, path));
        let mut paths: Vec<CleanPath> = there.map(|(_, path)| path).collect();
        paths.sort();
        paths
    }
}

/// Where a directory below the root really is; None where the kernel has no name for it.
pub(crate) fn real_path(root: &OwnedFd, directory: &OwnedFd) -> Option<CleanPath> {
    let name = |fd: &OwnedFd| readlinkat(CWD, format!("/proc/self/fd/{}", fd.as_raw_fd()), vec![]);
    CleanPath::relative(name(directory).ok()?.as_bytes(), name(root).ok()?.as_bytes())
}
