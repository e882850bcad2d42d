//! What a create request must fulfil, with Docker's texts where it refuses the same.

mod limits;
mod mounts;
mod security;

use std::sync::Arc;

use api_spec::container::{ContainerConfig, CreateRequest, HostConfig};

pub(super) use limits::drop_io_weights;

use super::RUNTIME_NAME;
use super::error::Error;
use super::logging;
use super::record::Definition;
use super::signals;
use crate::config::CgroupDriver;
use crate::config::cgroups::check_parent;
use crate::spec::{HostFacts, Mode, mode};

/// Runtimes that clients of Docker name and that mean ours.
const RUNTIME_ALIASES: [&str; 4] = ["", "runc", "io.containerd.runc.v2", RUNTIME_NAME];
/// Shortest time in a health check.
const SHORTEST_HEALTH_TIME_NANOSECONDS: i64 = 1_000_000;

fn invalid(text: impl Into<String>) -> Result<(), Error> {
    Err(Error::Invalid(text.into()))
}

/// Everything outside `HostConfig`.
pub(super) fn config(config: &ContainerConfig) -> Result<(), Error> {
    for variable in config.env.iter().flatten() {
        if variable.is_empty() || variable.starts_with('=') || variable.contains('\0') {
            return invalid(format!("invalid environment variable: {variable}"));
        }
    }
    let directory = &config.working_dir;
    if !directory.is_empty() && !directory.starts_with('/') {
        return invalid(format!(
            "the working directory '{directory}' is invalid, it needs to be an absolute path"
        ));
    }
    if !config.stop_signal.is_empty() && signals::parse(&config.stop_signal).is_none() {
        return invalid(format!("invalid signal: {}", config.stop_signal));
    }
    let texts = [&config.hostname, &config.domainname, &config.user];
    let words = crate::spec::command_line(config);
    if texts.into_iter().chain(&words).any(|text| text.contains('\0')) {
        return invalid("invalid configuration: a text holds a zero byte");
    }
    health(config)?;
    if config.hostname.len() > 64 || config.domainname.len() > 64 {
        return invalid("invalid hostname: it is longer than 64 bytes");
    }
    Ok(())
}

fn health(config: &ContainerConfig) -> Result<(), Error> {
    let Some(check) = &config.healthcheck else { return Ok(()) };
    for (name, nanoseconds) in [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ] {
        if nanoseconds != 0 && nanoseconds < SHORTEST_HEALTH_TIME_NANOSECONDS {
            return invalid(format!("{name} in Healthcheck cannot be less than 1ms"));
        }
    }
    match check.retries {
        ..0 => invalid("Retries in Healthcheck cannot be negative"),
        _ => Ok(()),
    }
}

/// What an update sets.
pub(super) fn update(update: &HostConfig, warnings: &mut Vec<String>) -> Result<(), Error> {
    limits::check(update, warnings)?;
    restart_policy(update)
}

/// `HostConfig`, apart from modes that need other containers.
pub(super) fn host_config(
    host_config: &HostConfig,
    facts: &HostFacts,
    warnings: &mut Vec<String>,
) -> Result<(), Error> {
    limits::check(host_config, warnings)?;
    mounts::check(host_config)?;
    security::check(host_config, facts)?;
    restart_policy(host_config)?;
    logging::check(&host_config.log_config)?;
    cgroup_parent(host_config, facts)?;
    if host_config.annotations.as_ref().is_some_and(|annotations| annotations.contains_key("")) {
        return invalid(
            "invalid Annotations: the empty string is not permitted as an annotation key",
        );
    }
    if !RUNTIME_ALIASES.contains(&host_config.runtime.as_str()) {
        return invalid(format!("unknown or invalid runtime name: {}", host_config.runtime));
    }
    if !matches!(host_config.isolation.as_str(), "" | "default") {
        let isolation = &host_config.isolation;
        return invalid(format!(
            "Invalid isolation: {isolation:?} - linux only supports 'default'"
        ));
    }
    for entry in host_config.extra_hosts.iter().flatten() {
        let address = entry.split_once(['=', ':']).filter(|(name, _)| !name.is_empty());
        let Some((_, address)) = address else {
            return invalid(format!("bad format for add-host: {entry:?}"));
        };
        let bare = address.trim_matches(['[', ']']);
        if address != "host-gateway" && bare.parse::<std::net::IpAddr>().is_err() {
            return invalid(format!("invalid IP address in add-host: {address:?}"));
        }
    }
    names_and_servers(host_config, warnings)
}

