//! A new network: what is asked for, checked and filled in.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use api_spec::network::{Ipam, IpamConfig, NetworkCreate};
use runtime::network::ipam::{Pool, Subnet, Subnet6};
use runtime::network::{self, BridgeConfig};

use super::check::{self, Block};
use super::options::Options;
use super::record::{Bridge, BridgeV6, Driver, IPAM_DRIVER, Network, Texts};
use super::rules::Rules;
use super::{Error, config_from, leases, macvlan, options, short_id, taken};

/// The network that a client asks for, beside those that there are.
pub(super) fn plan(
    request: &NetworkCreate,
    others: &[Arc<Network>],
    pools: &Pool,
) -> Result<Network, Error> {
    check_name(&request.name)?;
    let request = &*config_from::resolve(request, others)?;
    let ipv6 = request.enable_ipv6.unwrap_or(false);
    let asked = request.ipam.clone().unwrap_or_default();
    check::ipam(&asked, ipv6).map_err(Error::Invalid)?;
    if others.iter().any(|other| other.name == request.name) {
        return Err(Error::NameTaken(request.name.clone()));
    }
    let driver = driver(request)?;
    if !matches!(asked.driver.as_str(), "" | IPAM_DRIVER) {
        return Err(Error::NoPlugin(asked.driver));
    }
    let scope = if request.scope.is_empty() { "local" } else { &request.scope };
    let mut network = Network {
        id: hex::encode(rand::random::<[u8; 32]>()),
        internal: request.internal,
        attachable: request.attachable,
        config_only: request.config_only,
        config_from: config_from::wanted(request).unwrap_or_default().to_owned(),
        ipv6,
        scope: scope.to_owned(),
        options: request.options.clone().unwrap_or_default(),
        labels: request.labels.clone().unwrap_or_default(),
        ..Network::plain(&request.name, driver, &jiff::Timestamp::now().to_string())
    };
    network.ipam.config.clone_from(&asked.config);
    network.ipam.options = asked.options.clone();
    if matches!(driver, Driver::Bridge | Driver::Macvlan) {
        bridge(&mut network, &asked, others, pools)?;
    }
    Ok(network)
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.trim().is_empty() {
        return Err(Error::Invalid(format!("invalid name: {name}")));
    }
    if matches!(name, "bridge" | "host" | "none" | "default") {
        let why = format!("operation is not permitted on predefined {name} network ");
        return Err(Error::Forbidden(why));
    }
    Ok(())
}

fn driver(request: &NetworkCreate) -> Result<Driver, Error> {
    let forbidden = |why: &str| Err(Error::Forbidden(why.to_owned()));
    if request.scope == "swarm" {
        return forbidden("cannot create a swarm scoped network when swarm is not active");
    }
    if request.ingress {
        return forbidden("Ingress network can only be global scope network");
    }
    match request.driver.as_str() {
        _ if request.config_only => Ok(Driver::Null),
        "" | "bridge" | "default" => Ok(Driver::Bridge),
        "host" | "null" => {
            forbidden(&format!("only one instance of {:?} network is allowed", request.driver))
        }
        "overlay" => forbidden(
            "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this \
             node to swarm and try again.",
        ),
        "macvlan" => Ok(Driver::Macvlan),
        "ipvlan" => Err(Error::Unsupported(
            "networks of the driver \"ipvlan\" are not supported".to_owned(),
        )),
        other => Err(Error::NoPlugin(other.to_owned())),
    }
}

