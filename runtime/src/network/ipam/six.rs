//! The same for IPv6: subnets are seldom cut from pools, and addresses never run out.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv6Addr;

use super::Usage;

/// Why there is no IPv6 subnet or address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ipam6Error {
    /// A prefix outside of what a network can have.
    #[error("invalid subnet {0}/{1}")]
    InvalidSubnet(Ipv6Addr, u8),
    /// Every address is leased.
    #[error("no available address in {0}")]
    NoAddress(Subnet6),
    /// The address is leased already.
    #[error("address {0} is already in use")]
    InUse(Ipv6Addr),
    /// The address is not in the subnet, or stands for its routers (RFC 4291, section 2.6.1).
    #[error("address {address} is not usable in {subnet}")]
    NotUsable {
        /// The address that was asked for.
        address: Ipv6Addr,
        /// The network's subnet.
        subnet: Subnet6,
    },
}

/// An IPv6 subnet; the address has no bits beyond the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet6 {
    network: u128,
    prefix: u8,
}

impl Subnet6 {
    /// The subnet that `address` with `prefix` bits lies in.
    ///
    /// # Errors
    /// Refuses a prefix of 0, and those that leave no room for a gateway and a container.
    pub fn of(address: Ipv6Addr, prefix: u8) -> Result<Self, Ipam6Error> {
        if !(1..=126).contains(&prefix) {
            return Err(Ipam6Error::InvalidSubnet(address, prefix));
        }
        let mask = u128::MAX << (128 - u32::from(prefix));
        Ok(Self { network: u128::from(address) & mask, prefix })
    }

    /// A subnet of /64 that nobody else is likely to have (RFC 4193), from 56 random bits.
    #[must_use]
    pub fn unique_local(random: [u8; 7]) -> Self {
        let mut octets = [0; 16];
        octets[0] = 0xfd;
        octets[1..8].copy_from_slice(&random);
        Self { network: Ipv6Addr::from(octets).into(), prefix: 64 }
    }

    /// Length of the network's part, in bits.
    #[must_use]
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// The address that a network's gateway gets unless told otherwise.
    #[must_use]
    pub fn first_address(&self) -> Ipv6Addr {
        (self.network + 1).into()
    }

    /// Whether `address` may be given to an interface.
    #[must_use]
    pub fn is_usable(&self, address: Ipv6Addr) -> bool {
        (self.network + 1..=self.last()).contains(&u128::from(address))
    }

    fn last(&self) -> u128 {
        self.network | (u128::MAX >> self.prefix)
    }
}

impl fmt::Display for Subnet6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv6Addr::from(self.network), self.prefix)
    }
}

/// The addresses of one network that are given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leases6 {
    subnet: Subnet6,
    /// What is leased to those that ask for no address of their own.
    range: Subnet6,
    leased: BTreeSet<u128>,
}

impl Leases6 {
    /// A network whose only lease is its gateway's. Those that ask for no address of their own get one of `range`.
    ///
    /// # Errors
    /// [`Ipam6Error::NotUsable`] if the gateway can not be in the subnet.
    pub fn within(subnet: Subnet6, range: Subnet6, gateway: Ipv6Addr) -> Result<Self, Ipam6Error> {
        let mut leases = Self { subnet, range, leased: BTreeSet::new() };
        leases.reserve(gateway)?;
        Ok(leases)
    }

    /// Leases the lowest free address.
    ///
    /// # Errors
    /// [`Ipam6Error::NoAddress`] when there is none.
    pub fn allocate(&mut self) -> Result<Ipv6Addr, Ipam6Error> {
        let (mut candidate, last) =
            (self.range.network.max(self.subnet.network + 1), self.range.last());
        for leased in self.leased.range(candidate..=last) {
            if *leased != candidate {
                break;
            }
            candidate += 1;
        }
        if candidate > last || !self.leased.insert(candidate) {
            return Err(Ipam6Error::NoAddress(self.range));
        }
        Ok(candidate.into())
    }

