//! Docker's configuration → OCI runtime spec. Pure: data in, data out, no file is opened and no process is asked.
//! What Docker can say and an OCI spec can not (user by name, `--init`) comes out beside it as [`Extras`].

mod block_io;
mod caps;
mod devices;
mod limits;
mod mounts;
mod namespaces;
mod network;
mod process;
mod seccomp;

use std::path::PathBuf;

use api_spec::container::{ContainerConfig, HostConfig, Mount};
use api_spec::exec::ExecConfig;
use oci_spec::runtime::{Linux, Process, Root, Spec};
use runtime::plan::Extras;

pub(crate) use caps::check_capability;
pub(crate) use devices::{DeviceRule, Devices, Disk, HostDevice, parse_rule as parse_device_rule};
pub(crate) use limits::{cgroup_path, check_cpus, limits, ulimit_type};
pub(crate) use mounts::{
    Bind, VolumeMount, bind_sources, binds, clean as clean_path, host_binds, parse_bind,
    parse_tmpfs, targets as mount_targets,
};
pub(crate) use namespaces::{MASKED_PATHS, Mode, READONLY_PATHS, mode};
pub(crate) use network::{Hosts, Resolver, etc_hosts, etc_resolv_conf, host_names, nameservers};
pub(crate) use process::command_line;
pub(crate) use seccomp::seccomp_profile;

/// Everything that the translation looks at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// The container's id, 64 hexadecimal digits.
    pub(crate) id: &'a str,
    /// The configuration, already merged with the image's.
    pub(crate) config: &'a ContainerConfig,
    pub(crate) host_config: &'a HostConfig,
    /// Host files bound over `/etc/resolv.conf`, `/etc/hostname` and `/etc/hosts`.
    pub(crate) files: &'a Files,
    pub(crate) volumes: &'a [VolumeMount],
    /// Binds that come from other containers.
    pub(crate) inherited: &'a [Mount],
    pub(crate) devices: &'a Devices,
    /// Pids of the containers whose namespaces are joined (`container:<id>`).
    pub(crate) joined: Joined,
    pub(crate) host: &'a HostFacts,
}

/// Paths of the three files that every container gets, if it gets them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) resolv_conf: PathBuf,
    pub(crate) hostname: PathBuf,
    pub(crate) hosts: PathBuf,
}

/// First processes of the containers whose namespaces this one joins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) ipc: Option<i32>,
    pub(crate) pid: Option<i32>,
}

/// What the translation needs to know of host and daemon.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HostFacts {
    /// The only cgroup hierarchy is version 2.
    pub(crate) cgroup_v2: bool,
    /// Control groups can weight block I/O.
    pub(crate) io_weight: bool,
    /// Paths to mask beside Docker's list: `thermal_throttle` of each CPU that has one.
    pub(crate) thermal_throttle: Vec<String>,
    /// What the daemon itself may give: its bounding set, as names (`CAP_CHOWN`).
    pub(crate) bounding: Vec<String>,
    /// Of `/dev/mqueue` and `/dev/shm`, what the host has: bound into containers that share its IPC.
    pub(crate) ipc_mounts: Vec<PathBuf>,
    /// The static program of `--init`.
    pub(crate) init: Option<PathBuf>,
    /// The parent is a slice of systemd, which makes the groups.
    pub(crate) cgroup_systemd: bool,
    /// The group of `HostConfig.CgroupParent` when a container names none: `/jocker`, `system.slice`.
    pub(crate) cgroup_parent: String,
    /// All device nodes of the host, for privileged containers.
    pub(crate) devices: Vec<HostDevice>,
}

/// The spec of a container and what lies beyond it. Seccomp is the caller's: it is cached compiled.
pub(crate) fn build(source: &Source<'_>) -> (Spec, Extras) {
    let mut spec = Spec::default();
    let mut root = Root::default();
    root.set_path(PathBuf::from("rootfs")).set_readonly(Some(source.host_config.readonly_rootfs));
    let uts_private = mode(&source.host_config.uts_mode) != Mode::Host;
    spec.set_version("1.2.0".to_owned())
        .set_root(Some(root))
        .set_process(Some(process::build(source)))
        .set_mounts(Some(mounts::build(source)))
        .set_hostname(uts_private.then(|| source.config.hostname.clone()))
        .set_domainname(
            Some(source.config.domainname.clone()).filter(|name| uts_private && !name.is_empty()),
        )
        .set_annotations(
            (source.host_config.annotations.as_ref())
                .map(|map| map.iter().map(|(key, value)| (key.clone(), value.clone())).collect()),
        )
        .set_linux(Some(linux(source)));
    (spec, process::extras(source))
}

/// The process of an exec, what lies beyond it, and of its container's spec what an exec is compiled from: which
/// namespaces and control groups there are, and the first process, whose capabilities the filter goes by.
pub(crate) fn build_exec(source: &Source<'_>, exec: &ExecConfig) -> (Spec, Process, Extras) {
    let mut linux = Linux::default();
    linux
        .set_namespaces(Some(namespaces::build(source)))
        .set_cgroups_path(Some(cgroup_path(source.host_config, source.host, source.id).into()));
    let first = process::build(source);
    let (process, extras) = process::exec(source, first.clone(), exec);
    let mut spec = Spec::default();
    spec.set_process(Some(first)).set_linux(Some(linux));
    (spec, process, extras)
}

fn linux(source: &Source<'_>) -> Linux {
    let mut linux = Linux::default();
    linux
        .set_namespaces(Some(namespaces::build(source)))
        .set_masked_paths(Some(namespaces::masked_paths(source)))
        .set_readonly_paths(Some(namespaces::readonly_paths(source)))
        .set_sysctl(Some(network::sysctls(source)))
        .set_cgroups_path(Some(cgroup_path(source.host_config, source.host, source.id).into()))
        .set_resources(Some(limits::resources(source)))
        .set_devices(Some(devices::nodes(source)));
    linux
}

#[cfg(test)]
mod tests;
