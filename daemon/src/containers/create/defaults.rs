//! What the daemon fills in where neither client nor image says: so that inspect shows what really holds.

use api_spec::container::CreateRequest;

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
    host_config.memory_swappiness = host_config.memory_swappiness.filter(|value| *value >= 0);
    host_config.pids_limit = host_config.pids_limit.filter(|limit| *limit > 0);
    if !host_config.privileged {
        let list = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        host_config.masked_paths.get_or_insert_with(|| list(&MASKED_PATHS));
        host_config.readonly_paths.get_or_insert_with(|| list(&READONLY_PATHS));
    }
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

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
