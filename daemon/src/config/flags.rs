//! The command line, with dockerd's names. What is not given stays empty here: defaults are filled
//! in after the file was read.

use std::path::PathBuf;

use clap::Parser;

/// A container engine that speaks the Docker Engine API.
#[derive(Debug, Clone, Default, Parser)]
#[command(name = "jockerd", version, disable_version_flag = true, max_term_width = 100,
          after_help = crate::check::HELP)]
pub(crate) struct Flags {
    /// Where to listen: unix://PATH, fd:// (systemd) or tcp://ADDRESS:PORT. May be given several times
    /// [default: unix:///var/run/jocker.sock]
    #[arg(short = 'H', long = "host", value_name = "HOST")]
    pub(crate) hosts: Vec<String>,

    /// Where images and containers are kept [default: /var/lib/jocker]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_root: Option<PathBuf>,

    /// Where the state of running containers is kept [default: /var/run/jocker]
    #[arg(long, value_name = "DIR")]
    pub(crate) exec_root: Option<PathBuf>,

    /// File for the daemon's process id [default: /var/run/jocker.pid]
    #[arg(short = 'p', long, value_name = "FILE")]
    pub(crate) pidfile: Option<PathBuf>,

    /// Configuration in dockerd's daemon.json form [default: /etc/jocker/daemon.json, if there]
    #[arg(long, value_name = "FILE")]
    pub(crate) config_file: Option<PathBuf>,

    /// Check the configuration and end
    #[arg(long)]
    pub(crate) validate: bool,

    /// Group of the unix sockets, by name or number [default: docker, if there]
    #[arg(short = 'G', long, value_name = "GROUP")]
    pub(crate) group: Option<String>,

    /// Log more: the same as --log-level debug
    #[arg(short = 'D', long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    pub(crate) debug: Option<bool>,

    /// debug, info, warn, error or fatal [default: info]
    #[arg(short = 'l', long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,

    /// text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,

    /// Log driver of containers: json-file, local, journald or none [default: json-file]
    #[arg(long, value_name = "DRIVER")]
    pub(crate) log_driver: Option<String>,

    /// Option of the log driver, KEY=VALUE; several are possible
    #[arg(long = "log-opt", value_name = "OPTION")]
    pub(crate) log_opts: Vec<String>,

    /// Registry (host, host:port or CIDR) to speak to without verified TLS; several are possible
    #[arg(long = "insecure-registry", value_name = "HOST")]
    pub(crate) insecure_registries: Vec<String>,

    /// URL to ask for docker.io's images first; several are possible
    #[arg(long = "registry-mirror", value_name = "URL")]
    pub(crate) registry_mirrors: Vec<String>,

    /// Layers to download at the same time [default: 3]
    #[arg(long, value_name = "N")]
    pub(crate) max_concurrent_downloads: Option<usize>,

    /// Name of the default network's bridge; none switches that network off [default: jocker0]
    #[arg(short = 'b', long, value_name = "NAME")]
    pub(crate) bridge: Option<String>,

    /// Address of the default bridge, for example 172.17.0.1/16 [default: from the pools]
    #[arg(long, value_name = "CIDR")]
    pub(crate) bip: Option<String>,

    /// Address of the host on which ports are published that name none [default: 0.0.0.0]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ip: Option<String>,

    /// Give the default bridge IPv6
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    pub(crate) ipv6: Option<bool>,

    /// IPv6 subnet of the default bridge, for example fd00:1::/64 [default: a random one of fd00::/8]
    #[arg(long, value_name = "CIDR")]
    pub(crate) fixed_cidr_v6: Option<String>,

    /// Maximum transmission unit of container networks, in bytes [default: 1500]
    #[arg(long, value_name = "BYTES")]
    pub(crate) mtu: Option<u32>,

    /// Addresses that networks are made of: base=CIDR,size=N; several are possible
    #[arg(long = "default-address-pool", value_name = "POOL")]
    pub(crate) default_address_pools: Vec<String>,

    /// Label of the daemon, KEY=VALUE; several are possible
    #[arg(long = "label", value_name = "LABEL")]
    pub(crate) labels: Vec<String>,

    /// Serve metrics for Prometheus on ADDRESS:PORT, at /metrics
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics_addr: Option<String>,

    /// Speak TLS on tcp://; --tls=false lets everybody in, unencrypted
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    pub(crate) tls: Option<bool>,

    /// Let in on tcp:// only who shows a certificate signed by --tlscacert
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    pub(crate) tlsverify: Option<bool>,

    /// Authority of the clients' certificates, PEM [default: /etc/jocker/ca.pem]
    #[arg(long, value_name = "FILE")]
    pub(crate) tlscacert: Option<PathBuf>,

    /// Certificate of this machine, PEM [default: /etc/jocker/cert.pem]
    #[arg(long, value_name = "FILE")]
    pub(crate) tlscert: Option<PathBuf>,

    /// Key of the certificate, PEM [default: /etc/jocker/key.pem]
    #[arg(long, value_name = "FILE")]
    pub(crate) tlskey: Option<PathBuf>,

    /// Seconds to let requests finish on SIGTERM; containers go on [default: 15]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) shutdown_timeout: Option<u64>,

    /// Stop the containers, too, on SIGTERM, as with live-restore: false in the file
    #[arg(long)]
    pub(crate) shutdown_containers: bool,

    /// Megabytes of the disk to keep free: pulls, loads, builds and new containers that would take of them
    /// are refused [default: 64]
    #[arg(long, value_name = "MEGABYTES")]
    pub(crate) disk_reserve: Option<u64>,

    /// Seconds that a container may take from its start to its program [default: 150]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) start_timeout: Option<u64>,

    /// Option of the runtime: native.cgroupdriver=cgroupfs|systemd [default: cgroupfs]
    #[arg(long = "exec-opt", value_name = "KEY=VALUE")]
    pub(crate) exec_opts: Vec<String>,

    /// Parent of the containers' control groups; with systemd a slice [default: /jocker, system.slice]
    #[arg(long, value_name = "PATH")]
    pub(crate) cgroup_parent: Option<String>,

    /// Load the embedded image jocker/hello:latest if it is absent
    #[arg(long)]
    pub(crate) embedded_image: bool,

    /// Print the version
    #[arg(short = 'v', long, action = clap::ArgAction::Version)]
    pub(super) version: (),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Flags::command().debug_assert();
    }

    #[test]
    fn debug_takes_a_value_only_after_an_equals_sign() {
        let parse = |arguments: &[&str]| Flags::try_parse_from(arguments).unwrap();
        assert_eq!(parse(&["jockerd", "-D"]).debug, Some(true));
        assert_eq!(parse(&["jockerd", "--debug=false"]).debug, Some(false));
        assert_eq!(parse(&["jockerd"]).debug, None);
    }
}