/// Fills in the bridge or its parent: the client's subnet, or the first one that is free.
fn bridge(
    network: &mut Network,
    asked: &Ipam,
    others: &[Arc<Network>],
    pools: &Pool,
) -> Result<(), Error> {
    let (options, macvlan) = match network.driver {
        Driver::Macvlan => {
            let (parent, macvlan) = macvlan::plan(network, others)?;
            // None of the other options has a meaning there.
            let options = options::read(&Texts::new())?;
            (Options { name: Some(parent), ..options }, Some(macvlan))
        }
        _ => (options::read(&network.options)?, None),
    };
    let is_v4 = |config: &IpamConfig| {
        Block::parse(&config.subnet).is_some_and(|block| block.address.is_ipv4())
    };
    let (configs, configs6): (Vec<_>, Vec<_>) =
        asked.config.iter().flatten().partition(|config| is_v4(config));
    let v6 = match network.ipv6 {
        true => Some(v6(network, &configs6, others)?),
        false => None,
    };
    let (gateway, prefix) = match configs.as_slice() {
        [] => automatic(network, others, pools)?,
        [config] => chosen(config, others)?,
        _ => return Err(several(&configs, network.driver)),
    };
    // Those of IPv4 are shown first.
    network.ipam.config.iter_mut().for_each(|list| list.sort_by_key(|config| !is_v4(config)));
    let config = configs.first();
    let range = config.and_then(|config| Block::parse(&config.ip_range));
    let reserved = config.and_then(|config| config.auxiliary_addresses.as_ref());
    let bridge = Bridge {
        name: options.name.unwrap_or_else(|| format!("br-{}", short_id(&network.id))),
        gateway,
        prefix,
        range: range.and_then(|block| Some((v4_of(block.address)?, block.prefix))),
        reserved: reserved.iter().flat_map(|it| it.values()).flat_map(|it| it.parse()).collect(),
        chosen: config.is_some(),
        mtu: options.mtu,
        masquerade: options.masquerade,
        icc: options.icc,
        publish_on: options.publish_on,
        interface_prefix: options.interface_prefix,
        v6,
    };
    if macvlan.is_none() {
        check_name_of_bridge(&bridge, network, others)?;
    }
    // Addresses that two want are told now, not at the next start of the daemon.
    leases(&bridge).map_err(|error| match reserved.and_then(|it| taken_twice(it, gateway)) {
        Some(which) => Error::Failed(format!(
            "failed to allocate secondary ip address ({which}): Address already in use"
        )),
        None => error,
    })?;
    (network.bridge, network.macvlan) = (Some(bridge), macvlan);
    Ok(())
}

/// The IPv6 part: the client's subnet, or one that nobody else is likely to have.
fn v6(
    network: &mut Network,
    configs: &[&IpamConfig],
    others: &[Arc<Network>],
) -> Result<BridgeV6, Error> {
    let config = match configs {
        [] => {
            let subnet = Subnet6::unique_local(rand::random());
            let gateway = subnet.first_address();
            show(network, &subnet, &gateway);
            let (range, reserved) = (None, Vec::new());
            let prefix = subnet.prefix();
            return Ok(BridgeV6 { gateway, prefix, range, reserved, chosen: false });
        }
        [config] => config,
        _ => return Err(several(configs, network.driver)),
    };
    let block = free_block(config, others)?;
    let address = v6_of(block.address).ok_or_else(overlap)?;
    let subnet = Subnet6::of(address, block.prefix)?;
    let gateway = config.gateway.parse().unwrap_or(subnet.first_address());
    if !subnet.is_usable(gateway) {
        let why = format!("failed to allocate gateway ({gateway}): Address already in use");
        return Err(Error::Failed(why));
    }
    let range = Block::parse(&config.ip_range);
    let reserved = config.auxiliary_addresses.iter().flat_map(|it| it.values());
    Ok(BridgeV6 {
        gateway,
        prefix: block.prefix,
        range: range.and_then(|block| Some((v6_of(block.address)?, block.prefix))),
        reserved: reserved.flat_map(|address| address.parse()).collect(),
        chosen: true,
    })
}

/// Which auxiliary address is the gateway's, or another one's.
fn taken_twice(auxiliary: &BTreeMap<String, String>, gateway: Ipv4Addr) -> Option<String> {
    let mut seen = BTreeSet::from([gateway]);
    let mut free = |address: &str| address.parse().is_ok_and(|address| seen.insert(address));
    let (name, address) = auxiliary.iter().find(|(_, address)| !free(address.as_str()))?;
    Some(format!("{name}:{address}"))
}

