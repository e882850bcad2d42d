//! The bridge that the containers' interfaces are ports of.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::NLM_F_ACK;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    BridgeStpState, InfoBridge, InfoData, InfoKind, LinkAttribute, LinkInfo, LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::link::{self, RouteRequest};
use super::netlink::{Netlink, Request};
use super::{BridgeConfig, NetworkError, ipam, netns, nft, publish, sysctl};

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
    for (address, prefix) in addresses(&mut route, index, AddressFamily::Inet)? {
        if (address, prefix) != (IpAddr::V4(config.gateway), config.prefix) {
            requests.push(remove_address(index, address, prefix));
        }
    }
    requests.push(link::add_address(index, config.gateway.into(), config.prefix, NLM_F_ACK));
    route.execute(requests)?;
    // Without it the kernel passes no packet from one interface to another (ip(7)).
    sysctl::set("net/ipv4/ip_forward", "1")?;
    ensure_v6(&mut route, index, config)?;
    nft::ensure(config)?;
    // Not before the rules that guard what it opens.
    publish::route_loopback(&config.name)?;
    if config.v6.is_some() { route_loopback_v6(&mut route, index) } else { Ok(()) }
}

/// Lets answers to the host's own questions by `::1`, which published ports are asked, come back by the bridge: there is
/// no `route_localnet` of IPv6, but what an interface may receive for `::1` is decided by routes with its name. What
/// others send to `::1` the kernel drops before it looks at routes, and so does the table.
fn route_loopback_v6(route: &mut Netlink, index: u32) -> Result<(), NetworkError> {
    match route.execute(vec![link::local_route(index, Ipv6Addr::LOCALHOST, NLM_F_ACK)]) {
        Err(error) if error.errno() == Some(libc::EEXIST) => Ok(()),
        other => other,
    }
}

/// The bridge's IPv6 address and no other, but the one that the kernel gives every link.
fn ensure_v6(route: &mut Netlink, index: u32, config: &BridgeConfig) -> Result<(), NetworkError> {
    let Some((gateway, own_prefix)) = config.v6 else { return Ok(()) };
    forward_v6(&config.name)?;
    let mut requests = Vec::new();
    for (address, prefix) in addresses(route, index, AddressFamily::Inet6)? {
        let of_link = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
        if !of_link && (address, prefix) != (IpAddr::V6(gateway), own_prefix) {
            requests.push(remove_address(index, address, prefix));
        }
    }
    requests.push(link::add_address(index, gateway.into(), own_prefix, NLM_F_ACK));
    route.execute(requests)
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
        Some(index) => {
            let found = addresses(&mut route, index, AddressFamily::Inet)?;
            Ok(found.into_iter().find_map(|(address, prefix)| match address {
                IpAddr::V4(address) => Some((address, prefix)),
                IpAddr::V6(_) => None,
            }))
        }
        None => Ok(None),
    }
}

/// The IPv6 address of the interface `name` with its prefix, as [`bridge_address`].
///
/// # Errors
/// The request that the kernel refused.
pub fn bridge_address_v6(name: &str) -> Result<Option<(Ipv6Addr, u8)>, NetworkError> {
    link::check_name(name)?;
    Ok(subnets(name)?.into_iter().find_map(|(address, prefix)| match address {
        IpAddr::V6(address) if !address.is_unicast_link_local() => Some((address, prefix)),
        _ => None,
    }))
}

/// The subnets of a bridge, of both families: its own addresses with their prefixes.
pub(super) fn subnets(name: &str) -> Result<Vec<(IpAddr, u8)>, NetworkError> {
    let mut route = netns::open_route_socket()?;
    let Some(index) = link::index_of(&route, name)? else { return Ok(Vec::new()) };
    let mut found = addresses(&mut route, index, AddressFamily::Inet)?;
    found.extend(addresses(&mut route, index, AddressFamily::Inet6)?);
    Ok(found)
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

fn addresses(
    route: &mut Netlink,
    index: u32,
    family: AddressFamily,
) -> Result<Vec<(IpAddr, u8)>, NetworkError> {
    let mut message = AddressMessage::default();
    message.header.family = family;
    let mut found = Vec::new();
    let request = Request::new("list addresses", 0, RouteNetlinkMessage::GetAddress(message));
    route.dump(request, |object| {
        let RouteNetlinkMessage::NewAddress(message) = object else { return };
        if message.header.index != index {
            return;
        }
        let of = |wanted: fn(&AddressAttribute) -> Option<IpAddr>| {
            message.attributes.iter().find_map(wanted)
        };
        // The kernel tells an interface's own address as local, or, of IPv6, as the address alone.
        let local = of(|attribute| match attribute {
            AddressAttribute::Local(address) => Some(*address),
            _ => None,
        });
        let address = local.or_else(|| {
            of(|attribute| match attribute {
                AddressAttribute::Address(address) => Some(*address),
                _ => None,
            })
        });
        found.extend(address.map(|address| (address, message.header.prefix_len)));
    })?;
    Ok(found)
}

fn remove_address(index: u32, address: IpAddr, prefix: u8) -> RouteRequest {
    let message = RouteNetlinkMessage::DelAddress(link::address(index, address, prefix));
    Request::new(format!("remove address {address}/{prefix}"), 0, message)
}

/// Lets packets of IPv6 pass from one interface to another. What a router tells of itself is only heeded by who is
/// none himself, unless he insists (`accept_ra`, ip-sysctl): the host's own interfaces go on heeding it, the bridge
/// does not, since its containers are no routers.
fn forward_v6(bridge: &str) -> Result<(), NetworkError> {
    const CONF: &str = "net/ipv6/conf";
    sysctl::set(&format!("{CONF}/{bridge}/disable_ipv6"), "0")?;
    sysctl::set(&format!("{CONF}/{bridge}/accept_ra"), "0")?;
    if sysctl::read(&format!("{CONF}/all/forwarding"))? == "1" {
        return sysctl::set(&format!("{CONF}/{bridge}/forwarding"), "1");
    }
    for interface in sysctl::names(CONF)? {
        let setting = format!("{CONF}/{interface}/accept_ra");
        // Interfaces come and go meanwhile.
        if interface != "all" && sysctl::read(&setting).is_ok_and(|value| value == "1") {
            _ = sysctl::set(&setting, "2");
        }
    }
    sysctl::set(&format!("{CONF}/all/forwarding"), "1")
}
