//! The flags of `network`.

use clap::{Args, Subcommand};

use super::PruneArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum NetworkCommand {
    /// Connect a container to a network
    Connect(Box<NetworkConnectArgs>),
    /// Create a network
    Create(Box<NetworkCreateArgs>),
    /// Disconnect a container from a network
    Disconnect(NetworkDisconnectArgs),
    /// Display detailed information on one or more networks
    Inspect(NetworkInspectArgs),
    /// List networks
    #[command(visible_alias = "list")]
    Ls(NetworkLsArgs),
    /// Remove all unused networks
    Prune(PruneArgs),
    /// Remove one or more networks
    #[command(visible_alias = "remove")]
    Rm(NetworkRmArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NetworkCreateArgs {
    /// Enable manual container attachment
    #[arg(long)]
    pub(crate) attachable: bool,
    /// Addresses that no container gets, by what they are for
    #[arg(long, value_name = "NAME=ADDRESS")]
    pub(crate) aux_address: Vec<String>,
    /// The network from which to copy the configuration
    #[arg(long, value_name = "NETWORK")]
    pub(crate) config_from: Option<String>,
    /// Create a configuration only network
    #[arg(long)]
    pub(crate) config_only: bool,
    /// Driver to manage the network
    #[arg(short, long, default_value = "bridge")]
    pub(crate) driver: String,
    /// IPv4 or IPv6 gateway for the subnet that it lies in
    #[arg(long, value_delimiter = ',', value_name = "ADDRESS")]
    pub(crate) gateway: Vec<String>,
    /// Create swarm routing-mesh network
    #[arg(long)]
    pub(crate) ingress: bool,
    /// Restrict external access to the network
    #[arg(long)]
    pub(crate) internal: bool,
    /// Allocate container addresses from a part of the subnet
    #[arg(long, value_delimiter = ',', value_name = "SUBNET")]
    pub(crate) ip_range: Vec<String>,
    /// IP address management driver
    #[arg(long, default_value = "default", value_name = "DRIVER")]
    pub(crate) ipam_driver: String,
    /// Set IPAM driver specific options
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) ipam_opt: Vec<String>,
    /// Enable or disable IPv4 address assignment
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) ipv4: Option<bool>,
    /// Enable or disable IPv6 address assignment
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) ipv6: Option<bool>,
    /// Set metadata on a network
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) label: Vec<String>,
    /// Set driver specific options
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub(crate) opt: Vec<String>,
    /// Control the network's scope
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) scope: String,
    /// Subnet in CIDR format that represents a network segment
    #[arg(long, value_delimiter = ',', value_name = "SUBNET")]
    pub(crate) subnet: Vec<String>,
    #[arg(value_name = "NETWORK")]
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct NetworkConnectArgs {
    /// Add network-scoped alias for the container
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) alias: Vec<String>,
    /// Driver options for the network
    #[arg(long, value_delimiter = ',', value_name = "KEY=VALUE")]
    pub(crate) driver_opt: Vec<String>,
    /// Highest gw-priority provides the default gateway
    #[arg(long, default_value_t = 0, allow_hyphen_values = true, value_name = "NUMBER")]
    pub(crate) gw_priority: i64,
    /// IPv4 address (e.g., "172.30.100.104")
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ip: Option<String>,
    /// IPv6 address (e.g., "2001:db8::33")
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ip6: Option<String>,
    /// Add link to another container
    #[arg(long, value_name = "CONTAINER[:ALIAS]")]
    pub(crate) link: Vec<String>,
    /// Add a link-local address for the container
    #[arg(long, value_delimiter = ',', value_name = "ADDRESS")]
    pub(crate) link_local_ip: Vec<String>,
    #[arg(value_name = "NETWORK")]
    pub(crate) network: String,
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
}

#[derive(Debug, Args)]
pub(crate) struct NetworkDisconnectArgs {
    /// Force the container to disconnect from a network
    #[arg(short, long)]
    pub(crate) force: bool,
    #[arg(value_name = "NETWORK")]
    pub(crate) network: String,
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
}

#[derive(Debug, Args)]
pub(crate) struct NetworkInspectArgs {
    /// Format output: 'json' or 'TEMPLATE'
    #[arg(short, long)]
    pub(crate) format: Option<String>,
    /// Verbose output for diagnostics
    #[arg(short, long)]
    pub(crate) verbose: bool,
    #[arg(required = true, value_name = "NETWORK")]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct NetworkLsArgs {
    /// Provide filter values (e.g. "driver=bridge")
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub(crate) filter: Vec<String>,
    /// Format output: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Do not truncate the output
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Only display network IDs
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct NetworkRmArgs {
    /// Do not error if the network does not exist
    #[arg(short, long)]
    pub(crate) force: bool,
    #[arg(required = true, value_name = "NETWORK")]
    pub(crate) names: Vec<String>,
}
