//! The networks that a container can be in: the default bridge, none, the host's, another container's.
//!
//! The kernel's side is [`runtime::network`]; here are the addresses in use, the choice of the bridge's subnet, and
//! a few network namespaces made in advance, because making one is the dearest step of a start.

mod pool;

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use runtime::network::ipam::{IpamError, Leases, Pool, Subnet};
use runtime::network::{self, BridgeConfig, Endpoint, NetworkError};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use pool::NamespacePool;

/// The bridge's name when the configuration names none.
const DEFAULT_BRIDGE: &str = "jocker0";
const MTU: u32 = 1500;
/// Docker's own choice for its default bridge, tried first.
const PREFERRED: (Ipv4Addr, u8) = (Ipv4Addr::new(172, 17, 0, 0), 16);
/// Name of the default network towards clients.
pub(crate) const BRIDGE: &str = "bridge";

/// A container's place on the default bridge. Persisted with the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) address: Ipv4Addr,
    pub(crate) prefix: u8,
    pub(crate) gateway: Ipv4Addr,
    pub(crate) mac: [u8; 6],
    /// The interface on the host.
    pub(crate) host_name: String,
}

/// Why a container has no network.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the default bridge is switched off; use another network mode")]
    NoBridge,
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Ipam(#[from] IpamError),
    #[error("host routes: {0}")]
    Io(#[from] io::Error),
}

/// The networks of the daemon.
#[derive(Debug)]
pub(crate) struct Networks {
    bridge: Option<Bridge>,
    namespaces: NamespacePool,
}

#[derive(Debug)]
struct Bridge {
    config: BridgeConfig,
    leases: Mutex<Leases>,
}

impl Networks {
    /// Chooses the default bridge's subnet and makes the bridge. Blocking.
    pub(crate) fn open(config: &Config) -> Result<Self, Error> {
        let bridge = match config.bridge.as_str() {
            "none" => None,
            name => {
                Some(Bridge::open(if name.is_empty() { DEFAULT_BRIDGE } else { name }, config)?)
            }
        };
        Ok(Self { bridge, namespaces: NamespacePool::start() })
    }

    /// An address on the default bridge, and the name of the interface that will have it.
    pub(crate) fn lease(&self, id: &str) -> Result<Lease, Error> {
        let bridge = self.bridge.as_ref().ok_or(Error::NoBridge)?;
        let address = bridge.leases().allocate()?;
        Ok(Lease {
            address,
            prefix: bridge.config.prefix,
            gateway: bridge.config.gateway,
            mac: network::mac_for(address),
            host_name: format!("veth{}", id.get(..11).unwrap_or(id)),
        })
    }

    /// Takes the lease of a container that runs already.
    pub(crate) fn adopt(&self, lease: &Lease) {
        if let Some(bridge) = &self.bridge
            && let Err(error) = bridge.leases().reserve(lease.address)
        {
            tracing::warn!(address = %lease.address, %error, "a running container's address");
        }
    }

    /// A network namespace with nothing but `lo`.
    pub(crate) fn namespace(&self) -> Result<OwnedFd, Error> {
        Ok(self.namespaces.take()?)
    }

    /// A network namespace that is connected to the default bridge.
    pub(crate) fn connect(&self, lease: &Lease) -> Result<OwnedFd, Error> {
        let bridge = self.bridge.as_ref().ok_or(Error::NoBridge)?;
        let namespace = self.namespaces.take()?;
        let endpoint = Endpoint {
            host_name: lease.host_name.clone(),
            mac: lease.mac,
            address: lease.address,
            prefix: lease.prefix,
            gateway: Some(lease.gateway),
            interface: "eth0".to_owned(),
            mtu: bridge.config.mtu,
        };
        match network::attach(&bridge.config.name, namespace.as_fd(), &endpoint) {
            // Somebody took the bridge down: once more, with the bridge made anew.
            Err(NetworkError::NoBridge { .. }) => {
                network::ensure_bridge(&bridge.config)?;
                network::attach(&bridge.config.name, namespace.as_fd(), &endpoint)?;
            }
            attached => attached?,
        }
        Ok(namespace)
    }

    /// Takes the interface away and gives the address back.
    pub(crate) fn release(&self, lease: &Lease) {
        if let Err(error) = network::detach(&lease.host_name) {
            tracing::warn!(link.name = lease.host_name, %error, "an interface is left");
        }
        if let Some(bridge) = &self.bridge {
            bridge.leases().release(lease.address);
        }
    }

    /// What `host-gateway` in `/etc/hosts` stands for.
    pub(crate) fn gateway(&self) -> Option<Ipv4Addr> {
        self.bridge.as_ref().map(|bridge| bridge.config.gateway)
    }

    /// Lets the namespaces in stock be filled up again; after a start, not during it.
    pub(crate) fn refill(&self) {
        self.namespaces.refill();
    }
}

impl Bridge {
    fn open(name: &str, config: &Config) -> Result<Self, Error> {
        let (gateway, prefix) = match (config.bip, network::bridge_address(name)?) {
            (Some(bip), _) => bip,
            (None, Some(found)) => found,
            (None, None) => choose(config)?,
        };
        let config = BridgeConfig {
            name: name.to_owned(),
            gateway,
            prefix,
            mtu: MTU,
            masquerade: true,
            icc: true,
        };
        network::ensure_bridge(&config)?;
        let leases = Leases::new(Subnet::of(gateway, prefix)?, gateway)?;
        Ok(Self { config, leases: Mutex::new(leases) })
    }

    fn leases(&self) -> std::sync::MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn choose(config: &Config) -> Result<(Ipv4Addr, u8), Error> {
    let taken = network::host_routes()?;
    let mut ranges = Vec::new();
    for pool in &config.address_pools {
        ranges.push((Subnet::of(pool.base, pool.base_prefix)?, pool.subnet_prefix));
    }
    let pool = match ranges.is_empty() {
        true => {
            let preferred = Subnet::of(PREFERRED.0, PREFERRED.1)?;
            if !taken.iter().any(|(address, prefix)| {
                Subnet::of(*address, *prefix).is_ok_and(|route| route.overlaps(&preferred))
            }) {
                return Ok((preferred.first_address(), preferred.prefix()));
            }
            Pool::default()
        }
        false => Pool::new(ranges)?,
    };
    let subnet = pool.pick(&taken)?;
    Ok((subnet.first_address(), subnet.prefix()))
}
