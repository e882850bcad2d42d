//! The pair of virtual interfaces between a container and its bridge.

use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::NLM_F_ACK;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoPortKind, InfoVeth, LinkAttribute,
    LinkInfo,
};

use super::link::{self, RouteRequest};
use super::netlink::Request;
use super::{Endpoint, NetworkError, netns};

/// Bits of 169.254.0.0/16 and of a network of fe80::/10; RFC 3927, RFC 4291.
const LINK_LOCAL_PREFIX: u8 = 16;
const LINK_LOCAL_PREFIX_V6: u8 = 64;

/// Connects the network namespace `netns` to `bridge`: a pair of interfaces, the inner one with its
/// final name, MAC, MTU, address and default route, both up, the outer one a port of the bridge.
///
/// Two sends: the pair, its outer end already up and a port, in one request from the host's side;
/// then link, address and route in one batch from the inside.
///
/// # Errors
/// Fails with [`NetworkError::NoBridge`] if `bridge` is not there, otherwise with the request that
/// the kernel refused. Nothing is left then.
pub fn attach(
    bridge: &str,
    netns: BorrowedFd<'_>,
    endpoint: &Endpoint,
) -> Result<(), NetworkError> {
    for name in [bridge, &endpoint.host_name, &endpoint.interface] {
        link::check_name(name)?;
    }
    let mut host = netns::open_route_socket()?;
    let Some(master) = link::index_of(&host, bridge)? else {
        return Err(NetworkError::NoBridge { name: bridge.into() });
    };
    // Before anything is made: it is the step that can fail for want of descriptors.
    let inside = netns::route_socket(netns)?;
    host.execute(vec![pair(master, netns, endpoint)])?;
    set_up(inside, netns, endpoint).inspect_err(|_| {
        if let Err(error) = host.execute(vec![link::delete(&endpoint.host_name, NLM_F_ACK)]) {
            tracing::warn!(link.name = endpoint.host_name, error = %error, "link is left");
        }
    })
}

/// Removes the pair whose outer end is `host_name`; no error if it is gone already (it also goes
/// when the container's namespace ends).
///
/// # Errors
/// Fails if the kernel refuses, which takes a lack of rights.
pub fn detach(host_name: &str) -> Result<(), NetworkError> {
    link::check_name(host_name)?;
    let mut host = netns::open_route_socket()?;
    match host.execute(vec![link::delete(host_name, NLM_F_ACK)]) {
        Err(error) if error.errno() == Some(libc::ENODEV) => Ok(()),
        other => other,
    }
}

/// Lets the bridge send packets back to where they came from. A container that asks for its own
/// published port needs that where bridged packets are filtered (br_netfilter): there they do not pass
/// through the host.
///
/// # Errors
/// The request that the kernel refused.
pub fn let_hairpin(host_name: &str) -> Result<(), NetworkError> {
    set_port(host_name, InfoBridgePort::HairpinMode(true))
}

fn set_port(host_name: &str, setting: InfoBridgePort) -> Result<(), NetworkError> {
    link::check_name(host_name)?;
    let what = format!("set {setting:?} of {host_name}");
    let port = vec![setting];
    let attributes = vec![
        LinkAttribute::IfName(host_name.to_owned()),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::PortKind(InfoPortKind::Bridge),
            LinkInfo::PortData(InfoPortData::BridgePort(port)),
        ]),
    ];
    // Not RTM_SETLINK, which passes over what is special to the kind of port.
    let message = RouteNetlinkMessage::NewLink(link::message(0, false, attributes));
    let request = Request::new(what, NLM_F_ACK, message);
    netns::open_route_socket()?.execute(vec![request])
}

/// Bars a bridge's port from the other ports that are barred so; the host is still reached.
///
/// # Errors
/// The request that the kernel refused.
pub fn isolate(host_name: &str) -> Result<(), NetworkError> {
    set_port(host_name, InfoBridgePort::Isolated(true))
}

/// The request that makes both ends. The kernel sets flags and master of the outer end in the same
/// step; the inner end cannot be up before it has its peer.
fn pair(master: u32, netns: BorrowedFd<'_>, endpoint: &Endpoint) -> RouteRequest {
    let inner = link::message(
        0,
        false,
        vec![
            LinkAttribute::IfName(endpoint.interface.clone()),
            LinkAttribute::Mtu(endpoint.mtu),
            LinkAttribute::Address(endpoint.mac.to_vec()),
            LinkAttribute::NetNsFd(netns.as_raw_fd()),
        ],
    );
    let outer = link::message(
        0,
        true,
        vec![
            LinkAttribute::IfName(endpoint.host_name.clone()),
            LinkAttribute::Mtu(endpoint.mtu),
            LinkAttribute::Controller(master),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(inner))),
            ]),
        ],
    );
    link::create(format!("create veth {}", endpoint.host_name), outer, NLM_F_ACK)
}

/// Gives the interface in the container, which is there, its addresses and routes, and lets it be up. `inside` is a
/// socket of `netns`.
pub(super) fn set_up(
    mut inside: super::netlink::Netlink,
    netns: BorrowedFd<'_>,
    endpoint: &Endpoint,
) -> Result<(), NetworkError> {
    if endpoint.v6.is_some() {
        netns::within(netns, || netns::switch_on_v6(&endpoint.interface))?;
    }
    let Some(index) = link::index_of(&inside, &endpoint.interface)? else {
        return Err(NetworkError::NoInterface { name: endpoint.interface.clone() });
    };
    let mut requests = vec![
        link::up(&format!("set {} up", endpoint.interface), index, 0),
        link::add_address(index, endpoint.address.into(), endpoint.prefix, 0),
    ];
    if let Some(gateway) = endpoint.gateway {
        requests.push(link::default_route(index, gateway.into(), 0));
    }
    if let Some(v6) = endpoint.v6 {
        requests.push(link::add_address(index, v6.address.into(), v6.prefix, 0));
        requests.extend(v6.gateway.map(|gateway| link::default_route(index, gateway.into(), 0)));
    }
    requests.extend(endpoint.link_local.iter().map(|address| {
        let prefix = if address.is_ipv4() { LINK_LOCAL_PREFIX } else { LINK_LOCAL_PREFIX_V6 };
        link::add_address(index, *address, prefix, 0)
    }));
    if let Some(last) = requests.last_mut() {
        last.flags |= NLM_F_ACK;
    }
    inside.execute(requests)
}