fn v6_of(address: IpAddr) -> Option<Ipv6Addr> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(address),
    }
}

fn v4_of(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

fn automatic(
    network: &mut Network,
    others: &[Arc<Network>],
    pools: &Pool,
) -> Result<(Ipv4Addr, u8), Error> {
    let subnet = pools.pick(&taken(others.iter().map(|other| &**other))?)?;
    let gateway = subnet.first_address();
    show(network, &subnet, &gateway);
    Ok((gateway, subnet.prefix()))
}

/// A subnet that nobody asked for is told nevertheless.
fn show(network: &mut Network, subnet: &dyn ToString, gateway: &dyn ToString) {
    network.ipam.config.get_or_insert_default().push(IpamConfig {
        subnet: subnet.to_string(),
        gateway: gateway.to_string(),
        ..IpamConfig::default()
    });
}

fn overlap() -> Error {
    Error::Forbidden("Pool overlaps with other one on this address space".to_owned())
}

/// The subnet of a client's choice, if no other network has a part of it.
fn free_block(config: &IpamConfig, others: &[Arc<Network>]) -> Result<Block, Error> {
    let block = Block::parse(&config.subnet).ok_or_else(overlap)?;
    let others = others.iter().filter(|other| !other.config_only);
    let taken = others.flat_map(|other| other.ipam.config.iter().flatten());
    match taken.filter_map(|it| Block::parse(&it.subnet)).any(|other| other.overlaps(block)) {
        true => Err(overlap()),
        false => Ok(block),
    }
}

fn chosen(config: &IpamConfig, others: &[Arc<Network>]) -> Result<(Ipv4Addr, u8), Error> {
    let block = free_block(config, others)?;
    let address = v4_of(block.address).ok_or_else(overlap)?;
    let subnet = Subnet::of(address, block.prefix).map_err(|_| overlap())?;
    let gateway = config.gateway.parse().unwrap_or(subnet.first_address());
    if !subnet.is_usable(gateway) {
        let why = format!("failed to allocate gateway ({gateway}): Address already in use");
        return Err(Error::Failed(why));
    }
    Ok((gateway, block.prefix))
}

fn several(configs: &[&IpamConfig], driver: Driver) -> Error {
    let blocks: Vec<_> = configs.iter().filter_map(|it| Block::parse(&it.subnet)).collect();
    let overlapping = blocks
        .iter()
        .enumerate()
        .any(|(at, block)| blocks.iter().skip(at + 1).any(|other| other.overlaps(*block)));
    if overlapping {
        return overlap();
    }
    match driver {
        Driver::Macvlan => Error::Unsupported(
            "several subnets of one family are not supported for networks of macvlan".to_owned(),
        ),
        _ => Error::Forbidden("bridge driver doesn't support multiple subnets".to_owned()),
    }
}

fn check_name_of_bridge(
    bridge: &Bridge,
    network: &Network,
    others: &[Arc<Network>],
) -> Result<(), Error> {
    let same = |other: &&Arc<Network>| {
        other.bridge.as_ref().is_some_and(|theirs| theirs.name == bridge.name)
    };
    if let Some(other) = others.iter().find(same) {
        return Err(Error::Forbidden(format!(
            "cannot create network {} ({name}): conflicts with network {} ({name}): networks have same bridge name",
            network.id,
            other.id,
            name = bridge.name
        )));
    }
    Ok(())
}

/// Makes the bridge; an interface that is there already is somebody else's.
pub(super) fn make(rules: &Rules, config: BridgeConfig) -> Result<(), Error> {
    if network::link_exists(&config.name)? {
        let why =
            format!("cannot create bridge {}: the host has an interface of this name", config.name);
        return Err(Error::Forbidden(why));
    }
    let name = config.name.clone();
    rules.add(config).map_err(|error| {
        if let Err(error) = rules.remove(&name) {
            tracing::warn!(link.name = name, %error, "a bridge is left");
        }
        error.into()
    })
}
