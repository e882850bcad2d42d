//! Directories of volumes: made, found, and renamed away. What a volume is called, who uses it and when it goes is the
//! daemon's business; here are only its bytes, which are never swept.

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Context, IoError};
use crate::{Inner, durable};

/// Characters of a volume's name at most: it becomes the name of a directory.
const NAME_LIMIT: usize = 255;
/// What is mounted, below the volume's own directory.
const DATA: &str = "_data";

/// Why a volume's directory can not be made or removed.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// Not a name for a directory: see [`is_volume_name`].
    #[error("invalid volume name {0:?}")]
    InvalidName(String),
    /// A call on the file system failed.
    #[error(transparent)]
    Io(#[from] IoError),
}

/// The volumes' directories.
#[derive(Debug, Clone)]
pub struct Volumes {
    pub(crate) inner: Arc<Inner>,
}

impl Volumes {
    /// Where the data of a volume lies, whether it is there or not.
    #[must_use]
    pub fn data(&self, name: &str) -> PathBuf {
        self.inner.volumes_dir().join(name).join(DATA)
    }

    /// Makes a volume's directories, if need be: 0701 around 0755.
    ///
    /// # Errors
    /// See [`VolumeError`].
    pub fn ensure(&self, name: &str) -> Result<PathBuf, VolumeError> {
        check(name)?;
        let data = self.data(name);
        if !data.is_dir() {
            durable::ensure_dir(&self.inner.volumes_dir().join(name), 0o701)?;
            durable::ensure_dir(&data, 0o755)?;
        }
        Ok(data)
    }

    /// Limits what a new volume may hold, in bytes, which takes [`crate::Store::has_quotas`].
    ///
    /// # Errors
    /// See [`VolumeError`].
    pub fn limit(&self, name: &str, bytes: u64) -> Result<(), VolumeError> {
        check(name)?;
        Ok(self.inner.limit(&[&self.data(name)], bytes)?)
    }

    /// Removes a volume's directories: renamed away here, deleted in the background.
    ///
    /// # Errors
    /// See [`VolumeError`].
    pub fn remove(&self, name: &str) -> Result<(), VolumeError> {
        check(name)?;
        self.inner.unlimit(&self.data(name));
        self.inner.throw_away(&self.inner.volumes_dir().join(name))?;
        self.inner.keeper.empty_trash();
        Ok(())
    }

    /// Names of all volumes that have data here.
    ///
    /// # Errors
    /// The file system's.
    pub fn found(&self) -> Result<Vec<String>, VolumeError> {
        let directory = self.inner.volumes_dir();
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&directory).on("readdir", &directory)? {
            let name = entry.on("readdir", &directory)?.file_name().to_string_lossy().into_owned();
            if is_volume_name(&name) && self.data(&name).is_dir() {
                names.push(name);
            }
        }
        Ok(names)
    }
}

/// Two to 255 characters of `[a-zA-Z0-9_.-]`, the first a letter or digit.
#[must_use]
pub fn is_volume_name(name: &str) -> bool {
    let [first, rest @ ..] = name.as_bytes() else { return false };
    let further = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    first.is_ascii_alphanumeric()
        && (1..NAME_LIMIT).contains(&rest.len())
        && rest.iter().all(further)
}

fn check(name: &str) -> Result<(), VolumeError> {
    match is_volume_name(name) {
        true => Ok(()),
        false => Err(VolumeError::InvalidName(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use crate::Store;

    #[test]
    fn directories_come_and_go() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let volumes = store.volumes();
        let data = volumes.ensure("data.1").unwrap();
        fs::write(data.join("file"), "text").unwrap();
        assert_eq!(volumes.ensure("data.1").unwrap(), data);
        let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&data) & 0o7777, 0o755);
        assert_eq!(mode(data.parent().unwrap()) & 0o7777, 0o701);
        assert_eq!(volumes.found().unwrap(), ["data.1"]);
        volumes.remove("data.1").unwrap();
        volumes.remove("data.1").unwrap();
        store.settle();
        assert!(volumes.found().unwrap().is_empty());
        for wrong in ["", "a", "..", "a/b", "../a", "-a", "ä1"] {
            assert!(volumes.ensure(wrong).is_err() && volumes.remove(wrong).is_err(), "{wrong}");
        }
    }
}
