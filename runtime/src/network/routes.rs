//! What the host routes already, which no network of ours may take; and the default route of a container.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::BorrowedFd;

use netlink_packet_core::NLM_F_ACK;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::netlink::Request;
use super::{NetworkError, link, netns};

/// What the kernel says where no route is left to be removed, or no table, or no such family.
const NONE_LEFT: [i32; 4] = [libc::ESRCH, libc::ENOENT, libc::EOPNOTSUPP, libc::EAFNOSUPPORT];

/// The IPv4 subnets with a route of their own in any table, as (address, prefix), the default route
/// left out. Routes of this host's own addresses count through their subnets.
///
/// # Errors
/// The request that the kernel refused.
pub fn host_routes() -> Result<Vec<(Ipv4Addr, u8)>, NetworkError> {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    let mut found = Vec::new();
    let request = Request::new("list routes", 0, RouteNetlinkMessage::GetRoute(message));
    netns::open_route_socket()?.dump(request, |object| {
        let RouteNetlinkMessage::NewRoute(route) = object else { return };
        let local = matches!(route.header.kind, RouteType::Local | RouteType::Broadcast);
        let prefix = route.header.destination_prefix_length;
        for attribute in &route.attributes {
            if let RouteAttribute::Destination(RouteAddress::Inet(destination)) = attribute
                && !local
                && prefix > 0
            {
                found.push((*destination, prefix));
            }
        }
    })?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Makes `via` (interface and gateways) the only default routes of a network namespace; none where there is no gateway.
///
/// # Errors
/// [`NetworkError::NoInterface`], or the request that the kernel refused.
pub fn lead_out(
    netns: BorrowedFd<'_>,
    v4: Option<(&str, Ipv4Addr)>,
    v6: Option<(&str, Ipv6Addr)>,
) -> Result<(), NetworkError> {
    let mut inside = netns::route_socket(netns)?;
    let v4 = v4.map(|(interface, gateway)| (interface, IpAddr::V4(gateway)));
    let v6 = v6.map(|(interface, gateway)| (interface, IpAddr::V6(gateway)));
    for (family, via) in [(AddressFamily::Inet, v4), (AddressFamily::Inet6, v6)] {
        let new = match via {
            Some((interface, gateway)) => {
                let index = link::index_of(&inside, interface)?
                    .ok_or_else(|| NetworkError::NoInterface { name: interface.to_owned() })?;
                Some(link::default_route(index, gateway, NLM_F_ACK))
            }
            None => None,
        };
        loop {
            match inside.execute(vec![link::remove_default_route(family, NLM_F_ACK)]) {
                // Also what a kernel without IPv6 says.
                Err(error) if error.errno().is_some_and(|errno| NONE_LEFT.contains(&errno)) => {
                    break;
                }
                removed => removed?,
            }
        }
        new.map_or(Ok(()), |route| inside.execute(vec![route]))?;
    }
    Ok(())
}
