//! Addresses in the configuration: the bridge's own and the pools that subnets are cut from.

use std::fmt;
use std::net::Ipv4Addr;

/// An IPv4 address and the length of its network's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cidr {
    pub(crate) address: Ipv4Addr,
    pub(crate) prefix: u8,
}

impl Cidr {
    /// Reads `172.17.0.1/16`.
    ///
    /// # Errors
    /// dockerd's text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(address, prefix)| {
            let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
            Some(Self { address: address.parse().ok()?, prefix })
        });
        parts.ok_or_else(|| format!("invalid CIDR address: {text}"))
    }

    /// The network's own address.
    pub(crate) fn network(self) -> Ipv4Addr {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
        Ipv4Addr::from(u32::from(self.address) & mask)
    }
}

impl fmt::Display for AddressPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}/{} {}}}", self.base, self.base_prefix, self.subnet_prefix)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// A range that is cut into subnets of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AddressPool {
    pub(crate) base: Ipv4Addr,
    pub(crate) base_prefix: u8,
    pub(crate) subnet_prefix: u8,
}

impl AddressPool {
    /// Checks one pool.
    ///
    /// # Errors
    /// When the base is no network or the size does not fit into it.
    pub(crate) fn new(base: &str, size: u8) -> Result<Self, String> {
        let base = Cidr::parse(base)?;
        if size < base.prefix || size > 30 {
            return Err(format!("invalid address pool: subnets of size {size} do not fit {base}"));
        }
        Ok(Self { base: base.network(), base_prefix: base.prefix, subnet_prefix: size })
    }

    /// Reads `base=10.0.0.0/8,size=24`.
    ///
    /// # Errors
    /// A text that says which part is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (mut base, mut size) = (None, None);
        for pair in text.split(',') {
            match pair.split_once('=') {
                Some(("base", value)) => base = Some(value),
                Some(("size", value)) => {
                    let number = value.parse().ok();
                    size = Some(number.ok_or_else(|| format!("invalid size value: {text:?}"))?);
                }
                _ => return Err(format!("invalid address pool {text:?}: want base=CIDR,size=N")),
            }
        }
        match (base, size) {
            (Some(base), Some(size)) => Self::new(base, size),
            _ => Err(format!("invalid address pool {text:?}: want base=CIDR,size=N")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read() {
        let cidr = Cidr::parse("172.17.5.1/16").unwrap();
        assert_eq!(cidr.network(), Ipv4Addr::new(172, 17, 0, 0));
        assert_eq!(Cidr::parse("1.2.3.4/0").unwrap().network(), Ipv4Addr::UNSPECIFIED);
        for bad in ["x", "1.2.3.4", "1.2.3/8", "1.2.3.4/33", "1.2.3.4/-1"] {
            assert!(Cidr::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn pools_are_read() {
        let pool = AddressPool::parse("base=10.1.0.0/8,size=24").unwrap();
        assert_eq!((pool.base, pool.subnet_prefix), (Ipv4Addr::new(10, 0, 0, 0), 24));
        for bad in
            ["", "base=10.0.0.0/8", "size=24", "base=10.0.0.0/8,size=x", "base=10.0.0.0/16,size=8"]
        {
            assert!(AddressPool::parse(bad).is_err(), "{bad}");
        }
    }
}
