//! Interfaces of the host that move into a container's network namespace, with their addresses.

use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::NLM_F_ACK;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{
    AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope,
};
use netlink_packet_route::link::LinkAttribute;

use super::link::{self, RouteRequest};
use super::netlink::{Netlink, Request};
use super::{NetworkError, netns};

/// How many names of a template are tried.
const NUMBERS_MAX: u32 = 1024;

/// Moves the interface `name` of the calling thread's network namespace into `netns`, where it is called `inside`
/// (`%d` in it stands for the first number that is free), and sets it up. What the kernel drops on the way is put
/// back: its permanent addresses of global scope; config-linux.md "Network Devices".
///
/// # Errors
/// There is no such interface, the name is taken, or the kernel does not let it go.
pub fn move_into(netns: BorrowedFd<'_>, name: &str, inside: &str) -> Result<(), NetworkError> {
    link::check_name(name)?;
    let mut host = netns::open_route_socket()?;
    let Some(index) = link::index_of(&host, name)? else {
        return Err(NetworkError::NoInterface { name: name.into() });
    };
    let mut there = netns::route_socket(netns)?;
    let inside = free_name(&there, inside)?;
    let kept = addresses(&mut host, index)?;
    let moved =
        vec![LinkAttribute::IfName(inside.clone()), LinkAttribute::NetNsFd(netns.as_raw_fd())];
    let what = format!("move {name} into the container as {inside}");
    host.execute(vec![link::set(what, link::message(index, false, moved), NLM_F_ACK)])?;
    let Some(index) = link::index_of(&there, &inside)? else {
        return Err(NetworkError::NoInterface { name: inside });
    };
    let mut requests = vec![link::up(&format!("set {inside} up"), index, NLM_F_ACK)];
    requests.extend(kept.into_iter().map(|address| put_back(&inside, index, address)));
    requests.into_iter().try_for_each(|request| there.execute(vec![request]))
}

/// The name itself, or the first that is free of those that a template stands for.
fn free_name(there: &Netlink, inside: &str) -> Result<String, NetworkError> {
    if !inside.contains("%d") {
        link::check_name(inside)?;
        return Ok(inside.to_owned());
    }
    for number in 0..NUMBERS_MAX {
        let name = inside.replacen("%d", &number.to_string(), 1);
        link::check_name(&name)?;
        if link::index_of(there, &name)?.is_none() {
            return Ok(name);
        }
    }
    Err(NetworkError::InterfaceName { name: inside.to_owned() })
}

/// The permanent addresses of global scope that an interface has.
fn addresses(host: &mut Netlink, index: u32) -> Result<Vec<AddressMessage>, NetworkError> {
    let all = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    let mut kept = Vec::new();
    host.dump(Request::new("list addresses", 0, all), |object| {
        if let RouteNetlinkMessage::NewAddress(address) = object
            && address.header.index == index
            && address.header.scope == AddressScope::Universe
            && address.header.flags.contains(AddressHeaderFlags::Permanent)
        {
            kept.push(address);
        }
    })?;
    Ok(kept)
}

/// An address as it was, on the interface that now has this index. One of IPv6 is usable at once: it was the host's.
fn put_back(interface: &str, index: u32, mut address: AddressMessage) -> RouteRequest {
    address.header.index = index;
    address.header.flags = match address.header.family {
        netlink_packet_route::AddressFamily::Inet6 => AddressHeaderFlags::Nodad,
        _ => AddressHeaderFlags::empty(),
    };
    address.attributes.retain(|attribute| {
        matches!(
            attribute,
            AddressAttribute::Address(_)
                | AddressAttribute::Local(_)
                | AddressAttribute::Broadcast(_)
        )
    });
    let flags = NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK;
    let what = format!("put the addresses of {interface} back");
    Request::new(what, flags, RouteNetlinkMessage::NewAddress(address))
}
