//! `--storage-opt size=`: a limit of what a container writes, which takes project quotas of the file system below.
//! There is none yet, on any file system; the texts for the others are dockerd's.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::containers::error::Error;

/// The mounts of this process; proc_pid_mountinfo(5).
const MOUNTS: &str = "/proc/self/mountinfo";
const SIZE: &str = "size";

/// Refuses limits, saying what is in the way of them.
pub(super) fn check(
    options: Option<&BTreeMap<String, String>>,
    data_root: &Path,
) -> Result<(), Error> {
    let Some(options) = options.filter(|options| !options.is_empty()) else { return Ok(()) };
    if let Some(unknown) = options.keys().find(|key| !key.eq_ignore_ascii_case(SIZE)) {
        return Err(Error::Internal(format!("Unknown option {unknown}")));
    }
    let device = fs::metadata(data_root).map_err(Error::internal)?.dev();
    let mounts = fs::read_to_string(MOUNTS).map_err(Error::internal)?;
    if !has_project_quotas(&mounts, device) {
        return Err(Error::Internal(
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option"
                .to_owned(),
        ));
    }
    let what = "the writable layer can not be limited yet".to_owned();
    Err(Error::Unsupported { field: "HostConfig.StorageOpt", what })
}

/// Whether the file system of a device, as stat(2) numbers it, was mounted with project quotas.
fn has_project_quotas(mounts: &str, device: u64) -> bool {
    let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let is_of = |line: &&str| line.split(' ').nth(2) == Some(number.as_str());
    let mut options = mounts.lines().filter(is_of).filter_map(|line| line.rsplit(' ').next());
    options.any(|list| list.split(',').any(|option| matches!(option, "prjquota" | "pquota")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_quotas_are_options_of_a_file_system() {
        let mounts = "25 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n\
                      26 25 8:2 / /data rw - xfs /dev/sda2 rw,attr2,prjquota,noquota\n";
        assert!(has_project_quotas(mounts, rustix::fs::makedev(8, 2)));
        assert!(!has_project_quotas(mounts, rustix::fs::makedev(8, 1)));
        assert!(!has_project_quotas(mounts, rustix::fs::makedev(8, 3)));
    }
}
