//! What the host routes already: subnets that no network of ours may take.

use std::net::Ipv4Addr;

use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::netlink::Request;
use super::{NetworkError, netns};

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
