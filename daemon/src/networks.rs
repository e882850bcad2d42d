//! The networks that a container can be in: the default bridge, none, the host's, another container's.
//!
//! The kernel's side is [`runtime::network`]; here are the addresses in use, the choice of the bridge's subnet, and
//! a few network namespaces made in advance, because making one is the dearest step of a start.

mod pool;
mod ports;
mod watch;

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use runtime::network::ipam::{IpamError, Leases, Pool, Subnet};
use runtime::network::{self, BridgeConfig, Endpoint, NetworkError, Publication};
use serde::{Deserialize, Serialize};

use crate::config::Config;
pub(crate) use ports::{Wish, WishError, port_map, wishes};

use pool::NamespacePool;
use ports::Holds;

/// The bridge's name when the configuration names none.
const DEFAULT_BRIDGE: &str = "jocker0";
const MTU: u32 = 1500;
/// Docker's own choice for its default bridge, tried first.
const PREFERRED: (Ipv4Addr, u8) = (Ipv4Addr::new(172, 17, 0, 0), 16);
/// What the kernel says of a table or map that is not there.
const NO_ENTRY: i32 = rustix::io::Errno::NOENT.raw_os_error();
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
    /// Ports of the host that lead here.
    #[serde(default)]
    pub(crate) ports: Vec<Publication>,
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
    #[error("Bind for {host}:{host_port} failed: port is already allocated")]
    PortAllocated { host: Ipv4Addr, host_port: u16 },
    #[error(
        "failed to bind host port for {}:{}:{}:{}/{}: {why}",
        publication.host, publication.host_port, publication.address, publication.port, publication.protocol.name()
    )]
    PortInUse { publication: Publication, why: String },
    #[error("all ports are allocated")]
    NoPort,
}

/// The networks of the daemon.
#[derive(Debug)]
pub(crate) struct Networks {
    bridge: Option<Bridge>,
    namespaces: NamespacePool,
}

#[derive(Debug)]
struct Bridge {
    rules: Arc<Rules>,
    leases: Mutex<Leases>,
}

/// What is to be in the kernel for the bridge. Whoever changes its published ports holds the lock meanwhile.
#[derive(Debug)]
struct Rules {
    config: BridgeConfig,
    holds: Mutex<Holds>,
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
            prefix: bridge.rules.config.prefix,
            gateway: bridge.rules.config.gateway,
            mac: network::mac_for(address),
            host_name: format!("veth{}", id.get(..11).unwrap_or(id)),
            ports: Vec::new(),
        })
    }

    /// Takes the ports of the host that lead to a lease; from [`Networks::connect`] on they do.
    pub(crate) fn take_ports(&self, lease: &mut Lease, wishes: &[Wish]) -> Result<(), Error> {
        let bridge = self.bridge.as_ref().ok_or(Error::NoBridge)?;
        lease.ports = bridge.rules.holds().take(wishes, lease.address)?;
        Ok(())
    }

    /// Takes the lease of a container that runs already.
    pub(crate) fn adopt(&self, lease: &Lease) {
        if let Some(bridge) = &self.bridge
            && let Err(error) = bridge.leases().reserve(lease.address)
        {
            tracing::warn!(address = %lease.address, %error, "a running container's address");
        }
        if let Some(bridge) = &self.bridge {
            bridge.rules.holds().adopt(&lease.ports);
        }
    }

    /// After every adoption: takes out of the kernel what ended without a daemon, and keeps the rules as they are
    /// to be from then on.
    pub(crate) fn settle(&self) {
        let Some(bridge) = &self.bridge else { return };
        let published = bridge.rules.holds().all();
        if let Err(error) = network::restore_published(&bridge.rules.config, &published) {
            tracing::error!(%error, "published ports are not restored");
        }
        watch::start(&bridge.rules);
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
            mtu: bridge.rules.config.mtu,
        };
        let config = &bridge.rules.config;
        match network::attach(&config.name, namespace.as_fd(), &endpoint) {
            // Somebody took the bridge down: once more, with the bridge made anew.
            Err(NetworkError::NoBridge { .. }) => {
                network::ensure_bridge(config)?;
                network::attach(&config.name, namespace.as_fd(), &endpoint)?;
            }
            attached => attached?,
        }
        bridge.rules.publish(lease)?;
        Ok(namespace)
    }

    /// Frees the ports of the host that lead to a lease.
    pub(crate) fn release_ports(&self, lease: &Lease) {
        if lease.ports.is_empty() {
            return;
        }
        if let Err(error) = network::unpublish(&lease.ports) {
            tracing::warn!(link.name = lease.host_name, %error, "published ports are left");
        }
        if let Some(bridge) = &self.bridge {
            bridge.rules.holds().give_back(&lease.ports);
        }
    }

    /// Takes ports and interface away and gives the address back.
    pub(crate) fn release(&self, lease: &Lease) {
        self.release_ports(lease);
        if let Err(error) = network::detach(&lease.host_name) {
            tracing::warn!(link.name = lease.host_name, %error, "an interface is left");
        }
        if let Some(bridge) = &self.bridge {
            bridge.leases().release(lease.address);
        }
    }

    /// What `host-gateway` in `/etc/hosts` stands for.
    pub(crate) fn gateway(&self) -> Option<Ipv4Addr> {
        self.bridge.as_ref().map(|bridge| bridge.rules.config.gateway)
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
        let rules = Arc::new(Rules { config, holds: Mutex::default() });
        Ok(Self { rules, leases: Mutex::new(leases) })
    }

    fn leases(&self) -> MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rules {
    fn holds(&self) -> MutexGuard<'_, Holds> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, lease: &Lease) -> Result<(), NetworkError> {
        if lease.ports.is_empty() {
            return Ok(());
        }
        network::let_hairpin(&lease.host_name)?;
        let holds = self.holds();
        match network::publish(&lease.ports) {
            // Somebody flushed the rules a moment ago.
            Err(error) if error.errno() == Some(NO_ENTRY) => self.restore(&holds),
            published => published,
        }
    }

    /// Whether something had to be repaired.
    fn repair(&self) -> Result<bool, NetworkError> {
        let holds = self.holds();
        if network::verify_rules(&self.config).unwrap_or(false)
            && network::verify_published(&holds.all())?
        {
            return Ok(false);
        }
        self.restore(&holds)?;
        Ok(true)
    }

    fn restore(&self, holds: &Holds) -> Result<(), NetworkError> {
        network::ensure_bridge(&self.config)?;
        network::restore_published(&self.config, &holds.all())
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
