//! The daemon's configuration: flags and `daemon.json`, merged and checked, as one value.

use std::net::Ipv4Addr;
use std::path::PathBuf;

/// What the daemon was told, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) data_root: PathBuf,
    pub(crate) exec_root: PathBuf,
    pub(crate) insecure_registries: Vec<String>,
    pub(crate) registry_mirrors: Vec<String>,
    /// Name of the default bridge; `none` switches it off.
    pub(crate) bridge: String,
    /// Address and prefix length of the default bridge, if fixed.
    pub(crate) bip: Option<(Ipv4Addr, u8)>,
    /// Where subnets are taken from.
    pub(crate) address_pools: Vec<AddressPool>,
}

/// A range that is cut into subnets of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AddressPool {
    pub(crate) base: Ipv4Addr,
    pub(crate) base_prefix: u8,
    pub(crate) subnet_prefix: u8,
}
