//! Flags and file become one configuration. What both say is a conflict, even when they agree.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::address::{AddressPool, Cidr};
use crate::config::file::{File, Pool};
use crate::config::flags::Flags;
use crate::config::host::{DEFAULT_SOCKET, Host};
use crate::config::{Config, ConfigError, LogFormat, LogLevel, cgroups, ipv6, tls};
use crate::containers::check_log_default;

const DEFAULT_DATA_ROOT: &str = "/var/lib/jocker";
const DEFAULT_EXEC_ROOT: &str = "/var/run/jocker";
const DEFAULT_PIDFILE: &str = "/var/run/jocker.pid";
const DEFAULT_BRIDGE: &str = "jocker0";
const DEFAULT_MTU_BYTES: u32 = 1500;
const DEFAULT_DRAIN: Duration = Duration::from_secs(15);
/// A little more than the monitor has patience with the container's init, which names the step that hangs.
const DEFAULT_START_LIMIT: Duration = Duration::from_secs(150);
/// The database and the logs of what runs go on for a while with it.
const DEFAULT_RESERVE_MEGABYTES: u64 = 64;
const DEFAULT_CONCURRENT_DOWNLOADS: usize = 3;
/// Longest name of a network interface (netdevice(7): `IFNAMSIZ` with its final zero byte is 16).
const MAX_INTERFACE_BYTES: usize = 15;

/// Takes each setting from the one place that has it and notes those that both have.
#[derive(Default)]
pub(super) struct Conflicts(Vec<String>);

impl Conflicts {
    fn one<T>(
        &mut self,
        key: &str,
        flag: Option<T>,
        file: Option<T>,
        show: impl Fn(&T) -> String,
    ) -> Option<T> {
        if let (Some(flag), Some(file)) = (&flag, &file) {
            let (flag, file) = (show(flag), show(file));
            self.0.push(format!("{key}: (from flag: {flag}, from file: {file})"));
        }
        flag.or(file)
    }

    pub(super) fn scalar<T: Display>(
        &mut self,
        key: &str,
        flag: Option<T>,
        file: Option<T>,
    ) -> Option<T> {
        self.one(key, flag, file, T::to_string)
    }

    fn path(&mut self, key: &str, flag: Option<PathBuf>, file: Option<PathBuf>) -> Option<PathBuf> {
        self.one(key, flag, file, |path| path.display().to_string())
    }

    fn list(&mut self, key: &str, flag: Vec<String>, file: Option<Vec<String>>) -> Vec<String> {
        let flag = (!flag.is_empty()).then_some(flag);
        self.one(key, flag, file, |list| format!("[{}]", list.join(" "))).unwrap_or_default()
    }
}

impl Conflicts {
    fn downloads(&mut self, flags: &Flags, file: &File) -> usize {
        let (flag, file) = (flags.max_concurrent_downloads, file.max_concurrent_downloads);
        let given = self.scalar("max-concurrent-downloads", flag, file);
        given.unwrap_or(DEFAULT_CONCURRENT_DOWNLOADS)
    }

    /// In bytes.
    fn disk_reserve(&mut self, flag: Option<u64>, file: Option<u64>) -> u64 {
        let megabytes = self.scalar("disk-reserve", flag, file);
        megabytes.unwrap_or(DEFAULT_RESERVE_MEGABYTES).saturating_mul(1_000_000)
    }

    fn agree(self, path: &Path) -> Result<(), ConfigError> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(ConfigError::Conflict { path: path.to_owned(), settings: self.0.join(", ") })
    }

    /// The flag says no to what the file calls `live-restore`.
    fn shutdown_containers(&mut self, flags: &Flags, file: &File) -> bool {
        let flag = flags.shutdown_containers.then_some(false);
        self.scalar("live-restore", flag, file.live_restore) == Some(false)
    }
}

