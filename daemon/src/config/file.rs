//! `daemon.json`, with dockerd's keys.
//!
//! A key that dockerd does not have is an error, as in dockerd; so is one that dockerd has and
//! Jocker does not obey yet, because a setting that is silently ignored is worse.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::config::ConfigError;

/// Largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Keys that Jocker obeys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct File {
    pub(crate) hosts: Option<Vec<String>>,
    pub(crate) data_root: Option<PathBuf>,
    pub(crate) exec_root: Option<PathBuf>,
    pub(crate) pidfile: Option<PathBuf>,
    pub(crate) group: Option<String>,
    pub(crate) debug: Option<bool>,
    pub(crate) log_level: Option<String>,
    pub(crate) log_format: Option<String>,
    pub(crate) insecure_registries: Option<Vec<String>>,
    pub(crate) registry_mirrors: Option<Vec<String>>,
    pub(crate) max_concurrent_downloads: Option<usize>,
    pub(crate) bridge: Option<String>,
    pub(crate) bip: Option<String>,
    pub(crate) ip: Option<String>,
    pub(crate) ipv6: Option<bool>,
    pub(crate) fixed_cidr_v6: Option<String>,
    pub(crate) ip6tables: Option<bool>,
    pub(crate) mtu: Option<u32>,
    pub(crate) default_address_pools: Option<Vec<Pool>>,
    pub(crate) labels: Option<Vec<String>>,
    pub(crate) exec_opts: Option<Vec<String>>,
    pub(crate) cgroup_parent: Option<String>,
    pub(crate) shutdown_timeout: Option<u64>,
    pub(crate) log_driver: Option<String>,
    pub(crate) log_opts: Option<BTreeMap<String, String>>,
    pub(crate) metrics_addr: Option<String>,
    pub(crate) tls: Option<bool>,
    pub(crate) tlsverify: Option<bool>,
    pub(crate) tlscacert: Option<PathBuf>,
    pub(crate) tlscert: Option<PathBuf>,
    pub(crate) tlskey: Option<PathBuf>,
    /// `false`: containers are stopped when the daemon is told to end.
    pub(crate) live_restore: Option<bool>,
    /// In megabytes; dockerd has no such key.
    pub(crate) disk_reserve: Option<u64>,
}

/// One entry of `default-address-pools`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Pool {
    pub(crate) base: String,
    pub(crate) size: u8,
}

const OBEYED: [&str; 33] = [
    "bip",
    "bridge",
    "cgroup-parent",
    "data-root",
    "debug",
    "default-address-pools",
    "disk-reserve",
    "exec-opts",
    "exec-root",
    "fixed-cidr-v6",
    "group",
    "hosts",
    "insecure-registries",
    "ip",
    "ip6tables",
    "ipv6",
    "labels",
    "live-restore",
    "log-driver",
    "log-format",
    "log-level",
    "log-opts",
    "max-concurrent-downloads",
    "metrics-addr",
    "mtu",
    "pidfile",
    "registry-mirrors",
    "shutdown-timeout",
    "tls",
    "tlscacert",
    "tlscert",
    "tlskey",
    "tlsverify",
];

/// Keys of dockerd that Jocker knows only by name.
const NOT_YET: &str = "allow-nondistributable-artifacts authorization-plugins builder \
    cluster-advertise cluster-store cluster-store-opts containerd containerd-namespace \
    containerd-plugin-namespace default-cgroupns-mode default-gateway default-gateway-v6 \
    default-ipc-mode default-network-opts default-runtime default-shm-size default-ulimits dns \
    dns-opts dns-search experimental features fixed-cidr host-gateway-ip http-proxy \
    https-proxy icc init init-path ip-forward ip-masq iptables \
    max-concurrent-uploads max-download-attempts min-api-version no-new-privileges \
    no-proxy node-generic-resources oom-score-adjust proxies raw-logs runtimes seccomp-profile \
    selinux-enabled storage-driver storage-opts swarm-default-advertise-addr userland-proxy \
    userland-proxy-path userns-remap validate";

/// Reads a file. `None`: it is not there and need not be.
///
/// # Errors
/// When it cannot be read, is no JSON object, or has a key that is not obeyed.
pub(crate) fn read(path: &Path, required: bool) -> Result<Option<File>, ConfigError> {
    let fail = |message: String| ConfigError::File { path: path.to_owned(), message };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let message = format!("open {}: no such file or directory", path.display());
            return if required { Err(fail(message)) } else { Ok(None) };
        }
        Err(error) => return Err(fail(format!("open {}: {error}", path.display()))),
    };
    let mut text = String::new();
    std::io::Read::read_to_string(&mut std::io::Read::take(file, MAX_FILE_BYTES), &mut text)
        .map_err(|error| fail(format!("read {}: {error}", path.display())))?;
    parse(&text).map(Some).map_err(fail)
}

fn parse(text: &str) -> Result<File, String> {
    if text.trim().is_empty() {
        return Ok(File::default());
    }
    let keys: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    let later: Vec<&str> = NOT_YET.split_whitespace().collect();
    let (mut unknown, mut not_yet) = (Vec::new(), Vec::new());
    for key in keys.keys().map(String::as_str).filter(|key| !OBEYED.contains(key)) {
        if later.contains(&key) { not_yet.push(key) } else { unknown.push(key) }
    }
    if !unknown.is_empty() {
        let keys = unknown.join(", ");
        return Err(format!(
            "the following directives don't match any configuration option: {keys}"
        ));
    }
    if !not_yet.is_empty() {
        let keys = not_yet.join(", ");
        return Err(format!("the following directives are not supported by Jocker: {keys}"));
    }
    for (key, value) in &keys {
        let alone = serde_json::Map::from_iter([(key.clone(), value.clone())]);
        File::deserialize(serde_json::Value::Object(alone))
            .map_err(|error| format!("directive {key}: {error}"))?;
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_nobody_obeys_are_refused() {
        let error = parse(r#"{"foo":1,"debug":true,"bar":2}"#).unwrap_err();
        let words = "the following directives don't match any configuration option: bar, foo";
        assert_eq!(error, words);
        assert!(parse(r#"{"icc":false}"#).unwrap_err().ends_with("by Jocker: icc"));
        assert!(parse(r#"{"debug":"x"}"#).is_err());
        assert!(parse("{").is_err());
    }

    #[test]
    fn every_obeyed_key_is_read() {
        assert_eq!(parse("").unwrap(), File::default());
        let file = parse(
            r#"{"data-root":"/d","default-address-pools":[{"base":"10.0.0.0/8","size":24}]}"#,
        );
        let file = file.unwrap();
        assert_eq!(file.data_root, Some("/d".into()));
        assert_eq!(file.default_address_pools.unwrap()[0].size, 24);
        for key in OBEYED {
            let wrong = format!(r#"{{"{key}":[{{}}]}}"#);
            assert!(parse(&wrong).is_err(), "{key} is not read");
        }
    }
}
