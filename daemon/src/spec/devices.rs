//! Device nodes and the device rules of the control group.

use std::path::PathBuf;

use oci_spec::runtime::{LinuxDevice, LinuxDeviceCgroup, LinuxDeviceType};

use super::Source;

/// A device node of the host, given to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostDevice {
    /// Where it appears inside.
    pub(crate) path: PathBuf,
    pub(crate) block: bool,
    pub(crate) major: i64,
    pub(crate) minor: i64,
    /// Permission bits, owner and group of the node on the host.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Some of `r`, `w`, `m`.
    pub(crate) access: String,
}

/// What every container may use: type, major, minor (`None` is any), access. The last is TUN, as runc has it.
const ALLOWED: [(Option<i64>, Option<i64>, &str); 11] = [
    (None, None, "m"),
    (Some(1), Some(3), "rwm"),
    (Some(1), Some(5), "rwm"),
    (Some(1), Some(7), "rwm"),
    (Some(1), Some(8), "rwm"),
    (Some(1), Some(9), "rwm"),
    (Some(5), Some(0), "rwm"),
    (Some(5), Some(1), "rwm"),
    (Some(5), Some(2), "rwm"),
    (Some(136), None, "rwm"),
    (Some(10), Some(200), "rwm"),
];

/// Nodes to make beside the standard ones, which the runtime makes itself.
pub(super) fn nodes(source: &Source<'_>) -> Vec<LinuxDevice> {
    let all = source.host_config.privileged.then_some(source.host.devices.as_slice());
    let devices = all.unwrap_or_default().iter().chain(source.devices);
    devices.map(node).collect()
}

fn node(device: &HostDevice) -> LinuxDevice {
    let mut node = LinuxDevice::default();
    node.set_path(device.path.clone())
        .set_typ(if device.block { LinuxDeviceType::B } else { LinuxDeviceType::C })
        .set_major(device.major)
        .set_minor(device.minor)
        .set_file_mode(Some(device.mode))
        .set_uid(Some(device.uid))
        .set_gid(Some(device.gid));
    node
}

/// The device rules, in the order in which they are applied.
pub(super) fn rules(source: &Source<'_>) -> Vec<LinuxDeviceCgroup> {
    if source.host_config.privileged {
        return vec![rule(true, LinuxDeviceType::A, None, None, "rwm")];
    }
    let mut rules = vec![
        rule(false, LinuxDeviceType::A, None, None, "rwm"),
        rule(true, LinuxDeviceType::B, None, None, "m"),
    ];
    rules.extend(
        ALLOWED
            .iter()
            .map(|(major, minor, access)| rule(true, LinuxDeviceType::C, *major, *minor, access)),
    );
    rules.extend(source.devices.iter().map(|device| {
        let kind = if device.block { LinuxDeviceType::B } else { LinuxDeviceType::C };
        rule(true, kind, Some(device.major), Some(device.minor), &device.access)
    }));
    rules
}

fn rule(
    allow: bool,
    kind: LinuxDeviceType,
    major: Option<i64>,
    minor: Option<i64>,
    access: &str,
) -> LinuxDeviceCgroup {
    let mut rule = LinuxDeviceCgroup::default();
    rule.set_allow(allow)
        .set_typ(Some(kind))
        .set_major(major)
        .set_minor(minor)
        .set_access(Some(access.to_owned()));
    rule
}
