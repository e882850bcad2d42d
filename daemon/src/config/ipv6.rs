//! IPv6 of the default bridge: `ipv6`, `fixed-cidr-v6`, `ip6tables`.

use std::net::Ipv6Addr;

use super::ConfigError;
use super::file::File;
use super::flags::Flags;
use super::merge::Conflicts;

/// Prefixes that leave room for a gateway and containers, in bits.
const PREFIXES: std::ops::RangeInclusive<u8> = 1..=126;

/// A subnet, or none for one that nobody else is likely to have.
pub(crate) type DefaultV6 = Option<(Ipv6Addr, u8)>;

/// What the default bridge is to have; nothing without IPv6.
pub(super) fn read(
    both: &mut Conflicts,
    flags: &Flags,
    file: &File,
) -> Result<Option<DefaultV6>, ConfigError> {
    let invalid = |text: String| Err(ConfigError::Invalid(text));
    if file.ip6tables == Some(false) {
        return invalid("ip6tables=false is not supported: networks with IPv6 have rules".into());
    }
    let on = both.scalar("ipv6", flags.ipv6, file.ipv6).unwrap_or(false);
    let subnet =
        both.scalar("fixed-cidr-v6", flags.fixed_cidr_v6.clone(), file.fixed_cidr_v6.clone());
    let parsed = match subnet.as_deref().map(parse) {
        Some(None) => {
            return invalid(format!("invalid CIDR address: {}", subnet.unwrap_or_default()));
        }
        Some(parsed) => parsed,
        None => None,
    };
    Ok(on.then_some(parsed))
}

fn parse(text: &str) -> Option<(Ipv6Addr, u8)> {
    let (address, prefix) = text.split_once('/')?;
    Some((address.parse().ok()?, prefix.parse().ok().filter(|it| PREFIXES.contains(it))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_are_read() {
        assert_eq!(parse("fd00:1::/64"), Some(("fd00:1::".parse().unwrap(), 64)));
        for bad in ["fd00::", "fd00::/127", "fd00::/0", "10.0.0.0/8", "x/64"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
