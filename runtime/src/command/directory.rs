//! The state directory of a container: `<root>/<id>/`.
//!
//! ```text
//! <root>/<id>/state.json   the record; replaced as a whole, read without the lock
//!             start.sock   init listens here between `create` and `start`
//!             lock         locked by the one process that changes the container
//! ```
//!
//! The lock is one of fcntl(2), which init does not inherit.
//!
//! Verbs that change a container take the lock. A directory without a record whose lock is free is
//! what a killed `create` left behind; the next `create` takes it over.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};

use super::error::CommandError;
use super::record::Record;

const RECORD: &str = "state.json";
const SOCKET: &str = "start.sock";
const LOCK: &str = "lock";

/// How long a verb waits for another one that holds the lock.
const LOCK_LIMIT: Duration = Duration::from_secs(30);

/// Pause between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// How often a directory is made that others remove before it is taken.
const CREATE_TRIES: u32 = 100;

/// Longest id, in bytes: a file name's.
const ID_MAX: usize = 255;

/// A container's directory, open.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    file: File,
    /// Held by those who change the container.
    lock: Option<File>,
}

/// Letters, digits and `_ + - .`, and neither of the names that directories have themselves.
pub(super) fn check_id(id: &str) -> Result<(), CommandError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
    let valid = !id.is_empty() && id.len() <= ID_MAX && id.bytes().all(plain);
    if valid && !matches!(id, "." | "..") {
        Ok(())
    } else {
        Err(CommandError::InvalidId(id.into()))
    }
}

/// Ids of all containers below `root`.
pub(super) fn ids(root: &Path) -> Result<Vec<String>, CommandError> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(CommandError::io(format!("read {root:?}"))(error)),
    };
    let mut ids: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    ids.sort();
    Ok(ids)
}

