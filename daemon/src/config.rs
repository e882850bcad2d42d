//! The daemon's configuration: flags and `daemon.json`, merged and checked, as one value.

pub(crate) mod address;
pub(crate) mod cgroups;
pub(crate) mod file;
pub(crate) mod flags;
pub(crate) mod host;
mod ipv6;
mod merge;
pub(crate) mod tls;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use address::AddressPool;
use flags::Flags;
use host::Host;
pub(crate) use ipv6::DefaultV6;

const DEFAULT_FILE: &str = "/etc/jocker/daemon.json";

/// What the daemon was told, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// At least one.
    pub(crate) hosts: Vec<Host>,
    /// `ADDRESS:PORT` that metrics are served on.
    pub(crate) metrics_address: Option<String>,
    /// What is asked of clients on TCP.
    pub(crate) access: tls::Access,
    /// Absolute, as are the paths below.
    pub(crate) data_root: PathBuf,
    pub(crate) exec_root: PathBuf,
    pub(crate) pidfile: PathBuf,
    /// Name or number; `None` means `docker` if there is such a group.
    pub(crate) group: Option<String>,
    pub(crate) log_level: LogLevel,
    pub(crate) log_format: LogFormat,
    pub(crate) insecure_registries: Vec<String>,
    pub(crate) registry_mirrors: Vec<String>,
    pub(crate) max_concurrent_downloads: usize,
    /// Name of the default bridge; `none` switches it off.
    pub(crate) bridge: String,
    /// Address and prefix length of the default bridge, if fixed.
    pub(crate) bip: Option<(Ipv4Addr, u8)>,
    /// The default bridge has IPv6.
    pub(crate) default_v6: Option<DefaultV6>,
    /// Where ports are published that name no address of the host; everywhere if there is none.
    pub(crate) publish_on: Option<Ipv4Addr>,
    /// Of container networks, in bytes.
    pub(crate) mtu: u32,
    /// Where subnets are taken from; empty means Docker's own pools.
    pub(crate) address_pools: Vec<AddressPool>,
    /// `KEY=VALUE`.
    pub(crate) labels: Vec<String>,
    pub(crate) cgroups: Cgroups,
    /// How long requests may take to finish when the daemon is told to end.
    pub(crate) drain: Duration,
    /// Containers are stopped when the daemon is told to end; they outlive every other end of it.
    pub(crate) shutdown_containers: bool,
    /// How long a container may take from its start to its program.
    pub(crate) start_limit: Duration,
    /// Of containers whose client names none; `None` for json-file.
    pub(crate) log_driver: Option<String>,
    pub(crate) log_options: BTreeMap<String, String>,
    /// Load the embedded image if it is absent.
    pub(crate) embedded_image: bool,
    /// Bytes of the data root's file system that nothing new may take.
    pub(crate) disk_reserve: u64,
}

/// Who makes containers' control groups, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cgroups {
    pub(crate) driver: CgroupDriver,
    /// An absolute path, or with systemd the name of a slice.
    pub(crate) parent: String,
}

/// `native.cgroupdriver`, with dockerd's names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum CgroupDriver {
    /// The runtime itself: no other process is asked.
    #[default]
    Cgroupfs,
    /// systemd, as transient scopes.
    Systemd,
}

impl CgroupDriver {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cgroupfs => "cgroupfs",
            Self::Systemd => "systemd",
        }
    }
}

/// Why the daemon cannot be configured. Each text is one line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("unable to configure the daemon with file {}: {message}", path.display())]
    File { path: PathBuf, message: String },
    #[error("unable to configure the daemon with file {}: the following directives are specified \
             both as a flag and in the configuration file: {settings}", path.display())]
    Conflict { path: PathBuf, settings: String },
    #[error("{0}")]
    Invalid(String),
}

/// What is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

impl LogLevel {
    fn parse(text: Option<&str>) -> Result<Self, ConfigError> {
        match text.unwrap_or("info") {
            "trace" | "debug" => Ok(Self::Debug),
            "info" | "" => Ok(Self::Info),
            "warn" | "warning" => Ok(Self::Warn),
            "error" | "fatal" | "panic" => Ok(Self::Error),
            other => Err(ConfigError::Invalid(format!("invalid logging level: {other}"))),
        }
    }
}

/// How it is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl LogFormat {
    fn parse(text: Option<&str>) -> Result<Self, ConfigError> {
        match text.unwrap_or("text") {
            "text" | "" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(ConfigError::Invalid(format!("invalid log format: {other}"))),
        }
    }
}

/// Reads the configuration file and merges it with the flags.
///
/// # Errors
/// See [`ConfigError`].
pub(crate) fn load(flags: Flags) -> Result<Config, ConfigError> {
    let given = flags.config_file.clone();
    let path = given.as_deref().unwrap_or(Path::new(DEFAULT_FILE)).to_owned();
    let file = file::read(&path, given.is_some())?.unwrap_or_default();
    merge::merge(flags, file, &path)
}