/// Merges and checks. Nothing outside is looked at.
///
/// # Errors
/// [`ConfigError::Conflict`] for settings in both places, [`ConfigError::Invalid`] for bad values.
pub(crate) fn merge(flags: Flags, file: File, path: &Path) -> Result<Config, ConfigError> {
    let mut both = Conflicts::default();
    let tls = tls_settings(&mut both, &flags, &file);
    let shutdown_containers = both.shutdown_containers(&flags, &file);
    let downloads = both.downloads(&flags, &file);
    let default_v6 = ipv6::read(&mut both, &flags, &file)?;
    let hosts = both.list("hosts", flags.hosts, file.hosts);
    let pools =
        pools(&mut both, &flags.default_address_pools, file.default_address_pools.as_deref())?;
    let debug = both.scalar("debug", flags.debug, file.debug).unwrap_or(false);
    let level = both.scalar("log-level", flags.log_level, file.log_level);
    let format = both.scalar("log-format", flags.log_format, file.log_format);
    let bridge = both.scalar("bridge", flags.bridge, file.bridge);
    let bip = both.scalar("bip", flags.bip, file.bip);
    let ip = both.scalar("ip", flags.ip, file.ip);
    let drain = both.scalar("shutdown-timeout", flags.shutdown_timeout, file.shutdown_timeout);
    let log_driver = both.scalar("log-driver", flags.log_driver, file.log_driver);
    let log_options = log_options(&mut both, &flags.log_opts, file.log_opts)?;
    check_log_default(log_driver.as_deref(), &log_options).map_err(ConfigError::Invalid)?;
    let exec_opts = both.list("exec-opts", flags.exec_opts, file.exec_opts);
    let cgroup_parent = both.scalar("cgroup-parent", flags.cgroup_parent, file.cgroup_parent);
    let hosts = parse_hosts(&hosts)?;
    let on_tcp = hosts.iter().any(|host| matches!(host, Host::Tcp(_)));
    let config = Config {
        cgroups: cgroups::read(&exec_opts, cgroup_parent)?,
        hosts,
        metrics_address: both.scalar("metrics-addr", flags.metrics_addr, file.metrics_addr),
        access: tls.access(on_tcp)?,
        data_root: absolute(
            both.path("data-root", flags.data_root, file.data_root),
            DEFAULT_DATA_ROOT,
        )?,
        exec_root: absolute(
            both.path("exec-root", flags.exec_root, file.exec_root),
            DEFAULT_EXEC_ROOT,
        )?,
        pidfile: absolute(both.path("pidfile", flags.pidfile, file.pidfile), DEFAULT_PIDFILE)?,
        group: both.scalar("group", flags.group, file.group),
        log_level: if debug { LogLevel::Debug } else { LogLevel::parse(level.as_deref())? },
        log_format: LogFormat::parse(format.as_deref())?,
        insecure_registries: both.list(
            "insecure-registries",
            flags.insecure_registries,
            file.insecure_registries,
        ),
        registry_mirrors: both.list(
            "registry-mirrors",
            flags.registry_mirrors,
            file.registry_mirrors,
        ),
        max_concurrent_downloads: at_least_one(downloads)?,
        bridge: checked_bridge(bridge, bip.is_some())?,
        bip: bip.map(|text| parse_bip(&text)).transpose()?,
        default_v6,
        publish_on: ip.as_deref().map(parse_publish_on).transpose()?,
        mtu: both.scalar("mtu", flags.mtu, file.mtu).unwrap_or(DEFAULT_MTU_BYTES),
        address_pools: pools,
        labels: checked_labels(both.list("labels", flags.labels, file.labels))?,
        drain: drain.map_or(DEFAULT_DRAIN, Duration::from_secs),
        shutdown_containers,
        start_limit: start_limit(flags.start_timeout),
        log_driver,
        log_options,
        embedded_image: flags.embedded_image,
        disk_reserve: both.disk_reserve(flags.disk_reserve, file.disk_reserve),
    };
    both.agree(path).map(|()| config)
}

fn tls_settings(both: &mut Conflicts, flags: &Flags, file: &File) -> tls::Settings {
    let tls = both.scalar("tls", flags.tls, file.tls);
    let verify = both.scalar("tlsverify", flags.tlsverify, file.tlsverify);
    let mut path = |key, flag: &Option<PathBuf>, file: &Option<PathBuf>| {
        both.path(key, flag.clone(), file.clone())
    };
    let authority = path("tlscacert", &flags.tlscacert, &file.tlscacert);
    let certificate = path("tlscert", &flags.tlscert, &file.tlscert);
    let key = path("tlskey", &flags.tlskey, &file.tlskey);
    tls::Settings { tls, verify, authority, certificate, key }
}

fn pools(
    both: &mut Conflicts,
    flags: &[String],
    file: Option<&[Pool]>,
) -> Result<Vec<AddressPool>, ConfigError> {
    let flags = flags.iter().map(|text| AddressPool::parse(text)).collect::<Result<Vec<_>, _>>();
    let flags = flags.map_err(ConfigError::Invalid)?;
    let file = file.map(|pools| {
        pools
            .iter()
            .map(|pool| AddressPool::new(&pool.base, pool.size))
            .collect::<Result<Vec<_>, _>>()
    });
    let file = file.transpose().map_err(ConfigError::Invalid)?;
    let show = |pools: &Vec<AddressPool>| {
        let pools: Vec<_> = pools.iter().map(ToString::to_string).collect();
        format!("[{}]", pools.join(" "))
    };
    let flags = (!flags.is_empty()).then_some(flags);
    Ok(both.one("default-address-pools", flags, file, show).unwrap_or_default())
}

fn log_options(
    both: &mut Conflicts,
    flags: &[String],
    file: Option<BTreeMap<String, String>>,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let pair = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(ConfigError::Invalid(format!("invalid log option: {text}"))),
    };
    let flags = flags.iter().map(pair).collect::<Result<BTreeMap<_, _>, _>>()?;
    let show = |options: &BTreeMap<String, String>| {
        let pairs: Vec<_> = options.iter().map(|(key, value)| format!("{key}:{value}")).collect();
        format!("map[{}]", pairs.join(" "))
    };
    let flags = (!flags.is_empty()).then_some(flags);
    Ok(both.one("log-opts", flags, file, show).unwrap_or_default())
}

fn start_limit(seconds: Option<u64>) -> Duration {
    seconds.map_or(DEFAULT_START_LIMIT, Duration::from_secs)
}

