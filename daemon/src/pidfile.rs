//! The pidfile. Its lock says whether the process that it names still lives; the number is for
//! people and scripts.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Most that is read of a pidfile, in bytes.
const MAX_PIDFILE_BYTES: u64 = 64;

/// A pidfile that this process holds. Dropping it removes the file.
#[derive(Debug)]
pub(crate) struct Pidfile {
    path: PathBuf,
    _locked: File,
}

/// Why the pidfile cannot be held.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PidfileError {
    #[error("process with PID {pid} is still running (pidfile {})", path.display())]
    Held { path: PathBuf, pid: String },
    #[error("pidfile {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl Pidfile {
    /// Takes the file over from a dead process, or makes it.
    ///
    /// # Errors
    /// When a living process holds it, or it cannot be written.
    pub(crate) fn hold(path: &Path) -> Result<Self, PidfileError> {
        let failed = |source| PidfileError::Io { path: path.to_owned(), source };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let options = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .custom_flags(libc::O_NOFOLLOW)
            .clone();
        let mut file = options.open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let _ = file.take(MAX_PIDFILE_BYTES).read_to_string(&mut pid);
                let (path, pid) = (path.to_owned(), pid.trim().to_owned());
                return Err(PidfileError::Held { path, pid });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(failed)?;
        Ok(Self { path: path.to_owned(), _locked: file })
    }
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_holds_it_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run/jockerd.pid");
        fs::create_dir(directory.path().join("run")).unwrap();
        fs::write(&path, "99999999").unwrap();
        let held = Pidfile::hold(&path).unwrap();
        let own = std::process::id().to_string();
        assert_eq!(fs::read_to_string(&path).unwrap(), own);
        let error = Pidfile::hold(&path).unwrap_err().to_string();
        assert!(error.starts_with(&format!("process with PID {own} is still running")), "{error}");
        drop(held);
        assert!(!path.exists());
    }
}
