//! What is wrong with the addresses that a client asks for: of a network, and of a container in it. Pure; the texts
//! are dockerd's.

use std::net::IpAddr;

use api_spec::network::{Ipam, IpamConfig};

use super::lease::Asked;
use super::{BRIDGE, Network};

/// A parsed subnet of either family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) address: IpAddr,
    pub(super) prefix: u8,
}

impl Block {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = prefix.parse().ok().filter(|_| digits)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= most).then_some(Self { address, prefix })
    }

    /// The block without bits beyond the prefix.
    fn masked(self) -> Self {
        let address = match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V4((u32::from(address) & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V6((u128::from(address) & mask).into())
            }
        };
        Self { address, prefix: self.prefix }
    }

    pub(super) fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4()
            && Self { address, prefix: self.prefix }.masked().address == self.masked().address
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        match self.prefix <= other.prefix {
            true => self.contains(other.address),
            false => other.contains(self.address),
        }
    }
}

impl std::fmt::Display for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Several complaints as dockerd writes them.
pub(super) fn joined(complaints: &[String]) -> Option<String> {
    match complaints {
        [] => None,
        [one] => Some(one.clone()),
        many => {
            let lines: Vec<_> = many.iter().map(|line| format!("* {line}")).collect();
            Some(lines.join("\n"))
        }
    }
}

/// Checks the subnets of a new network. Those of IPv6 do not count where the network has none.
pub(super) fn ipam(ipam: &Ipam, ipv6: bool) -> Result<(), String> {
    let mut complaints = Vec::new();
    for config in ipam.config.iter().flatten() {
        subnet(config, ipv6, &mut complaints);
    }
    joined(&complaints).map_or(Ok(()), |text| Err(format!("invalid network config:\n{text}")))
}

fn subnet(config: &IpamConfig, ipv6: bool, complaints: &mut Vec<String>) {
    let Some(block) = Block::parse(&config.subnet) else {
        return complaints
            .push(format!("invalid subnet {}: invalid CIDR block notation", config.subnet));
    };
    if block.address.is_ipv6() && !ipv6 {
        return;
    }
    if block != block.masked() {
        complaints.push(format!("invalid subnet {block}: it should be {}", block.masked()));
    }
    if !config.ip_range.is_empty() {
        range(&config.ip_range, block, complaints);
    }
    let mut inside = |what: String, text: &str| match text.parse::<IpAddr>() {
        Err(_) => complaints.push(format!("invalid {what}: invalid address")),
        Ok(address) if !block.contains(address) => complaints
            .push(format!("invalid {what}: parent subnet {block} doesn't contain this address")),
        Ok(_) => {}
    };
    if !config.gateway.is_empty() {
        inside(format!("gateway {}", config.gateway), &config.gateway);
    }
    for (name, address) in config.auxiliary_addresses.iter().flatten() {
        inside(format!("auxiliary address {name}"), address);
    }
}

fn range(text: &str, subnet: Block, complaints: &mut Vec<String>) {
    let mut complain = |why: &str| complaints.push(format!("invalid ip-range {text}: {why}"));
    let Some(block) = Block::parse(text) else { return complain("invalid CIDR block notation") };
    if block.address.is_ipv4() != subnet.address.is_ipv4() {
        let family = if subnet.address.is_ipv4() { "IPv4" } else { "IPv6" };
        return complain(&format!("parent subnet is an {family} block"));
    }
    if block.prefix < subnet.prefix {
        complain(&format!("CIDR block is bigger than its parent subnet {subnet}"));
    }
    if block != block.masked() {
        complain(&format!("it should be {}", block.masked()));
    }
    if !subnet.overlaps(block) {
        complain(&format!("parent subnet {subnet} doesn't contain ip-range"));
    }
}

/// Checks what a container asks of `network`, which has this name and may not be there (yet). The error is the reason.
pub(crate) fn endpoint(name: &str, network: Option<&Network>, asked: &Asked) -> Result<(), String> {
    let wrong = |why: &str| Err(why.to_owned());
    if !asked.mac.is_empty() && parse_mac(&asked.mac).is_none() {
        return wrong(&format!("invalid MAC address {}", asked.mac));
    }
    let mut complaints = Vec::new();
    let filled = |list: Option<&Vec<String>>| list.is_some_and(|list| !list.is_empty());
    let standard =
        matches!(name, BRIDGE | "host" | "none" | "default") || name.starts_with("container:");
    let addresses = asked
        .ipam
        .as_ref()
        .filter(|ipam| !ipam.ipv4_address.is_empty() || !ipam.ipv6_address.is_empty());
    if standard && addresses.is_some() {
        complaints
            .push("user specified IP address is supported on user defined networks only".into());
    }
    if standard && filled(asked.aliases.as_ref()) {
        complaints.push(
            "network-scoped alias is supported only for containers in user defined networks".into(),
        );
    }
    if standard && filled(asked.links.as_ref()) {
        complaints.push("links are supported only for containers in user defined networks".into());
    }
    let of_link = asked.ipam.iter().flat_map(|ipam| ipam.link_local_ips.iter().flatten());
    complaints.extend(
        of_link
            .filter(|text| text.parse::<IpAddr>().is_err())
            .map(|text| format!("invalid link-local IP address: {text}")),
    );
    for (version, text) in addresses
        .into_iter()
        .flat_map(|ipam| [("IPv4", &ipam.ipv4_address), ("IPv6", &ipam.ipv6_address)])
        .filter(|(_, text)| !text.is_empty())
    {
        let parsed = text.parse::<IpAddr>().ok().filter(|ip| ip.is_ipv4() == (version == "IPv4"));
        if parsed.is_none() {
            complaints.push(format!("invalid {version} address: {text}"));
        }
        if let Some(network) = network {
            complaints.extend(outside(network, version == "IPv4", text, parsed));
        }
    }
    match joined(&complaints) {
        Some(text) => wrong(&format!("invalid endpoint settings:\n{text}")),
        None => Ok(()),
    }
}