fn cgroup_parent(host_config: &HostConfig, facts: &HostFacts) -> Result<(), Error> {
    let driver = match facts.cgroup_systemd {
        true => CgroupDriver::Systemd,
        false => CgroupDriver::Cgroupfs,
    };
    match host_config.cgroup_parent.as_str() {
        "" => Ok(()),
        parent => check_parent(driver, parent).or_else(invalid),
    }
}

fn names_and_servers(host_config: &HostConfig, warnings: &mut Vec<String>) -> Result<(), Error> {
    for server in host_config.dns.iter().flatten() {
        match server.parse::<std::net::IpAddr>() {
            Ok(address) if address.is_loopback() => warnings
                .push(format!("Localhost DNS setting (--dns={server}) may fail in containers.")),
            Ok(_) => {}
            Err(_) => return invalid(format!("bad nameserver address: {server:?}")),
        }
    }
    let lists = [&host_config.dns_search, &host_config.dns_options];
    for word in lists.into_iter().flatten().flatten() {
        if word.contains(char::is_whitespace) {
            return invalid(format!("invalid domain or option for resolv.conf: {word:?}"));
        }
    }
    Ok(())
}

fn restart_policy(host_config: &HostConfig) -> Result<(), Error> {
    let policy = &host_config.restart_policy;
    let (name, count) = (policy.name.as_str(), policy.maximum_retry_count);
    if !matches!(name, "" | "no" | "always" | "unless-stopped" | "on-failure") {
        return invalid(format!(
            "invalid restart policy: unknown policy '{name}'; use one of 'no', 'always', 'on-failure', or \
             'unless-stopped'"
        ));
    }
    if count < 0 {
        return invalid("invalid restart policy: maximum retry count cannot be negative");
    }
    if count > 0 && name != "on-failure" {
        return invalid(
            "invalid restart policy: maximum retry count can only be used with 'on-failure'",
        );
    }
    if host_config.auto_remove && !matches!(name, "" | "no") {
        return invalid("can't create 'AutoRemove' container with restart policy");
    }
    Ok(())
}

/// The modes, some of which name other containers.
pub(super) fn modes(
    request: &CreateRequest,
    find: impl Fn(&str) -> Result<Arc<Definition>, Error>,
) -> Result<(), Error> {
    let (config, host_config) = (&request.config, &request.host_config);
    let exists = |name: &str| match find(name) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Invalid(error.to_string())),
    };
    match mode(&host_config.ipc_mode) {
        Mode::Container("") => {
            return invalid("failed to join IPC namespace: invalid name or ID supplied: \"\"");
        }
        Mode::Container(name) => exists(name)?,
        Mode::Other(other) if !matches!(other, "none" | "shareable") => {
            return invalid(format!("invalid IPC mode: {other}"));
        }
        _ => {}
    }
    match (mode(&host_config.pid_mode), host_config.pid_mode.as_str()) {
        (Mode::Container(name), _) => exists(name)?,
        (Mode::Host, _) | (_, "") => {}
        (_, other) => return invalid(format!("invalid PID mode: {other}")),
    }
    if !matches!(host_config.uts_mode.as_str(), "" | "host") {
        return invalid(format!("invalid UTS mode: {}", host_config.uts_mode));
    }
    if mode(&host_config.uts_mode) == Mode::Host && !config.hostname.is_empty() {
        return invalid("conflicting options: hostname and the UTS mode");
    }
    if !matches!(host_config.cgroupns_mode.as_str(), "" | "private" | "host") {
        return invalid(format!("invalid cgroup namespace mode: {}", host_config.cgroupns_mode));
    }
    let shared = matches!(mode(&host_config.network_mode), Mode::Container(_));
    if mode(&host_config.network_mode) == Mode::Container("") {
        return invalid("Invalid network mode: invalid container format container:<name|id>");
    }
    if shared && !config.hostname.is_empty() {
        return invalid("conflicting options: hostname and the network mode");
    }
    if shared && host_config.extra_hosts.as_ref().is_some_and(|hosts| !hosts.is_empty()) {
        return invalid("conflicting options: custom host-to-IP mapping and the network mode");
    }
    if shared && host_config.dns.as_ref().is_some_and(|servers| !servers.is_empty()) {
        return invalid("conflicting options: dns and the network mode");
    }
    Ok(())
}