    /// Leases `address` itself: of a container that runs already, or that asks for it.
    ///
    /// # Errors
    /// [`Ipam6Error::NotUsable`] or [`Ipam6Error::InUse`].
    pub fn reserve(&mut self, address: Ipv6Addr) -> Result<(), Ipam6Error> {
        if !self.subnet.is_usable(address) {
            return Err(Ipam6Error::NotUsable { address, subnet: self.subnet });
        }
        if self.leased.insert(address.into()) { Ok(()) } else { Err(Ipam6Error::InUse(address)) }
    }

    /// Gives an address back; returns whether it was leased.
    pub fn release(&mut self, address: Ipv6Addr) -> bool {
        self.leased.remove(&u128::from(address))
    }

    /// The network's subnet.
    #[must_use]
    pub fn subnet(&self) -> Subnet6 {
        self.subnet
    }

    /// How full the network is.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let (first, last) = (self.range.network.max(self.subnet.network + 1), self.range.last());
        let of_range = self.leased.range(first..=last).count() as u128;
        let available = (last - first + 1).saturating_sub(of_range);
        Usage {
            // The address of the subnet's routers is nobody's.
            in_use: self.leased.len() as u64 + 1,
            available: u64::try_from(available).unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    #[test]
    fn the_lowest_free_address_is_next() {
        let subnet = Subnet6::of(ip("fd00:1::"), 64).unwrap();
        let mut leases = Leases6::within(subnet, subnet, subnet.first_address()).unwrap();
        assert_eq!(leases.allocate().unwrap(), ip("fd00:1::2"));
        assert_eq!(leases.allocate().unwrap(), ip("fd00:1::3"));
        leases.reserve(ip("fd00:1::4")).unwrap();
        assert!(leases.release(ip("fd00:1::2")) && !leases.release(ip("fd00:1::2")));
        assert_eq!(leases.allocate().unwrap(), ip("fd00:1::2"));
        assert_eq!(leases.allocate().unwrap(), ip("fd00:1::5"));
        assert_eq!(leases.reserve(ip("fd00:1::3")), Err(Ipam6Error::InUse(ip("fd00:1::3"))));
        for outside in ["fd00:1::", "fd00:2::2"] {
            let refused = leases.reserve(ip(outside)).unwrap_err();
            assert!(matches!(refused, Ipam6Error::NotUsable { .. }), "{refused}");
        }
    }

    #[test]
    fn ranges_end() {
        let subnet = Subnet6::of(ip("fd00:1::"), 64).unwrap();
        let range = Subnet6::of(ip("fd00:1::100"), 126).unwrap();
        let mut leases = Leases6::within(subnet, range, ip("fd00:1::102")).unwrap();
        let given: Vec<_> = (0..3).map(|_| leases.allocate().unwrap()).collect();
        assert_eq!(given, [ip("fd00:1::100"), ip("fd00:1::101"), ip("fd00:1::103")]);
        assert_eq!(leases.allocate(), Err(Ipam6Error::NoAddress(range)));
    }

    #[test]
    fn subnets_are_written_as_others_write_them() {
        assert_eq!(Subnet6::of(ip("fd00:1::9"), 64).unwrap().to_string(), "fd00:1::/64");
        let local = Subnet6::unique_local([1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(local.to_string(), "fd01:203:405:607::/64");
        assert_eq!(local.first_address(), ip("fd01:203:405:607::1"));
        assert!(Subnet6::of(ip("::"), 0).is_err() && Subnet6::of(ip("fd00::"), 127).is_err());
    }

    #[test]
    fn networks_tell_how_full_they_are() {
        let whole = Subnet6::of(ip("2001:db8::"), 64).unwrap();
        let range = Subnet6::of(ip("2001:db8::8"), 125).unwrap();
        let mut leases = Leases6::within(whole, whole, ip("2001:db8::1")).unwrap();
        assert_eq!(leases.usage(), Usage { in_use: 2, available: u64::MAX - 1 });
        leases = Leases6::within(whole, range, ip("2001:db8::1")).unwrap();
        assert_eq!(leases.usage(), Usage { in_use: 2, available: 8 });
        while leases.allocate().is_ok() {}
        assert_eq!(leases.usage(), Usage { in_use: 10, available: 0 });
    }
}
