//! Device nodes of the host that a container is given.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use api_spec::container::HostConfig;

use super::error::Error;
use crate::spec::HostDevice;

/// Most nodes that one `Devices` entry may stand for, when it names a directory.
const NODES_MAX: usize = 1024;
/// Below `/dev`, what is a file system of its own and not a device.
const SKIPPED: [&str; 7] = ["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"];

/// What `Devices` names, looked up. A directory stands for every node in it.
pub(super) fn find(host_config: &HostConfig) -> Result<Vec<HostDevice>, Error> {
    let mut found = Vec::new();
    for asked in host_config.devices.iter().flatten() {
        let host = Path::new(&asked.path_on_host);
        let inside = match asked.path_in_container.as_str() {
            "" => host,
            path => Path::new(path),
        };
        let access = match asked.cgroup_permissions.as_str() {
            "" => "rwm",
            access => access,
        };
        let failed = |error: io::Error| {
            let device = host.display();
            Error::Internal(format!(
                "error gathering device information while adding custom device \"{device}\": {error}"
            ))
        };
        if host_config.privileged {
            continue;
        }
        let metadata = fs::metadata(host).map_err(failed)?;
        if metadata.is_dir() {
            collect(host, inside, access, &mut found).map_err(failed)?;
        } else {
            found.push(
                node(inside, &metadata, access)
                    .ok_or_else(|| failed(io::Error::other("not a device node")))?,
            );
        }
    }
    Ok(found)
}

/// Every node below `/dev`, for privileged containers.
pub(super) fn all() -> Vec<HostDevice> {
    let mut found = Vec::new();
    let dev = Path::new("/dev");
    if let Err(error) = collect(dev, dev, "rwm", &mut found) {
        tracing::warn!(%error, "the host's devices can not be listed");
    }
    found
}

fn collect(
    directory: &Path,
    inside: &Path,
    access: &str,
    found: &mut Vec<HostDevice>,
) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (name, metadata) = (entry.file_name(), entry.metadata()?);
        let skipped = SKIPPED.iter().any(|skipped| name == *skipped) || name == "console";
        if skipped || found.len() >= NODES_MAX {
            continue;
        }
        let target: PathBuf = inside.join(&name);
        if metadata.is_dir() {
            collect(&entry.path(), &target, access, found)?;
        } else {
            found.extend(node(&target, &metadata, access));
        }
    }
    Ok(())
}

fn node(path: &Path, metadata: &fs::Metadata, access: &str) -> Option<HostDevice> {
    let kind = metadata.file_type();
    if !kind.is_block_device() && !kind.is_char_device() {
        return None;
    }
    let number = metadata.rdev();
    Some(HostDevice {
        path: path.to_owned(),
        block: kind.is_block_device(),
        major: i64::from(rustix::fs::major(number)),
        minor: i64::from(rustix::fs::minor(number)),
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        access: access.to_owned(),
    })
}
