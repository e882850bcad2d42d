//! What the daemon fills in where neither client nor image says: so that inspect shows what really holds.

use api_spec::container::{CreateRequest, HostConfig};

use crate::containers::RUNTIME_NAME;
use crate::networks::BRIDGE;
use crate::spec::{HostFacts, MASKED_PATHS, Mode, READONLY_PATHS, mode};

/// Size of `/dev/shm` in bytes.
const SHM_SIZE: i64 = 64 * 1024 * 1024;
/// Digits of the id that make a hostname.
const HOSTNAME_LENGTH: usize = 12;

/// Fills `request` in. `hostname_of` finds the hostname of another container.
pub(super) fn fill(
    request: &mut CreateRequest,
    id: &str,
    facts: &HostFacts,
    hostname_of: impl Fn(&str) -> Option<String>,
) {
    let CreateRequest { config, host_config, .. } = request;
    let text = |field: &mut String, default: &str| {
        if field.is_empty() {
            default.clone_into(field);
        }
    };
    if host_config.network_mode == "default" {
        host_config.network_mode.clear();
    }
    text(&mut host_config.network_mode, BRIDGE);
    text(&mut host_config.ipc_mode, "private");
    text(&mut host_config.restart_policy.name, "no");
    text(&mut host_config.runtime, RUNTIME_NAME);
    let private = facts.cgroup_v2 && !host_config.privileged;
    text(&mut host_config.cgroupns_mode, if private { "private" } else { "host" });
    if host_config.shm_size == 0 {
        host_config.shm_size = SHM_SIZE;
    }
    if host_config.memory > 0 && host_config.memory_swap == 0 {
        host_config.memory_swap = host_config.memory.saturating_mul(2);
    }
    if !facts.cgroup_v2 {
        host_config.oom_kill_disable.get_or_insert(false);
    }
    unlabelled(host_config);
    host_config.memory_swappiness = host_config.memory_swappiness.filter(|value| *value >= 0);
    host_config.pids_limit = host_config.pids_limit.filter(|limit| *limit > 0);
    if !host_config.privileged {
        let list = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        host_config.masked_paths.get_or_insert_with(|| list(&MASKED_PATHS));
        host_config.readonly_paths.get_or_insert_with(|| list(&READONLY_PATHS));
    }
    config.working_dir = clean(&config.working_dir);
    if config.hostname.is_empty() {
        let host = mode(&host_config.network_mode) == Mode::Host
            || mode(&host_config.uts_mode) == Mode::Host;
        config.hostname = match mode(&host_config.network_mode) {
            Mode::Container(name) => hostname_of(name).unwrap_or_default(),
            _ if host => host_name(),
            _ => id.chars().take(HOSTNAME_LENGTH).collect(),
        };
    }
}

/// Docker notes that what shares so much with the host gets no label of its own.
fn unlabelled(host_config: &mut HostConfig) {
    let shares = host_config.privileged
        || mode(&host_config.ipc_mode) == Mode::Host
        || mode(&host_config.pid_mode) == Mode::Host;
    let options = host_config.security_opt.iter().flatten();
    let said = options.into_iter().any(|option| option.starts_with("label"));
    if shares && !said {
        host_config.security_opt.get_or_insert_default().push("label=disable".to_owned());
    }
}

/// A path without `.`, `..` and doubled slashes, by its text alone.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    if path.is_empty() { String::new() } else { format!("/{}", parts.join("/")) }
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_cleaned() {
        assert_eq!(clean("/etc/../var//x/./"), "/var/x");
        assert_eq!((clean("/.."), clean("")), ("/".to_owned(), String::new()));
    }
}
