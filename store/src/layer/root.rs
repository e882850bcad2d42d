//! The directory that a layer is unpacked into, and the only way to a path below it: every parent
//! is opened by `openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)`, so that a symbolic link of the
//! archive leads nowhere but into the root; the last name is never followed.
//!
//! Source: openat2(2).

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, ResolveFlags, Uid, fchmod, fchown, mkdirat, openat, openat2,
    statat, unlinkat,
};
use rustix::io::Errno;

use super::implied::{Implied, real_path};
use super::metadata::{is_whiteout, set_opaque};
use super::path::CleanPath;

/// Directories kept open; archives go through a tree in order, so few are enough.
const OPEN_LIMIT: usize = 48;
/// Mode of directories that an archive does not have an entry for.
const IMPLICIT_MODE: Mode = Mode::from_raw_mode(0o755);
const OPEN_DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The root and the directories that are open below it.
#[derive(Debug)]
pub(crate) struct Root {
    root: Rc<OwnedFd>,
    open: HashMap<CleanPath, Rc<OwnedFd>>,
    implicit: u64,
    implied: Implied,
}

impl Root {
    pub(crate) fn new(directory: OwnedFd) -> Self {
        let implied = Implied::default();
        Self { root: Rc::new(directory), open: HashMap::new(), implicit: 0, implied }
    }

    /// A directory that is there; symbolic links on the way are resolved in the root.
    pub(crate) fn directory(&mut self, path: &CleanPath) -> Result<Rc<OwnedFd>, Errno> {
        if path.is_root() {
            return Ok(self.root.clone());
        }
        if let Some(directory) = self.open.get(path) {
            return Ok(directory.clone());
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let directory =
            Rc::new(openat2(&self.root, path.as_bytes(), flags, Mode::empty(), resolve)?);
        if self.open.len() == OPEN_LIMIT {
            self.open.clear();
        }
        self.open.insert(path.clone(), directory.clone());
        Ok(directory)
    }

    /// As [`Root::directory`]; makes what is missing, in the place of a whiteout too.
    pub(crate) fn ensure(&mut self, path: &CleanPath) -> Result<Rc<OwnedFd>, Errno> {
        self.make(path, true)
    }

    /// As [`Root::ensure`], for what hides names of the layers below in this directory; None when
    /// this layer hides the directory itself, by a file, a link or a whiteout.
    pub(crate) fn ensure_seen(&mut self, path: &CleanPath) -> Result<Option<Rc<OwnedFd>>, Errno> {
        match self.make(path, false) {
            Err(Errno::NOTDIR) => Ok(None),
            result => result.map(Some),
        }
    }

    fn make(&mut self, path: &CleanPath, is_entry: bool) -> Result<Rc<OwnedFd>, Errno> {
        match self.directory(path) {
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            result => return result,
        }
        let mut missing = Vec::new();
        let mut above = path.clone();
        let mut directory = loop {
            let Some((parent, name)) = above.split() else { return Err(Errno::NOENT) };
            missing.push(name.to_vec());
            match self.directory(&parent) {
                Ok(directory) => break directory,
                Err(Errno::NOENT | Errno::NOTDIR) => above = parent,
                Err(errno) => return Err(errno),
            }
        };
        let Some((above, _)) = above.split() else { return Err(Errno::NOENT) };
        let mut real = real_path(&self.root, &directory).unwrap_or(above);
        while let Some(name) = missing.pop() {
            let made = make_implicit(&directory, &name, is_entry)?;
            real = real.join(&name);
            if !made.is_opaque {
                self.implied.note(&made.directory, real.clone())?;
            }
            directory = Rc::new(made.directory);
            self.implicit += 1;
        }
        self.directory(path)
    }

    /// What is said of a directory by an entry or a whiteout of its own.
    pub(crate) fn settled(&mut self, inode: u64) {
        self.implied.settled(inode);
    }

    /// Bytes of the paths of directories that the archive had no entry for.
    pub(crate) fn implied_bytes(&self) -> u64 {
        self.implied.bytes()
    }

    /// The directories that the archive had no entry for and that nothing has hidden.
    pub(crate) fn into_implied(self) -> Vec<CleanPath> {
        self.implied.into_paths(&self.root)
    }

    /// How many directories the archive had no entry for.
    pub(crate) fn implicit(&self) -> u64 {
        self.implicit
    }

    /// Something that may have been on the way to an open directory has gone.
    pub(crate) fn forget(&mut self) {
        self.open.clear();
    }
}

/// Makes a directory that the archive has no entry for: root's, whatever its parent is. In the place
/// of a whiteout it is opaque, or an error if that may not be replaced; anything else of this name,
/// a dangling link say, is an error.
fn make_implicit(parent: &OwnedFd, name: &[u8], replaces: bool) -> Result<Made, Errno> {
    let is_opaque = match mkdirat(parent, name, IMPLICIT_MODE) {
        Ok(()) => false,
        Err(Errno::EXIST) => {
            if !replaces || !is_whiteout(&statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?) {
                return Err(Errno::NOTDIR);
            }
            unlinkat(parent, name, AtFlags::empty())?;
            mkdirat(parent, name, IMPLICIT_MODE)?;
            true
        }
        Err(errno) => return Err(errno),
    };
    let directory = openat(parent, name, OPEN_DIRECTORY, Mode::empty())?;
    fchown(&directory, Some(Uid::ROOT), Some(Gid::ROOT))?;
    fchmod(&directory, IMPLICIT_MODE)?;
    if is_opaque {
        set_opaque(&directory)?;
    }
    Ok(Made { directory, is_opaque })
}

struct Made {
    directory: OwnedFd,
    is_opaque: bool,
}
