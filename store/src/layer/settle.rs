//! Gives implied directories the owner, mode, attributes and time that they have in the layers
//! below, as overlay would show them: the topmost directory of that name that is not hidden. One
//! that no layer has stays root's, 0755.
//!
//! A layer's list lies beside its `diff/` until it is settled and synced, so that whoever comes
//! after a crash does it again; doing it twice changes nothing.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::limits::Limits;
use super::metadata::{self, Metadata};
use super::path::CleanPath;
use super::{DIFF_DIR, open_directory};
use crate::digest::Digest;
use crate::error::{Context, IoError};
use crate::{Inner, durable};

/// Beside `diff/`: implied directories that wait, each path ended by a zero byte.
const LIST_FILE: &str = "implied";

/// Writes a layer's list; nothing when it is empty.
pub(super) fn write_list(layer: &Path, paths: &[CleanPath]) -> Result<(), IoError> {
    if paths.is_empty() {
        return Ok(());
    }
    let lines = paths.iter().flat_map(|path| [path.as_bytes(), b"\0"]);
    durable::write_new(&layer.join(LIST_FILE), &lines.collect::<Vec<_>>().concat()).map(drop)
}

/// Lists that may go as soon as everything is synced.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Settled(Vec<PathBuf>);

impl Settled {
    /// Removes the lists; another commit may have been faster.
    pub(crate) fn forget_lists(self) -> Result<(), IoError> {
        for list in self.0 {
            match fs::remove_file(&list) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => result.on("unlink", &list)?,
            }
        }
        Ok(())
    }
}

impl Inner {
    /// Settles the layers of a chain, lowest first; all of them are there.
    pub(crate) fn settle_layers(&self, chain: &[Digest]) -> Result<Settled, IoError> {
        let mut settled = Settled::default();
        for (position, chain_id) in chain.iter().enumerate() {
            let list = self.layer_dir(chain_id).join(LIST_FILE);
            let bytes = match fs::read(&list) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                result => result.on("read", &list)?,
            };
            let diff = |chain_id| open_directory(&self.layer_dir(chain_id).join(DIFF_DIR));
            let below = chain[..position].iter().rev().map(diff).collect::<Result<Vec<_>, _>>()?;
            settle(&bytes, &diff(chain_id)?, &below).on("settle", &list)?;
            settled.0.push(list);
        }
        Ok(settled)
    }

    /// Whether a layer has been left before it was settled.
    pub(crate) fn is_unsettled(&self, chain_id: &Digest) -> bool {
        self.layer_dir(chain_id).join(LIST_FILE).exists()
    }
}

/// Settles one layer; `below` has the topmost layer first.
fn settle(list: &[u8], layer: &OwnedFd, below: &[OwnedFd]) -> io::Result<()> {
    for path in list.split(|byte| *byte == 0).filter(|path| !path.is_empty()) {
        let path = CleanPath::new(path, &Limits::default()).map_err(io::Error::other)?;
        let own = look(layer, &path)?;
        let (Some(directory), false) = (own.directory, own.hides_below) else { continue };
        if let Some(metadata) = inherited(&path, below)? {
            metadata.apply(directory)?;
        }
    }
    Ok(())
}

fn inherited(path: &CleanPath, below: &[OwnedFd]) -> Result<Option<Metadata>, Errno> {
    for layer in below {
        let sight = look(layer, path)?;
        if let Some(directory) = sight.directory {
            return Metadata::of(directory).map(Some);
        }
        if sight.hides_below {
            return Ok(None);
        }
    }
    Ok(None)
}

/// What one layer says of a directory.
struct Sight {
    directory: Option<OwnedFd>,
    /// A file, a link or a whiteout is in the way, or a directory above is opaque.
    hides_below: bool,
}

/// Goes down a path name by name; no link is followed.
fn look(layer: impl AsFd, path: &CleanPath) -> Result<Sight, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let (mut directory, mut hides_below) = (None::<OwnedFd>, false);
    for name in path.names() {
        if let Some(above) = &directory {
            hides_below = hides_below || metadata::is_opaque(above)?;
        }
        let above = directory.as_ref().map_or(layer.as_fd(), AsFd::as_fd);
        match openat(above, name, flags, Mode::empty()) {
            Ok(next) => directory = Some(next),
            Err(Errno::NOENT) => return Ok(Sight { directory: None, hides_below }),
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return Ok(Sight { directory: None, hides_below: true });
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(Sight { directory, hides_below })
}
