//! Namespaces and the modes that choose them, masked and read-only paths.

use std::path::PathBuf;

use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceType};

use super::Source;

/// Hidden from every container that is not privileged.
pub(crate) const MASKED_PATHS: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Read-only in every container that is not privileged.
pub(crate) const READONLY_PATHS: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// What a `*Mode` field of `HostConfig` says about a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode<'a> {
    /// One of its own.
    Private,
    /// The host's.
    Host,
    /// That of another container, by name or id.
    Container(&'a str),
    /// Something else: `none`, `shareable`, the name of a network.
    Other(&'a str),
}

/// Reads a mode.
pub(crate) fn mode(text: &str) -> Mode<'_> {
    match text {
        "" | "private" | "default" => Mode::Private,
        "host" => Mode::Host,
        other => match other.strip_prefix("container:") {
            Some(name) => Mode::Container(name),
            None => Mode::Other(other),
        },
    }
}

pub(super) fn build(source: &Source<'_>) -> Vec<LinuxNamespace> {
    use LinuxNamespaceType as Type;
    let host_config = source.host_config;
    let mut list = vec![namespace(Type::Mount, None)];
    let mut add = |kind, text: &str, path: Option<PathBuf>| {
        if mode(text) != Mode::Host {
            list.push(namespace(kind, path));
        }
    };
    let of = |pid: Option<i32>, name: &str| {
        pid.map(|pid| PathBuf::from(format!("/proc/{pid}/ns/{name}")))
    };
    // A joined network namespace is handed to the launcher as a descriptor.
    add(Type::Network, &host_config.network_mode, None);
    add(Type::Uts, &host_config.uts_mode, None);
    add(Type::Pid, &host_config.pid_mode, of(source.joined.pid, "pid"));
    add(Type::Ipc, &host_config.ipc_mode, of(source.joined.ipc, "ipc"));
    let cgroup = match host_config.cgroupns_mode.as_str() {
        "" if source.host.cgroup_v2 && !host_config.privileged => "private",
        "" => "host",
        mode => mode,
    };
    add(Type::Cgroup, cgroup, None);
    list
}

fn namespace(kind: LinuxNamespaceType, path: Option<PathBuf>) -> LinuxNamespace {
    let mut namespace = LinuxNamespace::default();
    namespace.set_typ(kind).set_path(path);
    namespace
}

/// `linux.maskedPaths`: the client's list, or the default one and what this host adds to it.
pub(super) fn masked_paths(source: &Source<'_>) -> Vec<String> {
    let host_config = source.host_config;
    match &host_config.masked_paths {
        _ if host_config.privileged => Vec::new(),
        Some(paths) if *paths != MASKED_PATHS => paths.clone(),
        _ => {
            let defaults = MASKED_PATHS.iter().map(|path| (*path).to_owned());
            defaults.chain(source.host.thermal_throttle.iter().cloned()).collect()
        }
    }
}

/// `linux.readonlyPaths`.
pub(super) fn readonly_paths(source: &Source<'_>) -> Vec<String> {
    let host_config = source.host_config;
    match &host_config.readonly_paths {
        _ if host_config.privileged => Vec::new(),
        Some(paths) => paths.clone(),
        None => READONLY_PATHS.iter().map(|path| (*path).to_owned()).collect(),
    }
}
