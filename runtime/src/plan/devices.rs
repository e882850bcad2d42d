//! The device nodes of a container: the ones every container has, and those the spec adds.

use std::path::Path;

use oci_spec::runtime::{Linux, LinuxDevice, LinuxDeviceType};

use super::compile::{inner_path, invalid};
use super::{Device, DeviceKind, Mount, MountKind, PlanError};

/// Name and number of the nodes that a runtime must supply; config-linux.md "Default Devices".
const DEFAULTS: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// Nodes to make. None where `/dev` is the host's: what is there is left alone.
pub(super) fn compile(linux: &Linux, mounts: &[Mount]) -> Result<Vec<Device>, PlanError> {
    let is_bound = mounts.iter().any(|mount| {
        mount.target == Path::new("/dev") && matches!(mount.what, MountKind::Bind { .. })
    });
    if is_bound {
        return Ok(Vec::new());
    }
    let mut devices: Vec<Device> = DEFAULTS.iter().map(default).collect();
    for (at, device) in linux.devices().as_deref().unwrap_or_default().iter().enumerate() {
        let device = one(device, &format!("linux.devices[{at}]"))?;
        devices.retain(|other| other.path != device.path);
        devices.push(device);
    }
    Ok(devices)
}

fn default((path, major, minor): &(&str, u32, u32)) -> Device {
    Device {
        path: path.into(),
        kind: DeviceKind::Character,
        major: *major,
        minor: *minor,
        mode: 0o666,
        uid: 0,
        gid: 0,
    }
}

fn one(device: &LinuxDevice, field: &str) -> Result<Device, PlanError> {
    let number = |value: i64, name: &str| {
        u32::try_from(value).map_err(|_| invalid(format!("{field}.{name}"), "out of range"))
    };
    let kind = match device.typ() {
        LinuxDeviceType::C | LinuxDeviceType::U => DeviceKind::Character,
        LinuxDeviceType::B => DeviceKind::Block,
        LinuxDeviceType::P => DeviceKind::Fifo,
        LinuxDeviceType::A => return Err(invalid(format!("{field}.type"), "\"a\" is no node")),
    };
    Ok(Device {
        path: inner_path(device.path(), &format!("{field}.path"))?,
        kind,
        major: number(device.major(), "major")?,
        minor: number(device.minor(), "minor")?,
        mode: device.file_mode().unwrap_or(0o666) & 0o777,
        uid: device.uid().unwrap_or(0),
        gid: device.gid().unwrap_or(0),
    })
}
