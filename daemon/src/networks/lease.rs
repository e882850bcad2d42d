//! A container's place in a network: its address, its interface, its published ports.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use api_spec::network::{EndpointIpamConfig, EndpointSettings};
use runtime::network::{self, Endpoint, NetworkError, Publication};
use serde::{Deserialize, Serialize};

use super::ports::Wish;
use super::{BRIDGE, Client, Error, Network, Networks};

/// A container's place in a network. Persisted with the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    /// The network's id.
    pub(crate) network: String,
    pub(crate) bridge: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) prefix: u8,
    /// None in an internal network.
    pub(crate) gateway: Option<Ipv4Addr>,
    pub(crate) mac: [u8; 6],
    /// The interface on the host.
    pub(crate) host_name: String,
    /// The interface in the container.
    pub(crate) interface: String,
    pub(crate) mtu: u32,
    /// Barred from the other containers of the network.
    #[serde(default)]
    pub(crate) isolated: bool,
    /// Ports of the host that lead here.
    #[serde(default)]
    pub(crate) ports: Vec<Publication>,
}

/// What a container asks of a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ipam: Option<EndpointIpamConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) links: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) aliases: Option<Vec<String>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) mac: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) driver_opts: Option<std::collections::BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) priority: i64,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl From<EndpointSettings> for Asked {
    fn from(settings: EndpointSettings) -> Self {
        Self {
            ipam: settings.ipam_config,
            links: settings.links,
            aliases: settings.aliases,
            mac: settings.mac_address,
            driver_opts: settings.driver_opts,
            priority: settings.gw_priority,
        }
    }
}

impl Asked {
    /// The IPv4 address that is asked for.
    pub(crate) fn address(&self) -> Option<Ipv4Addr> {
        self.ipam.as_ref()?.ipv4_address.parse().ok()
    }
}

impl Networks {
    /// An address in the network, and the names of the interfaces that will have it.
    pub(crate) fn lease(
        &self,
        container: &str,
        network: &Network,
        asked: &Asked,
        interface: &dyn Fn(&str) -> String,
    ) -> Result<Lease, Error> {
        let bridge = network.bridge.as_ref().ok_or(Error::NoBridge)?;
        let mut table = self.table();
        let entry =
            table.get_mut(&network.id).ok_or_else(|| Error::NoNetwork(network.name.clone()))?;
        let leases = entry.leases.as_mut().ok_or(Error::NoBridge)?;
        let address = match asked.address() {
            Some(address) => leases.reserve(address).map(|()| address)?,
            None => leases.allocate()?,
        };
        entry.users.insert(container.to_owned());
        let host_name = match network.name.as_str() {
            BRIDGE => container.get(..11).unwrap_or(container).to_owned(),
            _ => {
                let both = format!("{container} {}", network.id);
                store::Digest::of(both.as_bytes()).hex()[..11].to_owned()
            }
        };
        let wanted = asked.driver_opts.as_ref();
        let wanted = wanted.and_then(|options| options.get("com.docker.network.endpoint.ifname"));
        Ok(Lease {
            network: network.id.clone(),
            bridge: bridge.name.clone(),
            address,
            prefix: bridge.prefix,
            gateway: (!network.internal).then_some(bridge.gateway),
            mac: super::check::parse_mac(&asked.mac).unwrap_or(network::mac_for(address)),
            host_name: format!("veth{host_name}"),
            interface: wanted.cloned().unwrap_or_else(|| interface(&bridge.interface_prefix)),
            mtu: bridge.mtu,
            isolated: !bridge.icc,
            ports: Vec::new(),
        })
    }

    /// Takes the ports of the host that lead to a lease; once it is connected they do.
    pub(crate) fn take_ports(&self, lease: &mut Lease, wishes: &[Wish]) -> Result<(), Error> {
        lease.ports = self.0.rules.state().holds.take(wishes, lease.address)?;
        Ok(())
    }

    /// Takes the lease of a container that runs already.
    pub(crate) fn adopt(&self, container: &str, lease: &Lease) {
        if let Some(entry) = self.table().get_mut(&lease.network) {
            entry.users.insert(container.to_owned());
            let reserved = entry.leases.as_mut().map(|leases| leases.reserve(lease.address));
            if let Some(Err(error)) = reserved {
                tracing::warn!(address = %lease.address, %error, "a running container's address");
            }
        }
        self.0.rules.state().holds.adopt(&lease.ports);
    }

