//! What a container's configuration says of devices, looked up on the host.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use api_spec::container::{HostConfig, ThrottleDevice};

use super::error::Error;
use crate::spec::{DeviceRule, Devices, Disk, HostDevice, parse_device_rule};

/// Most nodes that one `Devices` entry may stand for, when it names a directory.
const NODES_MAX: usize = 1024;
/// Below `/dev`, what is a file system of its own and not a device.
const SKIPPED: [&str; 7] = ["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"];

/// Looks everything up.
pub(super) fn find(host_config: &HostConfig) -> Result<Devices, Error> {
    no_driver(host_config)?;
    Ok(Devices {
        nodes: nodes(host_config)?,
        rules: rules(host_config)?,
        disks: disks(host_config)?,
    })
}

/// `DeviceRequests` are for drivers (of GPUs, of CDI), and there is none.
fn no_driver(host_config: &HostConfig) -> Result<(), Error> {
    let Some(request) = host_config.device_requests.iter().flatten().next() else { return Ok(()) };
    let sets: Vec<String> =
        (request.capabilities.iter().flatten()).map(|set| format!("[{}]", set.join(" "))).collect();
    Err(Error::Internal(format!(
        "could not select device driver {:?} with capabilities: [{}]",
        request.driver,
        sets.join(" ")
    )))
}

/// `DeviceCgroupRules`; a privileged container may use every device anyway.
fn rules(host_config: &HostConfig) -> Result<Vec<DeviceRule>, Error> {
    let texts = host_config.device_cgroup_rules.iter().flatten();
    let parse = |text: &String| {
        let wrong = || Error::Internal(format!("invalid device cgroup rule format: '{text}'"));
        parse_device_rule(text).ok_or_else(wrong)
    };
    texts.map(parse).collect::<Result<_, _>>().map(|rules| match host_config.privileged {
        true => Vec::new(),
        false => rules,
    })
}

/// The devices whose I/O is weighted or limited.
fn disks(host_config: &HostConfig) -> Result<Vec<Disk>, Error> {
    let throttled: [&Option<Vec<ThrottleDevice>>; 4] = [
        &host_config.blkio_device_read_bps,
        &host_config.blkio_device_write_bps,
        &host_config.blkio_device_read_iops,
        &host_config.blkio_device_write_iops,
    ];
    let throttled = throttled.into_iter().flatten().flatten().map(|device| &device.path);
    let weighted = host_config.blkio_weight_device.iter().flatten().map(|device| &device.path);
    let look_up = |path: &String| {
        let failed = |why: String| Error::Internal(format!("stat {path}: {why}"));
        let metadata = fs::metadata(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => failed("no such file or directory".to_owned()),
            _ => failed(error.to_string()),
        })?;
        if !metadata.file_type().is_block_device() {
            return Err(failed("not a block device".to_owned()));
        }
        let number = metadata.rdev();
        Ok(Disk {
            path: path.clone(),
            major: i64::from(rustix::fs::major(number)),
            minor: i64::from(rustix::fs::minor(number)),
        })
    };
    throttled.chain(weighted).map(look_up).collect()
}

/// What `Devices` names. A directory stands for every node in it.
fn nodes(host_config: &HostConfig) -> Result<Vec<HostDevice>, Error> {
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
            // The stock client's exit code depends on these words.
            let why = match error.kind() {
                io::ErrorKind::NotFound => "no such file or directory".to_owned(),
                _ => error.to_string(),
            };
            Error::Internal(format!(
                "error gathering device information while adding custom device \"{device}\": {why}"
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
