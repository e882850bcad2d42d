//! Files that are replaced whole and survive a power cut, and private directories.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::error::{Context, IoError};

/// Makes a directory if it is not there, and sets its mode whatever the umask says.
pub(crate) fn ensure_dir(path: &Path, mode: u32) -> Result<(), IoError> {
    DirBuilder::new().recursive(true).mode(mode).create(path).on("mkdir", path)?;
    fs::set_permissions(path, Permissions::from_mode(mode)).on("chmod", path)
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
