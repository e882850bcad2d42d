//! A container's place in a network: its address, its interface, its published ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use api_spec::network::{EndpointIpamConfig, EndpointSettings};
use runtime::network::ipam::{Ipam6Error, IpamError};
use runtime::network::{self, Endpoint, EndpointV6, MacvlanMode, NetworkError, Publication};
use serde::{Deserialize, Serialize};

use super::names::Addresses;
use super::ports::Wish;
use super::{BRIDGE, Client, Entry, Error, Network, Networks};

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
    /// Where the network has IPv6.
    #[serde(default)]
    pub(crate) v6: Option<LeaseV6>,
    /// Where the interface hangs on one of the host, which has the bridge's place.
    #[serde(default)]
    pub(crate) macvlan: Option<MacvlanMode>,
    /// Addresses of the link that the container asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) link_local: Vec<IpAddr>,
}

/// The IPv6 part of a [`Lease`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeaseV6 {
    pub(crate) address: Ipv6Addr,
    pub(crate) prefix: u8,
    /// None in an internal network.
    pub(crate) gateway: Option<Ipv6Addr>,
}

impl Lease {
    /// The container's addresses.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let v6 = self.v6.map(|v6| IpAddr::V6(v6.address));
        std::iter::once(IpAddr::V4(self.address)).chain(v6)
    }
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
            priority: settings.gw_priority.unwrap_or_default(),
        }
    }
}

impl Asked {
    /// The IPv4 address that is asked for.
    pub(crate) fn address(&self) -> Option<Ipv4Addr> {
        self.ipam.as_ref()?.ipv4_address.parse().ok()
    }

    /// The addresses of the link that are asked for.
    fn link_local(&self) -> Result<Vec<IpAddr>, Error> {
        let texts = self.ipam.iter().flat_map(|ipam| ipam.link_local_ips.iter().flatten());
        let addresses = texts.map(|text| {
            let address = text.parse().ok().filter(|address: &IpAddr| match address {
                IpAddr::V4(address) => address.is_link_local(),
                IpAddr::V6(address) => address.is_unicast_link_local(),
            });
            address.ok_or_else(|| Error::Invalid(format!("invalid link local IP address: {text}")))
        });
        addresses.collect()
    }

    /// The IPv6 address that is asked for.
    fn address_v6(&self) -> Option<Ipv6Addr> {
        self.ipam.as_ref()?.ipv6_address.parse().ok()
    }
}

/// The addresses that are asked for, or free ones: all or none.
fn take_addresses(entry: &mut Entry, network: &Network, asked: &Asked) -> Result<Addresses, Error> {
    let none = |family| {
        let (name, id) = (network.name.clone(), network.id.clone());
        Error::NoAddress { family, name, id }
    };
    let leases = entry.leases.as_mut().ok_or(Error::NoBridge)?;
    let v4 = match asked.address() {
        Some(address) => {
            leases.reserve(address).map(|()| address).map_err(|error| match error {
                IpamError::NotUsable { .. } => Error::AddressInUse,
                error => error.into(),
            })?
        }
        None => leases.allocate().map_err(|_| none("IPv4"))?,
    };
    let v6 = entry.leases6.as_mut().map(|leases| match asked.address_v6() {
        Some(address) => leases.reserve(address).map(|()| address).map_err(|error| match error {
            Ipam6Error::NotUsable { .. } => Error::AddressInUse,
            error => error.into(),
        }),
        None => leases.allocate().map_err(|_| none("IPv6")),
    });
    match v6.transpose() {
        Ok(v6) => Ok(Addresses { v4, v6 }),
        Err(error) => {
            leases.release(v4);
            Err(error)
        }
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
        let link_local = asked.link_local()?;
        let mut table = self.table();
        let entry =
            table.get_mut(&network.id).ok_or_else(|| Error::NoNetwork(network.name.clone()))?;
        let Addresses { v4: address, v6 } = take_addresses(entry, network, asked)?;
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
            gateway: (!network.leads_nowhere()).then_some(bridge.gateway),
            mac: super::check::parse_mac(&asked.mac).unwrap_or(network::mac_for(address)),
            host_name: format!("veth{host_name}"),
            interface: wanted.cloned().unwrap_or_else(|| interface(&bridge.interface_prefix)),
            mtu: bridge.mtu,
            isolated: !bridge.icc,
            ports: Vec::new(),
            v6: v6.zip(bridge.v6.as_ref()).map(|(address, bridge)| LeaseV6 {
                address,
                prefix: bridge.prefix,
                gateway: (!network.leads_nowhere()).then_some(bridge.gateway),
            }),
            macvlan: network.macvlan.as_ref().map(|macvlan| macvlan.mode),
            link_local,
        })
    }

    /// Takes the ports of the host that lead to a lease; once it is connected they do.
    pub(crate) fn take_ports(&self, lease: &mut Lease, wishes: &[Wish]) -> Result<(), Error> {
        let v6 = lease.v6.map(|v6| v6.address);
        lease.ports = self.0.rules.state().holds.take(wishes, lease.address, v6)?;
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
            let reserved = entry.leases6.as_mut().zip(lease.v6);
            let reserved = reserved.map(|(leases, v6)| leases.reserve(v6.address));
            if let Some(Err(error)) = reserved {
                tracing::warn!(%error, "a running container's address");
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
            v6: lease.v6.map(|v6| EndpointV6 {
                address: v6.address,
                prefix: v6.prefix,
                gateway: v6.gateway.filter(|_| leads_out),
            }),
            link_local: lease.link_local.clone(),
        };
        if let Some(mode) = lease.macvlan {
            return Ok(network::attach_macvlan(&lease.bridge, mode, namespace, &endpoint)?);
        }
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

    /// Takes an interface out of a container that goes on. The host's end of a pair is enough to take; one without
    /// such an end stays until its namespace ends.
    pub(crate) fn disconnect(&self, namespace: BorrowedFd<'_>, lease: &Lease) {
        if lease.macvlan.is_some()
            && let Err(error) = network::detach_inside(namespace, &lease.interface)
        {
            tracing::warn!(link.name = lease.interface, %error, "an interface is left");
        }
        self.release(lease);
    }

    /// Takes ports and interface away and gives the address back.
    pub(crate) fn release(&self, lease: &Lease) {
        self.release_ports(lease);
        if lease.macvlan.is_none()
            && let Err(error) = network::detach(&lease.host_name)
        {
            tracing::warn!(link.name = lease.host_name, %error, "an interface is left");
        }
        if let Some(entry) = self.table().get_mut(&lease.network) {
            entry.leases.as_mut().map(|leases| leases.release(lease.address));
            let v6 = entry.leases6.as_mut().zip(lease.v6);
            v6.map(|(leases, v6)| leases.release(v6.address));
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
        let addresses = Addresses { v4: lease.address, v6: lease.v6.map(|v6| v6.address) };
        self.0.names.insert(id, container, addresses, names);
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
        // What only the other network's family had is not published any more.
        let v6 = lease.v6.map(|v6| IpAddr::V6(v6.address));
        let here = |port: &Publication| {
            let address =
                if port.address.is_ipv4() { Some(IpAddr::V4(lease.address)) } else { v6 }?;
            Some(Publication { address, ..*port })
        };
        // No packet for a container of macvlan comes through the host.
        if lease.macvlan.is_some() {
            return Ok(());
        }
        lease.ports = ports.iter().filter_map(here).collect();
        self.0.rules.state().holds.adopt(&lease.ports);
        Ok(self.0.rules.publish(lease)?)
    }
}
