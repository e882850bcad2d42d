//! The networks that containers can be in: bridges, the host's, none.
//!
//! The kernel's side is [`runtime::network`]; here are the records, the addresses in use, the choice of subnets, the
//! name servers of containers, and a few network namespaces made in advance, because making one is the dearest step
//! of a start. Everything here blocks for as long as the kernel and a record take.

mod check;
mod config_from;
mod create;
mod error;
mod lease;
mod macvlan;
mod names;
mod options;
mod pool;
mod ports;
mod record;
mod resolver;
mod rules;
mod selection;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api_spec::network::{IpamStatus, NetworkCreate, NetworkStatus, SubnetStatus};
use runtime::network::ipam::{Leases, Leases6, Pool, Subnet, Subnet6, Usage};
use runtime::network::{self, NetworkError};
use store::Records;

use crate::config::{Config, DefaultV6};
use crate::events::{Event, Events, Kind};
pub(crate) use check::endpoint as check_endpoint;
pub(crate) use error::Error;
pub(crate) use lease::{Asked, Lease};
pub(crate) use ports::{port_map, wishes};
pub(crate) use record::{Driver, Network};
pub(crate) use resolver::Client;
pub(crate) use selection::Selection;

use names::Names;
use pool::NamespacePool;
use record::{Bridge, BridgeV6};
use resolver::Resolvers;
use rules::Rules;

/// The bridge's name when the configuration names none.
const DEFAULT_BRIDGE: &str = "jocker0";
/// Docker's own choice for its default bridge, tried first.
const PREFERRED: (Ipv4Addr, u8) = (Ipv4Addr::new(172, 17, 0, 0), 16);
/// Name of the default network towards clients.
pub(crate) const BRIDGE: &str = "bridge";

/// The networks of the daemon. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Networks(Arc<Service>);

#[derive(Debug)]
struct Service {
    records: Records,
    events: Events,
    /// Where subnets are cut from.
    pools: Pool,
    rules: Arc<Rules>,
    namespaces: NamespacePool,
    table: Mutex<BTreeMap<String, Entry>>,
    /// Held while a network is made or removed.
    changing: Mutex<()>,
    names: Arc<Names>,
    resolvers: Resolvers,
}

/// A network by its id.
#[derive(Debug)]
struct Entry {
    network: Arc<Network>,
    leases: Option<Leases>,
    /// Where it has IPv6.
    leases6: Option<Leases6>,
    /// Ids of the running containers in it.
    users: BTreeSet<String>,
}

impl Entry {
    fn new(network: Network) -> Result<Self, Error> {
        let leases = network.bridge.as_ref().map(leases).transpose()?;
        let (leases, leases6) = leases.map_or((None, None), |(four, six)| (Some(four), six));
        Ok(Self { network: Arc::new(network), leases, leases6, users: BTreeSet::new() })
    }

    /// How full its subnets are.
    fn status(&self) -> NetworkStatus {
        let four = self.leases.iter().map(|it| (it.subnet().to_string(), it.usage()));
        let six = self.leases6.iter().map(|it| (it.subnet().to_string(), it.usage()));
        let shown = four.chain(six).map(|(subnet, Usage { in_use, available })| {
            (subnet, SubnetStatus { ips_in_use: in_use, dynamic_ips_available: available })
        });
        NetworkStatus { ipam: IpamStatus { subnets: shown.collect() } }
    }
}

fn leases(bridge: &Bridge) -> Result<(Leases, Option<Leases6>), Error> {
    let subnet = Subnet::of(bridge.gateway, bridge.prefix)?;
    let range = bridge.range.map(|(address, prefix)| Subnet::of(address, prefix)).transpose()?;
    let mut leases = Leases::within(subnet, range.unwrap_or(subnet), bridge.gateway)?;
    for address in &bridge.reserved {
        leases.reserve(*address)?;
    }
    Ok((leases, bridge.v6.as_ref().map(leases6).transpose()?))
}

fn leases6(bridge: &BridgeV6) -> Result<Leases6, Error> {
    let subnet = Subnet6::of(bridge.gateway, bridge.prefix)?;
    let range = bridge.range.map(|(address, prefix)| Subnet6::of(address, prefix)).transpose()?;
    let mut leases = Leases6::within(subnet, range.unwrap_or(subnet), bridge.gateway)?;
    for address in &bridge.reserved {
        leases.reserve(*address)?;
    }
    Ok(leases)
}

impl Networks {
    /// How full a network is; one that has gone is empty.
    pub(crate) fn status(&self, id: &str) -> NetworkStatus {
        self.table().get(id).map(Entry::status).unwrap_or_default()
    }

