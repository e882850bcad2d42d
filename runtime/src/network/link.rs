//! Building blocks of rtnetlink requests (rtnetlink(7)): links, addresses, routes. No socket here
//! beyond the look-up of an interface's index.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::io::Errno;
use rustix::net::netdevice;

use super::NetworkError;
use super::netlink::{Netlink, Request};

pub(super) type RouteRequest = Request<RouteNetlinkMessage>;

/// The longest name of an interface, in bytes (`IFNAMSIZ` less the closing zero).
const NAME_LIMIT: usize = 15;
/// Metric of routes that stand behind the kernel's own.
const LAST: u32 = 4096;

/// Refuses what the kernel would refuse as an interface's name (`dev_valid_name`), so that no name
/// reaches a message or a path in `/proc` unchecked.
pub(super) fn check_name(name: &str) -> Result<(), NetworkError> {
    if is_name(name) { Ok(()) } else { Err(NetworkError::InterfaceName { name: name.into() }) }
}

/// Whether the kernel allows an interface of this name.
pub fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':' | b'%');
    let fits = !name.is_empty() && name.len() <= NAME_LIMIT && name != "." && name != "..";
    fits && name.bytes().all(legal)
}

/// The index of the interface `name` in the namespace of `socket`; `None` if there is none.
pub(super) fn index_of(socket: &Netlink, name: &str) -> Result<Option<u32>, NetworkError> {
    match netdevice::name_to_index(socket.fd(), name) {
        Ok(index) => Ok(Some(index)),
        Err(Errno::NODEV) => Ok(None),
        Err(errno) => {
            let call = format!("ioctl(SIOCGIFINDEX, {name})");
            Err(NetworkError::Call { call, source: errno.into() })
        }
    }
}

/// Whether the calling thread's network namespace has an interface of this name.
///
/// # Errors
/// The call that failed.
pub fn exists(name: &str) -> Result<bool, NetworkError> {
    check_name(name)?;
    Ok(index_of(&super::netns::open_route_socket()?, name)?.is_some())
}

/// A link message for the interface `index` (0: named by an attribute, or to be made).
pub(super) fn message(index: u32, up: bool, attributes: Vec<LinkAttribute>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    if up {
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
    }
    message.attributes = attributes;
    message
}

pub(super) fn create(what: String, message: LinkMessage, flags: u16) -> RouteRequest {
    let flags = flags | NLM_F_CREATE | NLM_F_EXCL;
    Request::new(what, flags, RouteNetlinkMessage::NewLink(message))
}

pub(super) fn set(what: String, message: LinkMessage, flags: u16) -> RouteRequest {
    Request::new(what, flags, RouteNetlinkMessage::SetLink(message))
}

pub(super) fn up(what: &str, index: u32, flags: u16) -> RouteRequest {
    set(what.into(), message(index, true, Vec::new()), flags)
}

pub(super) fn delete(name: &str, flags: u16) -> RouteRequest {
    let named = message(0, false, vec![LinkAttribute::IfName(name.into())]);
    Request::new(format!("delete link {name}"), flags, RouteNetlinkMessage::DelLink(named))
}

/// An address; of IPv4 with the broadcast address of its subnet, of IPv6 usable at once: nobody else can have it.
pub(super) fn address(index: u32, local: IpAddr, prefix: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(local);
    message.header.prefix_len = prefix;
    message.header.index = index;
    message.attributes = vec![AddressAttribute::Address(local), AddressAttribute::Local(local)];
    match local {
        IpAddr::V4(local) => {
            let host_bits = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
            let broadcast = Ipv4Addr::from(u32::from(local) | host_bits);
            message.attributes.push(AddressAttribute::Broadcast(broadcast));
        }
        IpAddr::V6(_) => message.header.flags = AddressHeaderFlags::Nodad,
    }
    message
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

pub(super) fn add_address(index: u32, local: IpAddr, prefix: u8, flags: u16) -> RouteRequest {
    let flags = flags | NLM_F_CREATE | NLM_F_REPLACE;
    let message = RouteNetlinkMessage::NewAddress(address(index, local, prefix));
    Request::new(format!("add address {local}/{prefix}"), flags, message)
}

pub(super) fn default_route(index: u32, gateway: IpAddr, flags: u16) -> RouteRequest {
    let mut message = RouteMessage::default();
    message.header.address_family = family(gateway);
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Boot;
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    let via = match gateway {
        IpAddr::V4(gateway) => RouteAddress::Inet(gateway),
        IpAddr::V6(gateway) => RouteAddress::Inet6(gateway),
    };
    message.attributes = vec![RouteAttribute::Gateway(via), RouteAttribute::Oif(index)];
    let flags = flags | NLM_F_CREATE | NLM_F_EXCL;
    let message = RouteNetlinkMessage::NewRoute(message);
    Request::new(format!("add default route via {gateway}"), flags, message)
}

/// A route that lets the interface receive packets for an address of the host that is another interface's.
pub(super) fn local_route(index: u32, address: Ipv6Addr, flags: u16) -> RouteRequest {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet6;
    message.header.destination_prefix_length = 128;
    message.header.table = libc::RT_TABLE_LOCAL;
    message.header.protocol = RouteProtocol::Boot;
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Local;
    message.attributes = vec![
        RouteAttribute::Destination(RouteAddress::Inet6(address)),
        RouteAttribute::Oif(index),
        RouteAttribute::Priority(LAST),
    ];
    let message = RouteNetlinkMessage::NewRoute(message);
    Request::new(format!("add local route of {address}"), flags | NLM_F_CREATE, message)
}

/// Removes one default route of the family, whichever.
pub(super) fn remove_default_route(family: AddressFamily, flags: u16) -> RouteRequest {
    let mut message = RouteMessage::default();
    message.header.address_family = family;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.scope = RouteScope::NoWhere;
    Request::new("remove default route", flags, RouteNetlinkMessage::DelRoute(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_kernel_refuses_are_refused() {
        for name in ["", ".", "..", "a/b", "a b", "a:b", "veth%d", "sixteen-letters!", "a\0b"] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        for name in ["eth0", "jocker0", "fifteen-letters"] {
            assert!(check_name(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn an_address_carries_its_broadcast() {
        let broadcast = |prefix| {
            let message = address(1, Ipv4Addr::new(172, 17, 0, 2).into(), prefix);
            message.attributes.into_iter().find_map(|attribute| match attribute {
                AddressAttribute::Broadcast(address) => Some(address),
                _ => None,
            })
        };
        assert_eq!(broadcast(16), Some(Ipv4Addr::new(172, 17, 255, 255)));
        assert_eq!(broadcast(32), Some(Ipv4Addr::new(172, 17, 0, 2)));
        assert_eq!(broadcast(0), Some(Ipv4Addr::BROADCAST));
    }
}
