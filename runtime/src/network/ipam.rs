//! Addresses as arithmetic: which subnet a network gets, which address a container gets. Pure; who
//! holds what is told by the caller and kept by the caller.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

mod six;

pub use six::{Ipam6Error, Leases6, Subnet6};

/// Docker's default address pools: (base, prefix of the base, prefix of each network). They hold 31 networks; what
/// comes after those gets smaller ones of a range that private networks seldom use.
const DEFAULT_POOLS: [([u8; 4], u8, u8); 8] = [
    ([172, 17, 0, 0], 16, 16),
    ([172, 18, 0, 0], 16, 16),
    ([172, 19, 0, 0], 16, 16),
    ([172, 20, 0, 0], 14, 16),
    ([172, 24, 0, 0], 14, 16),
    ([172, 28, 0, 0], 14, 16),
    ([192, 168, 0, 0], 16, 20),
    ([10, 200, 0, 0], 13, 24),
];

/// Why there is no subnet or address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IpamError {
    /// Not `a.b.c.d/n`, or a prefix outside of what a network can have.
    #[error("invalid subnet {0:?}")]
    InvalidSubnet(String),
    /// A pool's networks would be larger than the pool.
    #[error("invalid address pool {base} with networks of /{size}")]
    InvalidPool {
        /// The range to cut up.
        base: Subnet,
        /// Prefix of each network, in bits.
        size: u8,
    },
    /// Every subnet of every pool is in use or routed by the host.
    #[error("all predefined address pools have been fully subnetted")]
    NoSubnet,
    /// Every address of the subnet is leased.
    #[error("no available address in {0}")]
    NoAddress(Subnet),
    /// The address is leased already.
    #[error("address {0} is already in use")]
    InUse(Ipv4Addr),
    /// The address is not in the subnet, or is its network or broadcast address.
    #[error("address {address} is not usable in {subnet}")]
    NotUsable {
        /// The address that was asked for.
        address: Ipv4Addr,
        /// The network's subnet.
        subnet: Subnet,
    },
}

/// An IPv4 subnet; the address has no bits beyond the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subnet {
    network: u32,
    prefix: u8,
}

impl Subnet {
    /// The subnet that `address` with `prefix` bits lies in.
    ///
    /// # Errors
    /// Refuses a prefix of 0 or above 32.
    pub fn of(address: Ipv4Addr, prefix: u8) -> Result<Self, IpamError> {
        if !(1..=32).contains(&prefix) {
            return Err(IpamError::InvalidSubnet(format!("{address}/{prefix}")));
        }
        let mask = u32::MAX << (32 - u32::from(prefix));
        Ok(Self { network: u32::from(address) & mask, prefix })
    }

    /// The first address, which stands for the network.
    #[must_use]
    pub fn network(&self) -> Ipv4Addr {
        self.network.into()
    }

    /// Length of the network's part, in bits.
    #[must_use]
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// The address that a network's gateway gets unless told otherwise: the first usable one.
    #[must_use]
    pub fn first_address(&self) -> Ipv4Addr {
        self.usable().0.into()
    }

    /// Whether the two have an address in common.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.network <= other.last() && other.network <= self.last()
    }

    /// Whether `address` may be given to an interface: in the subnet, and neither its network nor
    /// its broadcast address (which /31 and /32 do not have, RFC 3021).
    #[must_use]
    pub fn is_usable(&self, address: Ipv4Addr) -> bool {
        let (first, last) = self.usable();
        (first..=last).contains(&u32::from(address))
    }

    /// Whether every address of the other one is in this one.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.network <= other.network && other.last() <= self.last()
    }

    /// The addresses here that may be given out in `subnet`, of which this is a part.
    fn span_in(&self, subnet: &Self) -> (u32, u32) {
        let (first, last) = subnet.usable();
        (self.network.max(first), self.last().min(last))
    }

    fn last(&self) -> u32 {
        self.network | u32::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0)
    }

    fn usable(&self) -> (u32, u32) {
        if self.prefix >= 31 {
            (self.network, self.last())
        } else {
            (self.network + 1, self.last() - 1)
        }
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network(), self.prefix)
    }
}

impl FromStr for Subnet {
    type Err = IpamError;

    fn from_str(text: &str) -> Result<Self, IpamError> {
        let (address, prefix) = parse_cidr(text)?;
        Self::of(address, prefix)
    }
}

/// Takes `a.b.c.d/n` apart; the address may have bits beyond the prefix, as in `--bip`.
///
/// # Errors
/// Refuses anything else, and prefixes of 0 or above 32.
pub fn parse_cidr(text: &str) -> Result<(Ipv4Addr, u8), IpamError> {
    let invalid = || IpamError::InvalidSubnet(text.to_owned());
    let (address, prefix) = text.split_once('/').ok_or_else(invalid)?;
    let address = address.parse().map_err(|_| invalid())?;
    if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid());
    }
    let prefix = prefix.parse().map_err(|_| invalid())?;
    Subnet::of(address, prefix).map_err(|_| invalid())?;
    Ok((address, prefix))
}

/// Ranges that networks are cut from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    ranges: Vec<(Subnet, u8)>,
}

