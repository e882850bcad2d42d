//! Published ports: which port of the host leads to which port of a container, and the hold on the host's port.
//!
//! The kernel carries the packets: each publication is an element of a map in our nft table. The
//! host's port is held by a bound socket, so that nobody else gets it and a port in use is noticed.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};
use serde::{Deserialize, Serialize};

use super::ipam::{Subnet, Subnet6};
use super::{BridgeConfig, NetworkError, bridge, flows, link, netns, nft, sysctl};

/// Whether what passes a bridge passes the rules of IPv6 there (br_netfilter).
const BRIDGED: &str = "net/bridge/bridge-nf-call-ip6tables";

/// A transport protocol with ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP; few kernels have sockets of it.
    Sctp,
}

impl Protocol {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// `tcp`, `udp` or `sctp`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }

    /// Its number in an IP header.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

/// A port of the host that leads to a port of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Publication {
    /// The protocol of both.
    pub protocol: Protocol,
    /// One address of the host, or `0.0.0.0` or `::` for all of that family, which is the container's address's.
    pub host: IpAddr,
    /// The port there.
    pub host_port: u16,
    /// The container's address.
    pub address: IpAddr,
    /// The port there.
    pub port: u16,
}

/// Takes a port of the host and keeps it for as long as the descriptor is open. The socket is bound
/// and does not listen: should a packet come past the rules, it is refused like on a closed port.
///
/// # Errors
/// `EADDRINUSE` if somebody has the port, `EADDRNOTAVAIL` if the host has no such address, `EPROTONOSUPPORT` if the
/// kernel has no such protocol.
pub fn reserve(protocol: Protocol, host: IpAddr, port: u16) -> io::Result<OwnedFd> {
    let address = SocketAddr::new(host, port);
    let socket = |kind, protocol| {
        let family = if host.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, Some(protocol))?;
        if host.is_ipv6() {
            // The port of IPv4 is another one.
            sockopt::set_ipv6_v6only(&socket, true)?;
        }
        Ok::<_, io::Error>(socket)
    };
    match protocol {
        Protocol::Udp => {
            let socket = socket(SocketType::DGRAM, ipproto::UDP)?;
            rustix::net::bind(&socket, &address)?;
            Ok(socket)
        }
        Protocol::Sctp => {
            let socket = socket(SocketType::STREAM, ipproto::SCTP)?;
            rustix::net::bind(&socket, &address)?;
            Ok(socket)
        }
        Protocol::Tcp => {
            let socket = socket(SocketType::STREAM, ipproto::TCP)?;
            // With this option old connections in TIME_WAIT are no obstacle; then it is switched
            // off, so that others can not share the port by it. In between, listen(2) is what makes
            // the kernel check the port against everybody else's; shutdown(2) ends the listening
            // and leaves the socket bound.
            sockopt::set_socket_reuseaddr(&socket, true)?;
            rustix::net::bind(&socket, &address)?;
            rustix::net::listen(&socket, 0)?;
            sockopt::set_socket_reuseaddr(&socket, false)?;
            rustix::net::shutdown(&socket, rustix::net::Shutdown::Read)?;
            Ok(socket)
        }
    }
}

/// Leads the ports to their containers: all or none, in one transaction.
///
/// # Errors
/// `ENOENT` if somebody removed the table ([`super::ensure_bridge`] makes it), `EEXIST` if one of the
/// ports leads elsewhere. [`NetworkError::LoopbackFiltered`].
pub fn publish(publications: &[Publication]) -> Result<(), NetworkError> {
    if publications.iter().any(|port| port.host == IpAddr::V6(Ipv6Addr::LOCALHOST))
        && sysctl::read(BRIDGED).is_ok_and(|value| value == "1")
    {
        return Err(NetworkError::LoopbackFiltered);
    }
    nft::publish(publications)?;
    flows::forget(publications);
    Ok(())
}

/// Takes the ports back, in one transaction; no error for those that are gone already. Datagrams stop at once;
/// TCP connections go with the container.
///
/// # Errors
/// The request that the kernel refused.
pub fn unpublish(publications: &[Publication]) -> Result<(), NetworkError> {
    match nft::unpublish(publications) {
        // No table, no ports.
        Err(error) if error.errno() == Some(libc::ENOENT) => {}
        other => other?,
    }
    flows::forget(publications);
    Ok(())
}

/// Makes the table lead these ports to the containers of the bridges and no others: what is missing is
/// added; what leads to these bridges' subnets, or to no subnet of a bridge in the table, and is not wanted, goes.
/// Bridges that are no longer there leave the table as well.
///
/// # Errors
/// The request that the kernel refused.
pub fn restore_published(
    configs: &[BridgeConfig],
    wanted: &[Publication],
) -> Result<(), NetworkError> {
    let bridges = nft::bridges()?;
    let route = netns::open_route_socket()?;
    let (mut gone, mut others) = (Vec::new(), Vec::new());
    let ours = |name: &String| configs.iter().any(|config| config.name == *name);
    for name in bridges.iter().filter(|name| !ours(name)) {
        if link::index_of(&route, name)?.is_none() {
            gone.push(name.clone());
        } else {
            others.extend(bridge::subnets(name)?);
        }
    }
    let known = nft::published()?;
    let of_others = |address: IpAddr| {
        others.iter().any(|(network, prefix)| match (*network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                Subnet::of(network, *prefix).is_ok_and(|subnet| subnet.is_usable(address))
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                Subnet6::of(network, *prefix).is_ok_and(|subnet| subnet.is_usable(address))
            }
            _ => false,
        })
    };
    let unwanted = |known: &&Publication| !wanted.contains(known) && !of_others(known.address);
    let stale: Vec<_> = known.iter().filter(unwanted).copied().collect();
    // Adding what is there changes nothing.
    let complete = stale.is_empty() && wanted.iter().all(|port| known.contains(port));
    nft::replace(&gone, &stale, if complete { &[] } else { wanted })?;
    flows::forget(&stale);
    let new: Vec<_> = wanted.iter().filter(|port| !known.contains(port)).copied().collect();
    flows::forget(&new);
    Ok(())
}

/// Whether the table leads all these ports to their containers.
///
/// # Errors
/// The request that the kernel refused.
pub fn verify_published(wanted: &[Publication]) -> Result<bool, NetworkError> {
    if wanted.is_empty() {
        return Ok(true);
    }
    let known = nft::published()?;
    Ok(wanted.iter().all(|port| known.contains(port)))
}

/// Lets packets from 127.0.0.1 leave by the bridge and their answers come back, which published ports
/// need that the host itself asks for. The table drops what others send to 127.0.0.0/8.
pub(super) fn route_loopback(bridge: &str) -> Result<(), NetworkError> {
    sysctl::set(&format!("net/ipv4/conf/{bridge}/route_localnet"), "1")
}
