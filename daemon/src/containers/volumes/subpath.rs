//! A part of a volume as the source of a mount. Containers write what is in a volume, links too: the part is looked
//! up with the volume as root; and so does init, which mounts what it finds then.

use std::ffi::OsStr;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};

use crate::containers::error::Error;

/// Where `subpath` of the volume at `source` lies on the host; or, in Docker's words, why it can not be mounted.
pub(super) fn find(source: &Path, subpath: &str) -> Result<PathBuf, Error> {
    look_up(source, subpath).map_err(|error| {
        let path = source.join(subpath);
        let why = match error {
            rustix::io::Errno::NOENT => "no such file or directory".to_owned(),
            error => error.to_string(),
        };
        Error::Invalid(format!("cannot access path {0}: lstat {0}: {why}", path.display()))
    })
}

/// The path without links of `subpath` inside `source`.
fn look_up(source: &Path, subpath: &str) -> Result<PathBuf, rustix::io::Errno> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let root = openat(CWD, source, flags | OFlags::DIRECTORY, Mode::empty())?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let subpath = if subpath.is_empty() { "." } else { subpath };
    let file = openat2(&root, subpath, flags, Mode::empty(), resolve)?;
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    let path = rustix::fs::readlinkat(CWD, link, Vec::new())?;
    Ok(PathBuf::from(OsStr::from_bytes(path.to_bytes())))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_do_not_lead_out_of_the_volume() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("etc/a")).unwrap();
        symlink("/etc", root.join("link")).unwrap();
        assert_eq!(look_up(&root, "link/a"), Ok(root.join("etc/a")));
        assert_eq!(look_up(&root, ""), Ok(root.clone()));
        assert!(look_up(&root, "link/passwd").is_err());
    }
}
