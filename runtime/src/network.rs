//! The containers' network: bridge, virtual interface pairs, network namespaces, addresses and
//! packet filter rules, all by netlink from within this process.
//!
//! Every call here blocks for as long as the kernel takes (microseconds to a few milliseconds) and
//! acts in the calling thread's network namespace. What stays is in the kernel only: one bridge and
//! one nf_tables table for all containers, one interface pair for each; a container's namespace
//! lives as long as a process or a descriptor holds it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

mod bridge;
mod fault;
mod flows;
pub mod ipam;
mod link;
mod macvlan;
mod moved;
mod netlink;
mod netns;
mod nft;
mod publish;
mod resolver;
mod routes;
mod sysctl;
mod veth;

pub use bridge::{bridge_address, bridge_address_v6, ensure_bridge, remove_bridge};
pub use link::{exists as link_exists, is_name as is_link_name};
pub use macvlan::{
    MacvlanMode, MadeParent, attach_macvlan, detach_inside, make_parent, remove_parent,
};
pub use moved::move_into;
pub use netns::{create_netns, netns_of, set_loopback_up};
pub use nft::{RuleChanges, RuleSet, TABLE as NFT_TABLE, verify as verify_rules};
pub use publish::{
    Protocol, Publication, publish, reserve, restore_published, unpublish, verify_published,
};
pub use resolver::{RESOLVER, ResolverSockets, open_resolver};
pub use routes::{host_routes, lead_out};
pub use veth::{attach, detach, isolate, let_hairpin};

/// How a bridge is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeConfig {
    /// Name of the interface, 15 bytes at most.
    pub name: String,
    /// The bridge's own address: the containers' gateway.
    pub gateway: Ipv4Addr,
    /// Length of the subnet's prefix, in bits.
    pub prefix: u8,
    /// Largest packet, in bytes.
    pub mtu: u32,
    /// Whether packets that leave the host carry the host's address.
    pub masquerade: bool,
    /// Whether containers may talk to each other; only where the host filters bridged packets
    /// (br_netfilter) do the rules see these at all.
    pub icc: bool,
    /// Whether nothing passes between its containers and other networks.
    pub internal: bool,
    /// The bridge's own IPv6 address and the length of its subnet's prefix, where the network has IPv6.
    pub v6: Option<(Ipv6Addr, u8)>,
}

/// One container's connection to a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name of the end on the host, unique there, 15 bytes at most.
    pub host_name: String,
    /// Hardware address of the end in the container; see [`mac_for`].
    pub mac: [u8; 6],
    /// The container's address.
    pub address: Ipv4Addr,
    /// Length of the subnet's prefix, in bits.
    pub prefix: u8,
    /// Where packets to other subnets go; none without such a route.
    pub gateway: Option<Ipv4Addr>,
    /// Name of the end in the container, such as `eth0`.
    pub interface: String,
    /// Largest packet, in bytes.
    pub mtu: u32,
    /// Where the network has IPv6; it is off on the interface otherwise.
    pub v6: Option<EndpointV6>,
    /// Addresses of the link that it has besides.
    pub link_local: Vec<IpAddr>,
}

/// The IPv6 part of an [`Endpoint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointV6 {
    /// The container's address.
    pub address: Ipv6Addr,
    /// Length of the subnet's prefix, in bits.
    pub prefix: u8,
    /// Where packets to other subnets go; none without such a route.
    pub gateway: Option<Ipv6Addr>,
}

/// Why the network could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The kernel refused a request, or its answer could not be read.
    #[error("netlink: {request}: {source}")]
    Netlink {
        /// What was asked for.
        request: String,
        /// The kernel's errno.
        source: io::Error,
    },
    /// A system call failed.
    #[error("{call}: {source}")]
    Call {
        /// The call with its arguments.
        call: String,
        /// Its errno.
        source: io::Error,
    },
    /// A request would be longer than the limit.
    #[error("netlink: {request}: message of {length} bytes is too long")]
    MessageTooLong {
        /// What was asked for.
        request: String,
        /// Length of the message, in bytes.
        length: usize,
    },
    /// The kernel allows no interface of this name.
    #[error("invalid interface name {name:?}")]
    InterfaceName {
        /// The name.
        name: String,
    },
    /// There is no such bridge to connect to.
    #[error("bridge {name} does not exist")]
    NoBridge {
        /// Its name.
        name: String,
    },
    /// There is no such interface for those of containers to hang on.
    #[error("the requested parent interface {name} was not found on the host")]
    NoParent {
        /// Its name.
        name: String,
    },
    /// An interface of another kind has the bridge's name.
    #[error("interface {name} is not a bridge")]
    NotABridge {
        /// Its name.
        name: String,
    },
    /// An interface vanished from the container while it was set up.
    #[error("interface {name} is gone")]
    NoInterface {
        /// Its name.
        name: String,
    },
    /// The answers would be dropped: their addresses are translated when they pass the bridge, and what comes from
    /// there for `::1` the kernel does not take.
    #[error(
        "a port of ::1 is not reached while bridged packets are filtered (net.bridge.bridge-nf-call-ip6tables is 1)"
    )]
    LoopbackFiltered,
    /// Addresses that do not fit together.
    #[error(transparent)]
    Ipam(#[from] ipam::IpamError),
}

impl NetworkError {
    /// The kernel's errno, where there is one.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Netlink { source, .. } | Self::Call { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}

/// The hardware address that goes with an address: `02:42` (locally administered) and the four
/// bytes of the address, as Docker has it. An address that is given out again keeps its hardware
/// address, so no neighbour's cache is wrong about it.
#[must_use]
pub fn mac_for(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x42, a, b, c, d]
}
