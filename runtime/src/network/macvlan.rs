//! Interfaces of containers that hang on an interface of the host (macvlan), without a bridge between: on the wire the
//! container is a host of its own. The host itself is not reached over it.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::thread;
use std::time::{Duration, Instant};

use netlink_packet_core::NLM_F_ACK;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoMacVlan, InfoVlan, LinkAttribute, LinkInfo, MacVlanMode,
};
use serde::{Deserialize, Serialize};

use super::link::{self, RouteRequest};
use super::{Endpoint, NetworkError, netns, veth};

/// How long an interface that an ended container had may be in the way of the next one with its address: the kernel
/// clears network namespaces away some time after their end.
const PREDECESSOR: Duration = Duration::from_secs(3);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(5);

/// How interfaces on one parent treat each other (ip-link(8), "macvlan").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MacvlanMode {
    /// They reach each other without the wire.
    Bridge,
    /// They do not reach each other.
    Private,
    /// They reach each other by a switch that sends packets back.
    Vepa,
    /// There is but one, which has the parent to itself.
    Passthru,
}

/// A parent that is made for its network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MadeParent {
    /// Leads nowhere.
    Dummy,
    /// A virtual LAN of another interface.
    Vlan {
        /// Name of that interface.
        of: String,
        /// Number of the LAN, from 1 to 4094.
        number: u16,
    },
}

/// Makes the interface `name` that containers' interfaces will hang on, up; no error if it is there.
///
/// # Errors
/// [`NetworkError::NoParent`] without the interface that it is a LAN of, or the request that the kernel refused.
pub fn make_parent(name: &str, made: &MadeParent) -> Result<(), NetworkError> {
    link::check_name(name)?;
    let mut host = netns::open_route_socket()?;
    let mut attributes = vec![LinkAttribute::IfName(name.to_owned())];
    let info = match made {
        MadeParent::Dummy => vec![LinkInfo::Kind(InfoKind::Dummy)],
        MadeParent::Vlan { of, number } => {
            attributes.push(LinkAttribute::Link(parent_index(&host, of)?));
            let data = InfoData::Vlan(vec![InfoVlan::Id(*number)]);
            vec![LinkInfo::Kind(InfoKind::Vlan), LinkInfo::Data(data)]
        }
    };
    attributes.push(LinkAttribute::LinkInfo(info));
    let message = link::message(0, true, attributes);
    match host.execute(vec![link::create(format!("create link {name}"), message, NLM_F_ACK)]) {
        Err(error) if error.errno() == Some(libc::EEXIST) => Ok(()),
        other => other,
    }
}

/// Removes what [`make_parent`] made, with all that hangs on it; no error if it is gone.
///
/// # Errors
/// The request that the kernel refused.
pub fn remove_parent(name: &str) -> Result<(), NetworkError> {
    veth::detach(name)
}

/// Gives the network namespace `netns` an interface on `parent`, with its final name, MAC, addresses and default
/// routes; its MTU is that of the parent.
///
/// # Errors
/// [`NetworkError::NoParent`], or the request that the kernel refused. Nothing is left then.
pub fn attach_macvlan(
    parent: &str,
    mode: MacvlanMode,
    netns: BorrowedFd<'_>,
    endpoint: &Endpoint,
) -> Result<(), NetworkError> {
    for name in [parent, &endpoint.interface] {
        link::check_name(name)?;
    }
    let deadline = Instant::now() + PREDECESSOR;
    loop {
        match attach_once(parent, mode, netns, endpoint) {
            // The second that wants a parent to itself; or the second with a MAC.
            Err(error)
                if matches!(error.errno(), Some(libc::EINVAL | libc::EADDRINUSE | libc::EBUSY))
                    && Instant::now() < deadline =>
            {
                thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}

fn attach_once(
    parent: &str,
    mode: MacvlanMode,
    netns: BorrowedFd<'_>,
    endpoint: &Endpoint,
) -> Result<(), NetworkError> {
    let mut host = netns::open_route_socket()?;
    let parent = parent_index(&host, parent)?;
    let inside = netns::route_socket(netns)?;
    host.execute(vec![interface(parent, mode, netns, endpoint)])?;
    veth::set_up(inside, netns, endpoint).inspect_err(|_| {
        if let Err(error) = detach_inside(netns, &endpoint.interface) {
            tracing::warn!(link.name = endpoint.interface, %error, "link is left");
        }
    })
}

/// Removes an interface of a network namespace; no error if it is gone.
///
/// # Errors
/// The request that the kernel refused.
pub fn detach_inside(netns: BorrowedFd<'_>, interface: &str) -> Result<(), NetworkError> {
    link::check_name(interface)?;
    match netns::route_socket(netns)?.execute(vec![link::delete(interface, NLM_F_ACK)]) {
        Err(error) if error.errno() == Some(libc::ENODEV) => Ok(()),
        other => other,
    }
}

fn parent_index(host: &super::netlink::Netlink, name: &str) -> Result<u32, NetworkError> {
    link::index_of(host, name)?.ok_or_else(|| NetworkError::NoParent { name: name.to_owned() })
}

/// The request that makes the interface in its namespace at once: the host never has it.
fn interface(
    parent: u32,
    mode: MacvlanMode,
    netns: BorrowedFd<'_>,
    endpoint: &Endpoint,
) -> RouteRequest {
    let mode = match mode {
        MacvlanMode::Bridge => MacVlanMode::Bridge,
        MacvlanMode::Private => MacVlanMode::Private,
        MacvlanMode::Vepa => MacVlanMode::Vepa,
        MacvlanMode::Passthru => MacVlanMode::Passthrough,
    };
    let attributes = vec![
        LinkAttribute::IfName(endpoint.interface.clone()),
        LinkAttribute::Address(endpoint.mac.to_vec()),
        LinkAttribute::Link(parent),
        LinkAttribute::NetNsFd(netns.as_raw_fd()),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::MacVlan),
            LinkInfo::Data(InfoData::MacVlan(vec![InfoMacVlan::Mode(mode)])),
        ]),
    ];
    let what = format!("create macvlan {}", endpoint.interface);
    link::create(what, link::message(0, false, attributes), NLM_F_ACK)
}