    /// Chooses the default bridge's subnet and makes all bridges. Must run within the async runtime.
    pub(crate) fn open(config: &Config, records: Records, events: Events) -> Result<Self, Error> {
        let rules = Arc::new(Rules::default());
        let now = jiff::Timestamp::now().to_string();
        let mut networks = record::load(&records)?;
        networks.push(Network::plain("host", Driver::Host, &now));
        networks.push(Network::plain("none", Driver::Null, &now));
        if config.bridge != "none" {
            let bridge = default_bridge(config, &networks)?;
            networks.push(Network::default_bridge(bridge, &now));
        }
        let mut table = BTreeMap::new();
        for network in networks {
            if let Some(config) = network.config()
                && let Err(error) = rules.add(config)
            {
                match network.name.as_str() {
                    BRIDGE => return Err(error.into()),
                    name => {
                        tracing::error!(network.name = name, %error, "network without a bridge")
                    }
                }
            }
            if let Err(error) = macvlan::make(&network) {
                tracing::error!(network.name = network.name, %error, "network without a parent");
            }
            table.insert(network.id.clone(), Entry::new(network)?);
        }
        let names = Arc::new(Names::default());
        Ok(Self(Arc::new(Service {
            resolvers: Resolvers::new(Arc::clone(&names)),
            records,
            events,
            pools: pools(config)?,
            rules,
            namespaces: NamespacePool::start(),
            table: Mutex::new(table),
            changing: Mutex::default(),
            names,
        })))
    }

    /// After every adoption: takes out of the kernel what ended without a daemon, and keeps the rules as they are
    /// to be from then on.
    pub(crate) fn settle(&self) {
        if let Err(error) = self.0.rules.settle() {
            tracing::error!(%error, "published ports are not restored");
        }
        watch::start(&self.0.rules);
    }

    /// At the daemon's end: takes out of the kernel what no running container needs. The next daemon makes it anew.
    pub(crate) fn close(&self) {
        let _changing = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let idle: Vec<_> = {
            let table = self.table();
            let idle = table.values().filter(|entry| entry.users.is_empty());
            idle.map(|entry| Arc::clone(&entry.network)).collect()
        };
        for network in idle {
            if let Err(error) = self.unmake(&network) {
                tracing::warn!(network.name = network.name, %error, "an interface is left");
            }
        }
    }

    /// Takes a network out of the kernel.
    fn unmake(&self, network: &Network) -> Result<(), NetworkError> {
        match &network.bridge {
            Some(bridge) if network.macvlan.is_none() => self.0.rules.remove(&bridge.name),
            Some(_) => macvlan::remove(network),
            None => Ok(()),
        }
    }

    /// Makes a network.
    pub(crate) fn create(&self, request: &NetworkCreate) -> Result<Arc<Network>, Error> {
        let _changing = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let network = create::plan(request, &self.all(), &self.0.pools)?;
        // The record first: a bridge without one would be left.
        record::insert(&self.0.records, &network)?;
        let made = match network.config() {
            Some(config) => create::make(&self.0.rules, config),
            None => macvlan::make(&network),
        };
        if let Err(error) = made {
            record::delete(&self.0.records, &network.id)?;
            return Err(error);
        }
        let entry = Entry::new(network)?;
        let network = Arc::clone(&entry.network);
        self.table().insert(network.id.clone(), entry);
        self.tell("create", &network, None);
        Ok(network)
    }