impl Directory {
    /// Makes the directory of a new container; it is locked.
    pub(super) fn create(root: &Path, id: &str) -> Result<Self, CommandError> {
        check_id(id)?;
        let path = root.join(id);
        let failed = |path| CommandError::io(format!("make {path:?}"));
        let builder = || DirBuilder::new().mode(0o700).create(&path);
        for _ in 0..CREATE_TRIES {
            match builder() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let mut above = DirBuilder::new();
                    above.mode(0o700).recursive(true).create(root).map_err(failed(root))?;
                }
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failed(&path)(error));
                }
                _ => {
                    if let Some(taken) = Self::take(root, id)? {
                        return Ok(taken);
                    }
                }
            }
        }
        Err(CommandError::Exists(id.to_owned()))
    }

    /// Takes a directory that nobody has: one just made, which others may have seen, too, or what a killed `create` has
    /// left, without a record and without a lock. `None` if it is gone.
    fn take(root: &Path, id: &str) -> Result<Option<Self>, CommandError> {
        let mut left = match Self::open(root, id) {
            Err(CommandError::NotFound(_)) => return Ok(None),
            left => left?,
        };
        let has_record = || left.path.join(RECORD).exists();
        if has_record() {
            return Err(CommandError::Exists(id.to_owned()));
        }
        let lock = match left.lock_file() {
            Err(_) if !left.is_linked() => return Ok(None),
            lock => lock?,
        };
        let free = fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok();
        if !left.is_linked() {
            return Ok(None);
        }
        if !free || has_record() {
            return Err(CommandError::Exists(id.to_owned()));
        }
        left.lock = Some(lock);
        let _ = fs::remove_file(left.path.join(SOCKET));
        Ok(Some(left))
    }

    /// The directory of a container, for those who only read.
    pub(super) fn open(root: &Path, id: &str) -> Result<Self, CommandError> {
        check_id(id)?;
        let path = root.join(id);
        match File::open(&path) {
            Ok(file) => Ok(Self { path, file, lock: None }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(CommandError::NotFound(id.to_owned()))
            }
            Err(error) => Err(CommandError::io(format!("open {path:?}"))(error)),
        }
    }

    /// The directory of a container, locked.
    pub(super) fn lock(root: &Path, id: &str) -> Result<Self, CommandError> {
        Self::open(root, id)?.locked(id)
    }

    fn lock_file(&self) -> Result<File, CommandError> {
        let path = self.path.join(LOCK);
        let opened = File::options().write(true).create(true).truncate(false).open(&path);
        opened.map_err(CommandError::io(format!("open {path:?}")))
    }

    fn locked(self, id: &str) -> Result<Self, CommandError> {
        let lock = match self.lock_file() {
            // Removed meanwhile.
            Err(_) if !self.is_linked() => return Err(CommandError::NotFound(id.to_owned())),
            lock => lock?,
        };
        let give_up = Instant::now() + LOCK_LIMIT;
        loop {
            match fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if self.is_linked() => return Ok(Self { lock: Some(lock), ..self }),
                Ok(()) => return Err(CommandError::NotFound(id.to_owned())),
                Err(Errno::AGAIN | Errno::ACCESS | Errno::INTR) if Instant::now() < give_up => {
                    thread::sleep(LOCK_PAUSE);
                }
                Err(Errno::AGAIN | Errno::ACCESS | Errno::INTR) => {
                    return Err(CommandError::Busy(id.to_owned()));
                }
                Err(errno) => return Err(CommandError::io(format!("lock {:?}", self.path))(errno)),
            }
        }
    }

    /// Whether the path still leads here: the lock of a directory that was removed meanwhile is
    /// worth nothing.
    fn is_linked(&self) -> bool {
        let same = |ours: fs::Metadata, there: fs::Metadata| {
            (ours.dev(), ours.ino()) == (there.dev(), there.ino())
        };
        match (self.file.metadata(), fs::metadata(&self.path)) {
            (Ok(ours), Ok(there)) => same(ours, there),
            _ => false,
        }
    }

    /// The record; [`CommandError::NotFound`] if there is none yet.
    pub(super) fn read(&self, id: &str) -> Result<Record, CommandError> {
        let path = self.path.join(RECORD);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(CommandError::NotFound(id.to_owned()));
            }
            Err(error) => return Err(CommandError::io(format!("read {path:?}"))(error)),
        };
        serde_json::from_slice(&text)
            .map_err(|error| CommandError::Config { path, what: error.to_string() })
    }

    /// Replaces the record as a whole. Not synced: with the machine the container is gone as well.
    pub(super) fn write(&self, record: &Record) -> Result<(), CommandError> {
        let path = self.path.join(RECORD);
        let temporary = self.path.join("state.json.tmp");
        let text = serde_json::to_vec(record).map_err(|error| CommandError::Config {
            path: path.clone(),
            what: error.to_string(),
        })?;
        fs::write(&temporary, text)
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(CommandError::io(format!("write {path:?}")))
    }

    /// Removes the directory and all that is in it.
    pub(super) fn remove(self) -> Result<(), CommandError> {
        for name in [SOCKET, RECORD, LOCK] {
            let _ = fs::remove_file(self.path.join(name));
        }
        match fs::remove_dir(&self.path).or_else(|_| fs::remove_dir_all(&self.path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(CommandError::io(format!("remove {:?}", self.path))(error))
            }
            _ => Ok(()),
        }
    }

    /// The socket on which init is to await its start; close-on-exec, listening.
    pub(super) fn gate(&self) -> Result<OwnedFd, CommandError> {
        let failed = || CommandError::io(format!("socket {SOCKET} in {:?}", self.path));
        let gate = seqpacket().map_err(failed())?;
        bind(&gate, &self.address().map_err(failed())?).map_err(failed())?;
        listen(&gate, 1).map_err(failed())?;
        Ok(gate)
    }

    /// A connection to the init that awaits its start.
    pub(super) fn connect(&self) -> Result<OwnedFd, Errno> {
        let connection = seqpacket()?;
        connect(&connection, &self.address()?)?;
        Ok(connection)
    }

    /// Whether init awaits its start.
    pub(super) fn has_gate(&self) -> bool {
        self.path.join(SOCKET).exists()
    }

    /// The start is over.
    pub(super) fn remove_gate(&self) {
        // What is left of it is removed with the directory.
        let _ = fs::remove_file(self.path.join(SOCKET));
    }

    /// By the descriptor: paths of sockets are short; unix(7).
    fn address(&self) -> Result<SocketAddrUnix, Errno> {
        let directory: BorrowedFd<'_> = self.file.as_fd();
        SocketAddrUnix::new(format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd()))
    }
}

fn seqpacket() -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_file_names() {
        for good in ["a", "A_b+c-d.e", "0", "...", "..a"] {
            check_id(good).unwrap();
        }
        for bad in ["", ".", "..", "a/b", "a b", "ä", "\n", &"x".repeat(256)] {
            assert!(check_id(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_left_directory_is_taken_over() {
        let root = tempfile::tempdir().unwrap();
        let first = Directory::create(root.path(), "one").unwrap();
        drop(first);
        let second = Directory::create(root.path(), "one").unwrap();
        assert!(matches!(second.read("one"), Err(CommandError::NotFound(_))));
        second.remove().unwrap();
        assert!(matches!(Directory::lock(root.path(), "one"), Err(CommandError::NotFound(_))));
        assert!(ids(root.path()).unwrap().is_empty());
    }
}
