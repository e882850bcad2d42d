//! Which range, gateway and other addresses belong to which subnet of `network create`. Pure.

use std::net::IpAddr;

use api_spec::network::{Ipam, IpamConfig};

use crate::args::NetworkCreateArgs;

/// An address block in CIDR form.
#[derive(Clone, Copy)]
struct Block {
    address: IpAddr,
    prefix: u32,
}

impl Block {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= most)?;
        Some(Self { address, prefix })
    }

    fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                let differ = u32::from(one) ^ u32::from(other);
                differ.checked_shr(32 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V6(one), IpAddr::V6(other)) => {
                let differ = u128::from(one) ^ u128::from(other);
                differ.checked_shr(128 - self.prefix).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    fn overlaps(self, other: Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }
}

/// The request's `IPAM`.
///
/// # Errors
/// What does not fit together, for people.
pub(super) fn from(args: &NetworkCreateArgs) -> Result<Ipam, String> {
    if args.subnet.len() < args.ip_range.len() || args.subnet.len() < args.gateway.len() {
        return Err("every ip-range or gateway must have a corresponding subnet".to_owned());
    }
    let mut subnets: Vec<(Block, IpamConfig)> = Vec::new();
    for text in &args.subnet {
        let block = Block::parse(text).ok_or_else(|| format!("invalid subnet {text}"))?;
        if subnets.iter().any(|(other, _)| other.overlaps(block)) {
            return Err("multiple overlapping subnet configuration is not supported".to_owned());
        }
        subnets.push((block, IpamConfig { subnet: text.clone(), ..IpamConfig::default() }));
    }
    for range in &args.ip_range {
        let address = Block::parse(range).map(|block| block.address);
        let config = matching(&mut subnets, address)
            .ok_or_else(|| format!("no matching subnet for range {range}"))?;
        only_one("ranges", &config.ip_range, range, &config.subnet)?;
        config.ip_range.clone_from(range);
    }
    for gateway in &args.gateway {
        let config = matching(&mut subnets, gateway.parse().ok())
            .ok_or_else(|| format!("no matching subnet for gateway {gateway}"))?;
        only_one("gateways", &config.gateway, gateway, &config.subnet)?;
        config.gateway.clone_from(gateway);
    }
    for (name, address) in super::map(&args.aux_address) {
        let config = matching(&mut subnets, address.parse().ok())
            .ok_or_else(|| format!("no matching subnet for aux-address {address}"))?;
        config.auxiliary_addresses.get_or_insert_default().insert(name, address);
    }
    Ok(Ipam {
        driver: args.ipam_driver.clone(),
        options: Some(super::map(&args.ipam_opt)),
        config: Some(subnets.into_iter().map(|(_, config)| config).collect()),
    })
}

fn matching(
    subnets: &mut [(Block, IpamConfig)],
    address: Option<IpAddr>,
) -> Option<&mut IpamConfig> {
    let address = address?;
    let found = subnets.iter_mut().find(|(block, _)| block.contains(address));
    found.map(|(_, config)| config)
}

fn only_one(what: &str, first: &str, second: &str, subnet: &str) -> Result<(), String> {
    if first.is_empty() {
        return Ok(());
    }
    Err(format!(
        "cannot configure multiple {what} ({first}, {second}) on the same subnet ({subnet})"
    ))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command, NetworkCommand};

    fn ipam(flags: &[&str]) -> Result<Ipam, String> {
        let line = [&["jocker", "network", "create"], flags, &["n"]].concat();
        let cli = Cli::try_parse_from(line).expect("flags");
        let Some(Command::Network(NetworkCommand::Create(args))) = cli.command else { panic!() };
        from(&args)
    }

    #[test]
    fn each_address_goes_to_its_subnet() {
        let found = ipam(&[
            "--subnet=10.1.0.0/16,fd00:1::/64",
            "--gateway=fd00:1::9",
            "--ip-range=10.1.2.0/24",
            "--gateway=10.1.0.9",
            "--aux-address=router=10.1.2.1",
        ]);
        let [four, six] = found.expect("fits").config.expect("subnets").try_into().expect("two");
        assert_eq!((four.ip_range.as_str(), four.gateway.as_str()), ("10.1.2.0/24", "10.1.0.9"));
        assert_eq!(four.auxiliary_addresses.expect("one")["router"], "10.1.2.1");
        assert_eq!((six.subnet.as_str(), six.gateway.as_str()), ("fd00:1::/64", "fd00:1::9"));
        assert_eq!((six.ip_range.as_str(), six.auxiliary_addresses), ("", None));
    }

    #[test]
    fn what_does_not_fit_is_told() {
        for (flags, text) in [
            (&["--gateway=10.1.0.1"][..], "must have a corresponding subnet"),
            (&["--subnet=10.1.0.0"], "invalid subnet 10.1.0.0"),
            (&["--subnet=10.1.0.0/33"], "invalid subnet"),
            (&["--subnet=10.1.0.0/16", "--subnet=10.1.2.0/24"], "overlapping"),
            (&["--subnet=10.1.0.0/16", "--gateway=10.2.0.1"], "no matching subnet for gateway"),
            (&["--subnet=10.1.0.0/16", "--ip-range=fd00::/80"], "no matching subnet for range"),
            (&["--subnet=10.1.0.0/16", "--aux-address=a=b"], "no matching subnet for aux-address"),
            (
                &["--subnet=10.1.0.0/16,10.2.0.0/16", "--gateway=10.1.0.1,10.1.0.2"],
                "multiple gateways (10.1.0.1, 10.1.0.2) on the same subnet (10.1.0.0/16)",
            ),
        ] {
            let error = ipam(flags).expect_err(text);
            assert!(error.contains(text), "{flags:?}: {error}");
        }
    }
}
