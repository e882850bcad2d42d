//! Files that are replaced whole and survive a power cut, and private directories.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

use crate::error::{Context, IoError};

/// Makes a directory if it is not there, and sets its mode whatever the umask says.
pub(crate) fn ensure_dir(path: &Path, mode: u32) -> Result<(), IoError> {
    DirBuilder::new().recursive(true).mode(mode).create(path).on("mkdir", path)?;
    fs::set_permissions(path, Permissions::from_mode(mode)).on("chmod", path)
}

/// Tells the file system that what is made in this directory is unrelated, so that ext4 puts each of its directories
/// into a block group of its own; chattr(1), `T`. Without it, all of them share one, where every new file has the
/// kernel go past every inode that was freed in the last minutes. A hint: a file system that does not take it loses
/// nothing.
pub(crate) fn spread(path: &Path) -> Result<(), IoError> {
    let directory = File::open(path).on("open", path)?;
    let flags = ioctl_getflags(&directory);
    let taken = flags.and_then(|flags| ioctl_setflags(&directory, flags | IFlags::TOPDIR));
    if let Err(errno) = taken {
        tracing::debug!(path = %path.display(), %errno, "directories are not spread");
    }
    Ok(())
}

/// Makes a directory that must not be there yet, with exactly this mode.
pub(crate) fn create_dir(path: &Path, mode: u32) -> Result<(), IoError> {
    DirBuilder::new().mode(mode).create(path).on("mkdir", path)?;
    fs::set_permissions(path, Permissions::from_mode(mode)).on("chmod", path)
}

/// Writes a new file (0644) without any sync; the caller has one `syncfs` to come.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<File, IoError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(path)
        .on("open", path)?;
    file.write_all(bytes).on("write", path)?;
    Ok(file)
}

/// Replaces `<dir>/<name>`: write, fsync the file, rename, fsync the directory.
pub(crate) fn replace(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), IoError> {
    let temporary = dir.join(format!(".{name}.new"));
    let target = dir.join(name);
    write_new(&temporary, bytes)?.sync_all().on("fsync", &temporary)?;
    fs::rename(&temporary, &target).on("rename", &target)?;
    File::open(dir).and_then(|dir| dir.sync_all()).on("fsync", dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_in_it_is_spread_where_that_can_be() {
        let flags = |path: &Path| ioctl_getflags(File::open(path).expect("open"));
        let base = tempfile::tempdir().expect("tempdir");
        let (ours, theirs) = (base.path().join("ours"), base.path().join("theirs"));
        ensure_dir(&ours, 0o700).expect("mkdir");
        ensure_dir(&theirs, 0o700).expect("mkdir");
        spread(&ours).expect("spread");
        let by_hand = flags(&theirs).and_then(|flags| {
            ioctl_setflags(File::open(&theirs).expect("open"), flags | IFlags::TOPDIR)
        });
        let has = flags(&ours).is_ok_and(|flags| flags.contains(IFlags::TOPDIR));
        assert_eq!(has, by_hand.is_ok());
        assert!(spread(&base.path().join("missing")).is_err());
    }
}