impl Default for Pool {
    /// Docker's default address pools, and one behind them.
    fn default() -> Self {
        let range = |(base, prefix, size): ([u8; 4], u8, u8)| {
            (Subnet { network: u32::from_be_bytes(base), prefix }, size)
        };
        Self { ranges: DEFAULT_POOLS.map(range).to_vec() }
    }
}

impl Pool {
    /// Pools of (range, prefix of each network in bits), tried in this order.
    ///
    /// # Errors
    /// Refuses networks larger than their range, or too small for a gateway and one container.
    pub fn new(ranges: Vec<(Subnet, u8)>) -> Result<Self, IpamError> {
        for &(base, size) in &ranges {
            if size < base.prefix || size > 30 {
                return Err(IpamError::InvalidPool { base, size });
            }
        }
        Ok(Self { ranges })
    }

    /// The first subnet that overlaps nothing in `taken`: the host's routes and our own networks,
    /// as (address, prefix).
    ///
    /// # Errors
    /// [`IpamError::NoSubnet`] when every one overlaps something.
    pub fn pick(&self, taken: &[(Ipv4Addr, u8)]) -> Result<Subnet, IpamError> {
        let taken: Vec<Subnet> = taken
            .iter()
            .filter_map(|&(address, prefix)| Subnet::of(address, prefix).ok())
            .collect();
        for &(base, size) in &self.ranges {
            let mut network = base.network;
            // Behind a conflict the next candidate is the first one after it: as many steps as
            // there are routes, not as there are subnets.
            while network <= base.last() {
                let candidate = Subnet { network, prefix: size };
                let Some(conflict) = taken.iter().find(|subnet| subnet.overlaps(&candidate)) else {
                    return Ok(candidate);
                };
                let behind = conflict.last().max(candidate.last());
                let Some(next) = behind.checked_add(1) else { break };
                network = next;
            }
        }
        Err(IpamError::NoSubnet)
    }
}

/// How full a network is. Both numbers stop at the highest that they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Addresses of the subnet that nobody can get: leased ones, and those that stand for the network, its broadcast
    /// or its routers.
    pub in_use: u64,
    /// Addresses that are still there for those that ask for none of their own.
    pub available: u64,
}

/// The addresses of one network that are given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leases {
    subnet: Subnet,
    /// What is leased to those that ask for no address of their own.
    range: Subnet,
    leased: BTreeSet<u32>,
    /// No address of the range below this one is free.
    lowest: u32,
}

impl Leases {
    /// A network whose only lease is its gateway's.
    ///
    /// # Errors
    /// [`IpamError::NotUsable`] if the gateway can not be in the subnet.
    pub fn new(subnet: Subnet, gateway: Ipv4Addr) -> Result<Self, IpamError> {
        Self::within(subnet, subnet, gateway)
    }

    /// As [`Leases::new`]; those that ask for no address of their own get one of `range`.
    ///
    /// # Errors
    /// [`IpamError::NotUsable`] if the gateway can not be in the subnet.
    pub fn within(subnet: Subnet, range: Subnet, gateway: Ipv4Addr) -> Result<Self, IpamError> {
        let (first, _) = range.span_in(&subnet);
        let mut leases = Self { subnet, range, leased: BTreeSet::new(), lowest: first };
        leases.reserve(gateway)?;
        Ok(leases)
    }

    /// The network's subnet.
    #[must_use]
    pub fn subnet(&self) -> Subnet {
        self.subnet
    }

    /// Leases the lowest free address.
    ///
    /// # Errors
    /// [`IpamError::NoAddress`] when there is none.
    pub fn allocate(&mut self) -> Result<Ipv4Addr, IpamError> {
        let last = self.range.span_in(&self.subnet).1;
        let mut candidate = self.lowest;
        while self.leased.contains(&candidate) && candidate < last {
            candidate += 1;
        }
        self.lowest = candidate;
        if candidate > last || !self.leased.insert(candidate) {
            return Err(IpamError::NoAddress(self.range));
        }
        Ok(candidate.into())
    }

    /// Leases `address` itself: of a container that runs already, or that asks for it.
    ///
    /// # Errors
    /// [`IpamError::NotUsable`] or [`IpamError::InUse`].
    pub fn reserve(&mut self, address: Ipv4Addr) -> Result<(), IpamError> {
        if !self.subnet.is_usable(address) {
            return Err(IpamError::NotUsable { address, subnet: self.subnet });
        }
        if self.leased.insert(address.into()) { Ok(()) } else { Err(IpamError::InUse(address)) }
    }

    /// Gives an address back; returns whether it was leased.
    pub fn release(&mut self, address: Ipv4Addr) -> bool {
        let address = u32::from(address);
        let was_leased = self.leased.remove(&address);
        if was_leased && address >= self.range.network {
            self.lowest = self.lowest.min(address);
        }
        was_leased
    }

    /// How full the network is.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let count = |first: u32, last: u32| (u64::from(last) + 1).saturating_sub(first.into());
        let Self { subnet, range, leased, .. } = self;
        let (first, last) = subnet.usable();
        let unusable = count(subnet.network, subnet.last()) - count(first, last);
        let (first, last) = range.span_in(subnet);
        let of_range = leased.iter().filter(|address| (first..=last).contains(*address)).count();
        Usage {
            in_use: leased.len() as u64 + unusable,
            available: count(first, last).saturating_sub(of_range as u64),
        }
    }
}

#[cfg(test)]
mod tests;
