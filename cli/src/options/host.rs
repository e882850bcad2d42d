//! The part of a container's configuration that is about the host.

use std::collections::BTreeMap;

use api_spec::container::{
    ContainerConfig, DeviceMapping, HostConfig, LogConfig, RestartPolicy, Ulimit,
};

use super::parse::{bytes, map, nano_cpus, some_list, some_map};
use super::{OptionsError, mounts, ports};
use crate::args::ContainerOptions;
use crate::terminal;

/// `HostConfig`; anonymous volumes go to `config`.
pub(super) fn config(
    options: &ContainerOptions,
    config: &mut ContainerConfig,
) -> Result<HostConfig, OptionsError> {
    if options.auto_remove && !matches!(options.restart.as_str(), "" | "no") {
        return Err(OptionsError::Conflict(
            "conflicting options: cannot specify both --restart and --rm",
        ));
    }
    let text = |option: &Option<String>| option.clone().unwrap_or_default();
    let console_size = match terminal::size() {
        Some((rows, columns)) if options.tty => [u32::from(rows), u32::from(columns)],
        _ => [0, 0],
    };
    let host = HostConfig {
        binds: mounts::volumes(&options.volume, config)?,
        container_id_file: text(&options.cidfile),
        log_config: LogConfig {
            r#type: text(&options.log_driver),
            config: Some(map(&options.log_opt)),
        },
        network_mode: options.network.clone().unwrap_or_else(|| "default".into()),
        port_bindings: Some(ports::bindings(options)?),
        restart_policy: restart(&options.restart)?,
        auto_remove: options.auto_remove,
        volume_driver: text(&options.volume_driver),
        volumes_from: some_list(&options.volumes_from),
        console_size,
        annotations: some_map(&options.annotation),
        cap_add: some_list(&options.cap_add),
        cap_drop: some_list(&options.cap_drop),
        cgroupns_mode: text(&options.cgroupns),
        dns: Some(options.dns.clone()),
        dns_options: Some(options.dns_option.clone()),
        dns_search: Some(options.dns_search.clone()),
        extra_hosts: some_list(&options.add_host),
        group_add: some_list(&options.group_add),
        ipc_mode: text(&options.ipc),
        links: some_list(&options.link),
        oom_score_adj: options.oom_score_adj.unwrap_or(0),
        pid_mode: text(&options.pid),
        privileged: options.privileged,
        publish_all_ports: options.publish_all,
        readonly_rootfs: options.read_only,
        security_opt: some_list(&options.security_opt),
        storage_opt: some_map(&options.storage_opt),
        tmpfs: tmpfs(&options.tmpfs),
        uts_mode: text(&options.uts),
        userns_mode: text(&options.userns),
        shm_size: bytes("--shm-size", options.shm_size.as_ref())?,
        sysctls: some_map(&options.sysctl),
        runtime: text(&options.runtime),
        mounts: mount_list(&options.mount)?,
        init: options.init.then_some(true),
        ..HostConfig::default()
    };
    limits(options, host)
}

fn limits(options: &ContainerOptions, host: HostConfig) -> Result<HostConfig, OptionsError> {
    let text = |option: &Option<String>| option.clone().unwrap_or_default();
    let memory_swap = match options.memory_swap.as_deref() {
        Some("-1") => -1,
        _ => bytes("--memory-swap", options.memory_swap.as_ref())?,
    };
    Ok(HostConfig {
        cpu_shares: options.cpu_shares.unwrap_or(0),
        memory: bytes("--memory", options.memory.as_ref())?,
        nano_cpus: nano_cpus(options.cpus.as_ref())?,
        cgroup_parent: text(&options.cgroup_parent),
        blkio_weight: options.blkio_weight.unwrap_or(0),
        cpu_period: options.cpu_period.unwrap_or(0),
        cpu_quota: options.cpu_quota.unwrap_or(0),
        cpuset_cpus: text(&options.cpuset_cpus),
        cpuset_mems: text(&options.cpuset_mems),
        devices: Some(options.device.iter().map(|flag| device(flag)).collect()),
        device_cgroup_rules: some_list(&options.device_cgroup_rule),
        memory_reservation: bytes("--memory-reservation", options.memory_reservation.as_ref())?,
        memory_swap,
        memory_swappiness: options.memory_swappiness,
        oom_kill_disable: Some(options.oom_kill_disable),
        pids_limit: options.pids_limit,
        ulimits: ulimits(&options.ulimit)?,
        ..host
    })
}

fn mount_list(flags: &[String]) -> Result<Option<Vec<api_spec::container::Mount>>, OptionsError> {
    let mounts: Result<Vec<_>, _> = flags.iter().map(|flag| mounts::mount(flag)).collect();
    mounts.map(|mounts| (!mounts.is_empty()).then_some(mounts))
}

fn tmpfs(flags: &[String]) -> Option<BTreeMap<String, String>> {
    let split = |flag: &String| {
        let (path, options) = flag.split_once(':').unwrap_or((flag, ""));
        (path.to_owned(), options.to_owned())
    };
    (!flags.is_empty()).then(|| flags.iter().map(split).collect())
}

/// `no`, `always`, `unless-stopped`, `on-failure[:COUNT]`; which ones there are is the daemon's to
/// say.
fn restart(text: &str) -> Result<RestartPolicy, OptionsError> {
    let (name, count) = text.split_once(':').unwrap_or((text, "0"));
    let maximum_retry_count = count.parse().map_err(|_| {
        OptionsError::invalid("--restart", text, "maximum retry count must be an integer")
    })?;
    Ok(RestartPolicy { name: name.into(), maximum_retry_count })
}

/// `HOST[:CONTAINER[:rwm]]`, or `HOST:rwm`.
fn device(flag: &str) -> DeviceMapping {
    let is_mode = |text: &str| !text.is_empty() && text.chars().all(|c| "rwm".contains(c));
    let parts: Vec<&str> = flag.splitn(3, ':').collect();
    let (host, inner, mode) = match parts[..] {
        [host, inner, mode] => (host, inner, mode),
        [host, mode] if is_mode(mode) => (host, host, mode),
        [host, inner] => (host, inner, "rwm"),
        _ => (flag, flag, "rwm"),
    };
    DeviceMapping {
        path_on_host: host.into(),
        path_in_container: inner.into(),
        cgroup_permissions: mode.into(),
    }
}

/// `NAME=SOFT[:HARD]`
fn ulimits(flags: &[String]) -> Result<Option<Vec<Ulimit>>, OptionsError> {
    let parse = |flag: &String| {
        let (name, limits) = flag.split_once('=')?;
        let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
        Some(Ulimit { name: name.into(), soft: soft.parse().ok()?, hard: hard.parse().ok()? })
    };
    let mut ulimits = Vec::new();
    for flag in flags {
        let expected = "expected NAME=SOFT[:HARD]";
        ulimits.push(parse(flag).ok_or_else(|| OptionsError::invalid("--ulimit", flag, expected))?);
    }
    Ok((!ulimits.is_empty()).then_some(ulimits))
}
