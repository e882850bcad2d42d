//! Whether the machine was started anew since the last daemon: then no stored pid means anything, and nothing of
//! before runs any more.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::super::error::Error;

/// In the data root: the kernel's id of the start of the machine that the stored states are of.
const FILE: &str = "boot-id";
/// random(4).
const KERNEL: &str = "/proc/sys/kernel/random/boot_id";

/// Compares the start of the machine with the one that the data root remembers, and has it remember this one. Where
/// nothing is remembered yet, it is this one.
pub(super) fn started_anew(data_root: &Path) -> Result<bool, Error> {
    let path = data_root.join(FILE);
    let failed = |error: io::Error| Error::Internal(format!("{}: {error}", path.display()));
    let now = fs::read_to_string(KERNEL).map_err(failed)?;
    let before = match fs::read_to_string(&path) {
        Ok(before) => Some(before),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    if before.as_ref() != Some(&now) {
        remember(&path, &now).map_err(failed)?;
    }
    Ok(before.is_some_and(|before| before != now))
}

/// All of it or nothing is in the file afterwards.
fn remember(path: &Path, id: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    io::Write::write_all(&mut file, id.as_bytes())?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_id_is_another_start() {
        let root = tempfile::tempdir().unwrap();
        assert!(!started_anew(root.path()).unwrap(), "nothing is remembered");
        assert!(!started_anew(root.path()).unwrap());
        fs::write(root.path().join(FILE), "0b6c6a3c-0000-4000-8000-000000000000\n").unwrap();
        assert!(started_anew(root.path()).unwrap());
        assert!(!started_anew(root.path()).unwrap());
    }
}