    /// Removes a network that no running container is in.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Error> {
        let _changing = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let network = self.get(name)?;
        if network.is_predefined() {
            let why = format!("{} is a pre-defined network and cannot be removed", network.name);
            return Err(Error::Forbidden(why));
        }
        self.remove_unused(&network)
    }

    fn remove_unused(&self, network: &Network) -> Result<(), Error> {
        let entry = {
            let mut table = self.table();
            let depends = |entry: &Entry| entry.network.config_from == network.name;
            if network.config_only && table.values().any(depends) {
                return Err(Error::Forbidden(format!(
                    "error while removing network: configuration network {:?} is in use",
                    network.name
                )));
            }
            if table.get(&network.id).is_some_and(|entry| !entry.users.is_empty()) {
                return Err(Error::Forbidden(format!(
                    "error while removing network: network {} id {} has active endpoints",
                    network.name, network.id
                )));
            }
            // From here on nobody gets an address in it.
            table.remove(&network.id)
        };
        let gone = self.unmake(network);
        if let Err(error) =
            gone.map_err(Error::from).and_then(|()| record::delete(&self.0.records, &network.id))
        {
            self.table().extend(entry.map(|entry| (network.id.clone(), entry)));
            return Err(error);
        }
        self.0.names.forget(&network.id);
        self.tell("destroy", network, None);
        Ok(())
    }

    /// Removes the chosen networks that no running container is in; their names.
    pub(crate) fn prune(&self, selection: &Selection) -> Result<Vec<String>, Error> {
        let _changing = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pruned = Vec::new();
        for network in self.list(selection) {
            match self.remove_unused(&network) {
                Ok(()) => pruned.push(network.name.clone()),
                // Somebody was faster.
                Err(Error::Forbidden(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let event = Event::new(Kind::Network, "prune", "").with("reclaimed", "0");
        self.0.events.publish(event);
        Ok(pruned)
    }

    /// The chosen networks, by name.
    pub(crate) fn list(&self, selection: &Selection) -> Vec<Arc<Network>> {
        let mut list: Vec<_> = {
            let table = self.table();
            let chosen = table
                .values()
                .filter(|entry| selection.contains(&entry.network, !entry.users.is_empty()));
            chosen.map(|entry| Arc::clone(&entry.network)).collect()
        };
        list.sort_by(|a, b| a.name.cmp(&b.name));
        list
    }

    fn all(&self) -> Vec<Arc<Network>> {
        self.table().values().map(|entry| Arc::clone(&entry.network)).collect()
    }

    /// Finds a network by its whole id, its name, or an unambiguous beginning of its id.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Network>, Error> {
        let table = self.table();
        let by_id = table.get(name);
        let entry = by_id.or_else(|| table.values().find(|entry| entry.network.name == name));
        if let Some(entry) = entry {
            return Ok(Arc::clone(&entry.network));
        }
        let none = || Error::NoNetwork(name.to_owned());
        let mut begin = table.values().filter(|entry| entry.network.id.starts_with(name));
        match (begin.next(), begin.next()) {
            (Some(entry), None) if !name.is_empty() => Ok(Arc::clone(&entry.network)),
            (Some(_), Some(_)) if !name.is_empty() => Err(Error::Invalid(format!(
                "network {name} is ambiguous ({} matches found based on ID prefix)",
                begin.count() + 2
            ))),
            _ => Err(none()),
        }
    }

    /// Tells that something happened to a network, perhaps with a container.
    pub(crate) fn tell(&self, action: &str, network: &Network, container: Option<&str>) {
        let mut event = Event::new(Kind::Network, action, network.id.as_str())
            .with("name", network.name.as_str())
            .with("type", network.driver.name());
        if let Some(container) = container {
            event = event.with("container", container);
        }
        self.0.events.publish(event);
    }

    /// What `host-gateway` in `/etc/hosts` stands for.
    pub(crate) fn gateway(&self) -> Option<Ipv4Addr> {
        let table = self.table();
        let bridge = table.values().find(|entry| entry.network.name == BRIDGE)?;
        bridge.network.bridge.as_ref().map(|bridge| bridge.gateway)
    }

    /// Lets the namespaces in stock be filled up again; after a start, not during it.
    pub(crate) fn refill(&self) {
        self.0.namespaces.refill();
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Docker's short form of an id.
fn short_id(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

fn pools(config: &Config) -> Result<Pool, Error> {
    let mut ranges = Vec::new();
    for pool in &config.address_pools {
        ranges.push((Subnet::of(pool.base, pool.base_prefix)?, pool.subnet_prefix));
    }
    if ranges.is_empty() { Ok(Pool::default()) } else { Ok(Pool::new(ranges)?) }
}

fn default_bridge(config: &Config, others: &[Network]) -> Result<Bridge, Error> {
    let name = if config.bridge.is_empty() { DEFAULT_BRIDGE } else { &config.bridge };
    let (gateway, prefix) = match (config.bip, network::bridge_address(name)?) {
        (Some(bip), _) => bip,
        (None, Some(found)) => found,
        (None, None) => choose(config, others)?,
    };
    let v6 = config.default_v6.map(|subnet| default_v6(subnet, name)).transpose()?;
    Ok(Bridge {
        name: name.to_owned(),
        gateway,
        prefix,
        range: None,
        reserved: Vec::new(),
        chosen: false,
        mtu: config.mtu,
        masquerade: true,
        icc: true,
        publish_on: config.publish_on,
        interface_prefix: "eth".to_owned(),
        v6,
    })
}

/// The configured subnet, that of the bridge that is there, or one that nobody else is likely to have.
fn default_v6(subnet: DefaultV6, bridge: &str) -> Result<BridgeV6, Error> {
    let subnet = match (subnet, network::bridge_address_v6(bridge)?) {
        (Some((address, prefix)), _) | (None, Some((address, prefix))) => {
            Subnet6::of(address, prefix)?
        }
        (None, None) => Subnet6::unique_local(rand::random()),
    };
    let (gateway, prefix) = (subnet.first_address(), subnet.prefix());
    Ok(BridgeV6 { gateway, prefix, range: None, reserved: Vec::new(), chosen: false })
}

fn choose(config: &Config, others: &[Network]) -> Result<(Ipv4Addr, u8), Error> {
    let taken = taken(others.iter())?;
    if config.address_pools.is_empty() {
        let preferred = Subnet::of(PREFERRED.0, PREFERRED.1)?;
        if !taken.iter().any(|(address, prefix)| {
            Subnet::of(*address, *prefix).is_ok_and(|route| route.overlaps(&preferred))
        }) {
            return Ok((preferred.first_address(), preferred.prefix()));
        }
    }
    let subnet = pools(config)?.pick(&taken)?;
    Ok((subnet.first_address(), subnet.prefix()))
}

/// Subnets that a new network must not have: the host's routes and those of our networks.
fn taken<'a>(
    networks: impl Iterator<Item = &'a Network>,
) -> Result<Vec<(Ipv4Addr, u8)>, NetworkError> {
    let bridges = networks.filter_map(|network| network.bridge.as_ref());
    let mut taken: Vec<_> = bridges.map(|bridge| (bridge.gateway, bridge.prefix)).collect();
    taken.extend(network::host_routes()?);
    Ok(taken)
}
