//! The bridge that the containers' interfaces are ports of.

use std::net::Ipv4Addr;
use std::{fs, io};

use netlink_packet_core::NLM_F_ACK;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    BridgeStpState, InfoBridge, InfoData, InfoKind, LinkAttribute, LinkInfo, LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::link::{self, RouteRequest};
use super::netlink::{Netlink, Request};
use super::{BridgeConfig, NetworkError, ipam, netns, nft, publish};

/// Without it the kernel passes no packet from one interface to another (ip(7)).
const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

/// Makes the bridge as `config` describes it, or repairs what differs: link, MAC, MTU, no spanning
/// tree, the one address, up, forwarding between interfaces, and the rules of our own nft table.
///
/// # Errors
/// [`NetworkError::NotABridge`] if another kind of interface has the name; otherwise the call or
/// request that failed.
pub fn ensure_bridge(config: &BridgeConfig) -> Result<(), NetworkError> {
    link::check_name(&config.name)?;
    ipam::Subnet::of(config.gateway, config.prefix)?;
    let mut route = netns::open_route_socket()?;
    let index = match link::index_of(&route, &config.name)? {
        Some(index) => {
            check_kind(&mut route, index, config)?;
            index
        }
        None => create(&mut route, config)?,
    };
    let mut requests = vec![settings(index, config)];
    for (address, prefix) in addresses(&mut route, index)? {
        if (address, prefix) != (config.gateway, config.prefix) {
            requests.push(remove_address(index, address, prefix));
        }
    }
    requests.push(link::add_address(index, config.gateway, config.prefix, NLM_F_ACK));
    route.execute(requests)?;
    forward_packets()?;
    nft::ensure(config)?;
    // Not before the rules that guard what it opens.
    publish::route_loopback(&config.name)
}

/// Removes the bridge with its rules; the nft table goes with the last bridge. No error if there is
/// no such bridge.
///
/// # Errors
/// The request that the kernel refused.
pub fn remove_bridge(name: &str) -> Result<(), NetworkError> {
    link::check_name(name)?;
    let mut route = netns::open_route_socket()?;
    match route.execute(vec![link::delete(name, NLM_F_ACK)]) {
        Err(error) if error.errno() == Some(libc::ENODEV) => {}
        other => other?,
    }
    nft::remove(name)
}

/// The first IPv4 address of the interface `name` with its prefix: what an earlier daemon chose.
/// `None` if there is no such interface, or no address on it.
///
/// # Errors
/// The request that the kernel refused.
pub fn bridge_address(name: &str) -> Result<Option<(Ipv4Addr, u8)>, NetworkError> {
    link::check_name(name)?;
    let mut route = netns::open_route_socket()?;
    match link::index_of(&route, name)? {
        Some(index) => Ok(addresses(&mut route, index)?.into_iter().next()),
        None => Ok(None),
    }
}

fn create(route: &mut Netlink, config: &BridgeConfig) -> Result<u32, NetworkError> {
    let attributes = vec![
        LinkAttribute::IfName(config.name.clone()),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]),
    ];
    let message = link::message(0, false, attributes);
    let what = format!("create bridge {}", config.name);
    match route.execute(vec![link::create(what, message, NLM_F_ACK)]) {
        // Somebody else was faster; the settings that follow make it ours.
        Err(error) if error.errno() == Some(libc::EEXIST) => {}
        other => other?,
    }
    link::index_of(route, &config.name)?
        .ok_or_else(|| NetworkError::NoBridge { name: config.name.clone() })
}

/// A MAC that is set explicitly does not change as ports come and go, so no neighbour entry in a
/// container goes stale.
fn settings(index: u32, config: &BridgeConfig) -> RouteRequest {
    let bridge = vec![InfoBridge::StpState(BridgeStpState::Disabled)];
    let attributes = vec![
        LinkAttribute::Mtu(config.mtu),
        LinkAttribute::Address(super::mac_for(config.gateway).to_vec()),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Bridge),
            LinkInfo::Data(InfoData::Bridge(bridge)),
        ]),
    ];
    let message = link::message(index, true, attributes);
    // Not RTM_SETLINK, which passes over what is special to the kind of link.
    let what = format!("configure bridge {}", config.name);
    Request::new(what, 0, RouteNetlinkMessage::NewLink(message))
}

fn check_kind(route: &mut Netlink, index: u32, config: &BridgeConfig) -> Result<(), NetworkError> {
    let mut is_bridge = false;
    let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
    route.dump(Request::new("list links", 0, request), |object| {
        let RouteNetlinkMessage::NewLink(message) = object else { return };
        if message.header.index == index {
            is_bridge = message.attributes.iter().any(|attribute| {
                matches!(attribute, LinkAttribute::LinkInfo(info)
                    if info.contains(&LinkInfo::Kind(InfoKind::Bridge)))
            });
        }
    })?;
    if is_bridge { Ok(()) } else { Err(NetworkError::NotABridge { name: config.name.clone() }) }
}

fn addresses(route: &mut Netlink, index: u32) -> Result<Vec<(Ipv4Addr, u8)>, NetworkError> {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    let mut found = Vec::new();
    let request = Request::new("list addresses", 0, RouteNetlinkMessage::GetAddress(message));
    route.dump(request, |object| {
        let RouteNetlinkMessage::NewAddress(message) = object else { return };
        if message.header.index != index {
            return;
        }
        for attribute in &message.attributes {
            if let AddressAttribute::Local(std::net::IpAddr::V4(local)) = attribute {
                found.push((*local, message.header.prefix_len));
            }
        }
    })?;
    Ok(found)
}

fn remove_address(index: u32, address: Ipv4Addr, prefix: u8) -> RouteRequest {
    let message = RouteNetlinkMessage::DelAddress(link::address(index, address, prefix));
    Request::new(format!("remove address {address}/{prefix}"), 0, message)
}

/// Reads first: the file may be read-only where forwarding is on already.
fn forward_packets() -> Result<(), NetworkError> {
    let call = |verb: &str| format!("{verb}({IP_FORWARD})");
    let failed = |verb: &str, source: io::Error| NetworkError::Call { call: call(verb), source };
    let now = fs::read_to_string(IP_FORWARD).map_err(|error| failed("read", error))?;
    if now.trim() == "1" {
        return Ok(());
    }
    fs::write(IP_FORWARD, "1").map_err(|error| failed("write", error))
}