fn parse_hosts(texts: &[String]) -> Result<Vec<Host>, ConfigError> {
    if texts.is_empty() {
        return Ok(vec![Host::Unix(PathBuf::from(DEFAULT_SOCKET))]);
    }
    texts
        .iter()
        .map(|text| Host::parse(text))
        .collect::<Result<_, _>>()
        .map_err(ConfigError::Invalid)
}

fn absolute(path: Option<PathBuf>, default: &str) -> Result<PathBuf, ConfigError> {
    let path = path.unwrap_or_else(|| PathBuf::from(default));
    std::path::absolute(&path)
        .map_err(|error| ConfigError::Invalid(format!("invalid path {}: {error}", path.display())))
}

fn at_least_one(downloads: usize) -> Result<usize, ConfigError> {
    match downloads {
        0 => Err(ConfigError::Invalid("invalid max concurrent downloads: 0".to_owned())),
        some => Ok(some),
    }
}

fn checked_bridge(bridge: Option<String>, has_bip: bool) -> Result<String, ConfigError> {
    let Some(name) = bridge.filter(|name| !name.is_empty()) else {
        return Ok(DEFAULT_BRIDGE.to_owned());
    };
    if has_bip {
        let text = "you specified -b & --bip, mutually exclusive options; please specify only one";
        return Err(ConfigError::Invalid(text.to_owned()));
    }
    let bad = |byte: u8| byte == b'/' || byte == b':' || byte.is_ascii_whitespace();
    if name.len() > MAX_INTERFACE_BYTES || name.bytes().any(bad) {
        return Err(ConfigError::Invalid(format!("invalid bridge name: {name}")));
    }
    Ok(name)
}

fn parse_publish_on(text: &str) -> Result<Ipv4Addr, ConfigError> {
    text.parse()
        .map_err(|_| ConfigError::Invalid(format!("ip is not a correct IPv4 address: {text}")))
}

fn parse_bip(text: &str) -> Result<(Ipv4Addr, u8), ConfigError> {
    let bip = Cidr::parse(text).map_err(ConfigError::Invalid)?;
    Ok((bip.address, bip.prefix))
}

fn checked_labels(labels: Vec<String>) -> Result<Vec<String>, ConfigError> {
    match labels.iter().find(|label| label.split_once('=').is_none_or(|(key, _)| key.is_empty())) {
        Some(bad) => Err(ConfigError::Invalid(format!("bad attribute format: {bad}"))),
        None => Ok(labels),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(flags: Flags, file: &str) -> Result<Config, String> {
        let file = serde_json::from_str(file).unwrap();
        merge(flags, file, Path::new("/d.json")).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_filled_in() {
        let config = merged(Flags::default(), "{}").unwrap();
        assert_eq!(config.hosts, [Host::Unix(DEFAULT_SOCKET.into())]);
        assert_eq!(config.data_root, Path::new(DEFAULT_DATA_ROOT));
        assert_eq!(config.bridge, DEFAULT_BRIDGE);
        assert_eq!(config.log_level, LogLevel::Info);
        assert!(!config.shutdown_containers);
    }

    #[test]
    fn containers_end_with_the_daemon_only_when_that_is_said() {
        let flag = || Flags { shutdown_containers: true, ..Flags::default() };
        assert!(merged(flag(), "{}").unwrap().shutdown_containers);
        assert!(merged(Flags::default(), r#"{"live-restore":false}"#).unwrap().shutdown_containers);
        assert!(!merged(Flags::default(), r#"{"live-restore":true}"#).unwrap().shutdown_containers);
        assert!(merged(flag(), r#"{"live-restore":true}"#).is_err());
    }

    #[test]
    fn a_setting_in_both_places_is_a_conflict() {
        let flags =
            Flags { debug: Some(false), hosts: vec!["unix:///b".into()], ..Flags::default() };
        let error = merged(flags, r#"{"debug":true,"hosts":["unix:///a"]}"#).unwrap_err();
        assert_eq!(
            error,
            "unable to configure the daemon with file /d.json: the following directives are \
             specified both as a flag and in the configuration file: hosts: (from flag: \
             [unix:///b], from file: [unix:///a]), debug: (from flag: false, from file: true)"
        );
    }

    #[test]
    fn bad_values_are_named() {
        let flags = |change: fn(&mut Flags)| {
            let mut flags = Flags::default();
            change(&mut flags);
            merged(flags, "{}").unwrap_err()
        };
        assert_eq!(flags(|f| f.log_level = Some("x".into())), "invalid logging level: x");
        assert_eq!(flags(|f| f.log_format = Some("x".into())), "invalid log format: x");
        assert_eq!(flags(|f| f.bip = Some("x".into())), "invalid CIDR address: x");
        assert_eq!(flags(|f| f.ip = Some("::1".into())), "ip is not a correct IPv4 address: ::1");
        assert_eq!(flags(|f| f.labels = vec!["x".into()]), "bad attribute format: x");
        assert!(flags(|f| f.bridge = Some("a/b".into())).starts_with("invalid bridge name"));
    }
}