fn outside(network: &Network, v4: bool, text: &str, parsed: Option<IpAddr>) -> Option<String> {
    let chosen = network.bridge.as_ref().is_some_and(|bridge| match v4 {
        true => bridge.chosen,
        false => bridge.v6.as_ref().is_some_and(|v6| v6.chosen),
    });
    let blocks = network.ipam.config.iter().flatten().filter_map(|it| Block::parse(&it.subnet));
    let mut blocks = blocks.filter(|block| block.address.is_ipv4() == v4).peekable();
    let default = network.name == BRIDGE;
    if !default && (!chosen || blocks.peek().is_none()) {
        let why = "user specified IP address is supported only when connecting to networks with user configured subnets";
        return Some(why.to_owned());
    }
    let inside = parsed.is_some_and(|address| blocks.any(|block| block.contains(address)));
    (!inside).then(|| format!("no configured subnet or ip-range contain the IP address {text}"))
}

/// `02:42:ac:11:00:02`
pub(crate) fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split([':', '-']);
    for byte in &mut mac {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(config: &str) -> String {
        let wanted: IpamConfig = serde_json::from_str(config).unwrap();
        let wanted = Ipam { config: Some(vec![wanted]), ..Ipam::default() };
        ipam(&wanted, false).err().unwrap_or_default()
    }

    #[test]
    fn subnets_are_checked_in_docker_s_words() {
        for (config, text) in [
            (r#"{"Subnet":"10.9.0.0/16","Gateway":"10.9.0.7","IPRange":"10.9.5.0/24"}"#, ""),
            (r#"{"Subnet":"fd00::1/64"}"#, ""),
            (r#"{"Subnet":"10.9.1.0/16"}"#, "invalid subnet 10.9.1.0/16: it should be 10.9.0.0/16"),
            (r#"{"Gateway":"10.9.1.0"}"#, "invalid subnet : invalid CIDR block notation"),
            (
                r#"{"Subnet":"10.9.0.0/16","Gateway":"10.8.0.1"}"#,
                "invalid gateway 10.8.0.1: parent subnet 10.9.0.0/16 doesn't contain this address",
            ),
            (
                r#"{"Subnet":"10.9.0.0/16","IPRange":"10.9.0.0/8"}"#,
                "* invalid ip-range 10.9.0.0/8: CIDR block is bigger than its parent subnet 10.9.0.0/16\n\
                 * invalid ip-range 10.9.0.0/8: it should be 10.0.0.0/8",
            ),
            (
                r#"{"Subnet":"10.9.0.0/16","AuxiliaryAddresses":{"r":"zz"}}"#,
                "invalid auxiliary address r: invalid address",
            ),
        ] {
            let whole = match text {
                "" => String::new(),
                text => format!("invalid network config:\n{text}"),
            };
            assert_eq!(complaint(config), whole, "{config}");
        }
    }

    #[test]
    fn blocks_overlap_where_they_share_addresses() {
        let block = |text| Block::parse(text).unwrap();
        assert!(block("10.0.0.0/8").overlaps(block("10.9.0.0/16")));
        assert!(block("10.9.0.0/16").overlaps(block("0.0.0.0/0")));
        assert!(!block("10.9.0.0/16").overlaps(block("10.8.0.0/16")));
        assert!(!block("::/0").overlaps(block("10.8.0.0/16")));
        assert!(Block::parse("10.0.0.0/+8").is_none() && Block::parse("10.0.0.0/33").is_none());
    }

    #[test]
    fn hardware_addresses() {
        assert_eq!(parse_mac("02:42:AC:11:00:02"), Some([2, 0x42, 0xac, 0x11, 0, 2]));
        assert!(parse_mac("zz").is_none() && parse_mac("02:42:ac:11:00:02:03").is_none());
    }
}
