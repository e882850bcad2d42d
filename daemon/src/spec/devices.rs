//! Device nodes, the device rules of the control group, and what limits block devices.

use std::path::PathBuf;

use oci_spec::runtime::{LinuxDevice, LinuxDeviceCgroup, LinuxDeviceType};

use super::Source;

/// What a container's configuration says of devices, looked up on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Devices {
    /// What `Devices` names.
    pub(crate) nodes: Vec<HostDevice>,
    /// `DeviceCgroupRules`.
    pub(crate) rules: Vec<DeviceRule>,
    /// What `BlkioWeightDevice` and `BlkioDevice…` name.
    pub(crate) disks: Vec<Disk>,
}

/// One of `DeviceCgroupRules`: `c 1:* rwm`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeviceRule {
    kind: LinuxDeviceType,
    major: Option<i64>,
    minor: Option<i64>,
    access: String,
}

/// A block device by the path that a client gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) path: String,
    pub(crate) major: i64,
    pub(crate) minor: i64,
}

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
    let devices = all.unwrap_or_default().iter().chain(&source.devices.nodes);
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
    rules.extend(source.devices.nodes.iter().map(|device| {
        let kind = if device.block { LinuxDeviceType::B } else { LinuxDeviceType::C };
        rule(true, kind, Some(device.major), Some(device.minor), &device.access)
    }));
    let asked = source.devices.rules.iter();
    rules
        .extend(asked.map(|asked| rule(true, asked.kind, asked.major, asked.minor, &asked.access)));
    rules
}

/// Reads one of `DeviceCgroupRules`; `None` if it is not well-formed.
pub(crate) fn parse_rule(text: &str) -> Option<DeviceRule> {
    let mut words = text.split(' ');
    let (kind, numbers, access) = (words.next()?, words.next()?, words.next()?);
    let kind = match kind {
        "a" => LinuxDeviceType::A,
        "b" => LinuxDeviceType::B,
        "c" => LinuxDeviceType::C,
        _ => return None,
    };
    let number = |text: &str| match text {
        "*" => Some(None),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok().map(Some),
        _ => None,
    };
    let (major, minor) = numbers.split_once(':')?;
    let known =
        (1..=3).contains(&access.len()) && access.chars().all(|letter| "rwm".contains(letter));
    let rule = DeviceRule {
        kind,
        major: number(major)?,
        minor: number(minor)?,
        access: access.to_owned(),
    };
    (known && words.next().is_none()).then_some(rule)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_clients() {
        let rule = parse_rule("c 1:* rm").unwrap();
        assert_eq!((rule.kind, rule.major, rule.minor), (LinuxDeviceType::C, Some(1), None));
        assert_eq!(rule.access, "rm");
        for bad in
            ["", "c", "c 1:*", "d 1:2 r", "c 1 r", "c -1:2 r", "c 1:2 x", "c 1:2 r ", "c 1:2 rwmr"]
        {
            assert!(parse_rule(bad).is_none(), "{bad:?}");
        }
    }
}