    /// A network namespace with nothing but `lo`.
    pub(crate) fn namespace(&self) -> Result<OwnedFd, Error> {
        Ok(self.0.namespaces.take()?)
    }

    /// Connects a container's network namespace; `leads_out`: its default route goes this way.
    pub(crate) fn connect(
        &self,
        namespace: BorrowedFd<'_>,
        lease: &Lease,
        leads_out: bool,
    ) -> Result<(), Error> {
        let endpoint = Endpoint {
            host_name: lease.host_name.clone(),
            mac: lease.mac,
            address: lease.address,
            prefix: lease.prefix,
            gateway: lease.gateway.filter(|_| leads_out),
            interface: lease.interface.clone(),
            mtu: lease.mtu,
        };
        match network::attach(&lease.bridge, namespace.as_fd(), &endpoint) {
            // Somebody took the bridge down: once more, with the bridge made anew.
            Err(NetworkError::NoBridge { .. }) => {
                self.0.rules.ensure(&lease.bridge)?;
                network::attach(&lease.bridge, namespace.as_fd(), &endpoint)?;
            }
            attached => attached?,
        }
        if lease.isolated {
            network::isolate(&lease.host_name)?;
        }
        Ok(self.0.rules.publish(lease)?)
    }

    /// Frees the ports of the host that lead to a lease.
    pub(crate) fn release_ports(&self, lease: &Lease) {
        if lease.ports.is_empty() {
            return;
        }
        // One step for those who compare the two: else they would put the rules back.
        let mut state = self.0.rules.state();
        if let Err(error) = network::unpublish(&lease.ports) {
            tracing::warn!(link.name = lease.host_name, %error, "published ports are left");
        }
        state.holds.give_back(&lease.ports);
    }

    /// Takes ports and interface away and gives the address back.
    pub(crate) fn release(&self, lease: &Lease) {
        self.release_ports(lease);
        if let Err(error) = network::detach(&lease.host_name) {
            tracing::warn!(link.name = lease.host_name, %error, "an interface is left");
        }
        if let Some(entry) = self.table().get_mut(&lease.network) {
            entry.leases.as_mut().map(|leases| leases.release(lease.address));
        }
    }

    /// The container no longer counts as one of the network's.
    pub(crate) fn leave(&self, container: &str, lease: &Lease) {
        if let Some(entry) = self.table().get_mut(&lease.network) {
            entry.users.remove(container);
        }
        self.0.names.remove(&lease.network, container);
    }
}

impl Networks {
    /// Lets a container's names be known in the network of a lease.
    pub(crate) fn announce(&self, container: &str, lease: &Lease, network: &str, names: &[String]) {
        let id = (lease.network.as_str(), network);
        self.0.names.insert(id, container, lease.address, names);
    }

    /// A container has no names in the network of a lease any more.
    pub(crate) fn forget_names(&self, container: &str, lease: &Lease) {
        self.0.names.remove(&lease.network, container);
    }

    /// Gives a container its name server.
    pub(crate) fn serve(
        &self,
        container: &str,
        namespace: BorrowedFd<'_>,
        client: Client,
    ) -> Result<(), Error> {
        let sockets = network::open_resolver(namespace)?;
        self.0.resolvers.start(container, sockets, client).map_err(Error::failed)
    }

    /// Lets a container's name server know that its networks have changed. False if it has none.
    pub(crate) fn serve_changed(&self, container: &str, client: &Client) -> bool {
        self.0.resolvers.update(container, client)
    }

    /// Whether a container has a name server.
    pub(crate) fn is_served(&self, container: &str) -> bool {
        self.0.resolvers.has(container)
    }

    /// Ends a container's name server.
    pub(crate) fn silence(&self, container: &str) {
        self.0.resolvers.stop(container);
    }

    /// Leads ports of the host, which another lease of the container had, to this one.
    pub(crate) fn inherit_ports(
        &self,
        lease: &mut Lease,
        ports: &[Publication],
    ) -> Result<(), Error> {
        let here = |port: &Publication| Publication { address: lease.address, ..*port };
        lease.ports = ports.iter().map(here).collect();
        self.0.rules.state().holds.adopt(&lease.ports);
        Ok(self.0.rules.publish(lease)?)
    }
}
