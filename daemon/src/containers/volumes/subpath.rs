//! A part of a volume as the source of a mount. Containers write what is in a volume, links too: the part is looked
//! up with the volume as root, and the mount is of the path that was found, which holds no link.

use std::ffi::OsStr;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};

use super::VolumeUse;
use crate::containers::error::Error;
use crate::containers::record::Definition;
use crate::containers::{Service, State};

impl Service {
    /// Where `subpath` of the volume at `source` lies on the host. Init resolves the path once more: while another
    /// container may exchange a directory on the way to it for a link, the start is refused.
    pub(super) fn find_subpath(
        &self,
        own: &Definition,
        each: &VolumeUse,
        source: &Path,
        subpath: &str,
    ) -> Result<PathBuf, Error> {
        let found = find(source, subpath).map_err(|error| {
            let path = source.join(subpath);
            let why = match error {
                rustix::io::Errno::NOENT => "no such file or directory".to_owned(),
                error => error.to_string(),
            };
            Error::Invalid(format!("cannot access path {0}: lstat {0}: {why}", path.display()))
        })?;
        for handle in self.registry().all() {
            let other = &handle.definition;
            let is_up = matches!(
                handle.snapshot().progress.state,
                State::Running(_) | State::Starting | State::Restarting(_)
            );
            let mut above =
                other.volumes.iter().filter(|used| used.name == each.name && used.writable);
            let reaches = |used: &VolumeUse| {
                let place = find(source, &used.subpath);
                place.is_ok_and(|place| found != place && found.starts_with(place))
            };
            if other.id != own.id && is_up && above.any(reaches) {
                return Err(Error::Conflict(format!(
                    "subpath {subpath} of volume {} can not be mounted: container {} runs and may change the path to it",
                    each.name, other.id
                )));
            }
        }
        Ok(found)
    }
}

/// The path without links of `subpath` inside `source`.
fn find(source: &Path, subpath: &str) -> Result<PathBuf, rustix::io::Errno> {
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
        assert_eq!(find(&root, "link/a"), Ok(root.join("etc/a")));
        assert_eq!(find(&root, ""), Ok(root.clone()));
        assert!(find(&root, "link/passwd").is_err());
    }
}
