//! The packet filter rules: one nf_tables table of our own, changed in one transaction.
//!
//! ```text
//! table ip jocker {
//!   set bridges    { type ifname }             every bridge of ours
//!   set hidden     { type ifname }             those whose containers are hidden behind the host
//!   set together   { type ifname . ifname }    those whose containers may talk to each other
//!   set hairpin    { type ifname . ifname }    every bridge of ours with itself
//!   set sealed     { type ifname }             those that nothing passes into or out of
//!   set selves     { type ipv4_addr . ipv4_addr }   each container with published ports, with itself
//!   map published     { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service }
//!   map published_any { type inet_proto . inet_service : ipv4_addr . inet_service }
//!   chain guard { type filter hook prerouting priority raw; policy accept;
//!     iifname != "lo" ip daddr 127.0.0.0/8 drop     (ports published on 127.0.0.1 are the host's alone)
//!   }
//!   chain prerouting { type nat hook prerouting priority dstnat; policy accept;
//!     dnat ip to meta l4proto . ip daddr . th dport map @published
//!     fib daddr type local dnat ip to meta l4proto . th dport map @published_any
//!   }
//!   chain output { type nat hook output priority dstnat; policy accept;    (the same two rules) }
//!   chain admin { }                          the administrator's: made once, never changed by us
//!   chain forward { type filter hook forward priority filter; policy accept;
//!     jump admin
//!     iifname @sealed iifname . oifname != @hairpin drop
//!     oifname @sealed iifname . oifname != @hairpin drop
//!     ct state established,related accept
//!     ct status dnat oifname @bridges accept   (published ports)
//!     iifname . oifname @together accept       (seen here only where br_netfilter is loaded)
//!     iifname @bridges oifname != @bridges accept
//!     oifname @bridges drop                    (from other bridges, and what nobody asked for)
//!   }
//!   chain postrouting { type nat hook postrouting priority srcnat; policy accept;
//!     iifname @hidden oifname != @bridges masquerade
//!     ct status dnat iifname . oifname @hairpin masquerade   (or the answer would go past the host)
//!     ip saddr . ip daddr @selves masquerade                 (where br_netfilter bridges such packets)
//!     ip saddr 127.0.0.0/8 oifname @bridges masquerade       (the host by 127.0.0.1)
//!   }
//! }
//! ```
//!
//! The chain `admin` has the role of Docker's chain DOCKER-USER: its rules see every forwarded packet before ours do,
//! a drop there is final, and the table stays as long as there are any.
//!
//! `table ip6 jocker` is the same with addresses of IPv6, for the bridges that have it; it comes with the first of them.
//! There `::1` takes the place of 127.0.0.0/8, and no packet from it leaves the host whatever the rules say.
//!
//! The rules are the same for any number of bridges; a bridge is an element of the sets,
//! a published port an element of one of the maps. Other clients of a published port keep their addresses.
//!
//! Limit: an accept ends this table only. If another table's forward chain drops (a firewall with
//! the policy drop), its owner has to let the bridge through; nothing is changed in tables of others.

use std::collections::BTreeSet;

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE};
use netlink_packet_netfilter::nftables::{NfTablesMessage, RuleMessage};
use netlink_sys::protocols::NETLINK_NETFILTER;

use super::netlink::{Netlink, Request};
use super::{BridgeConfig, NetworkError};

mod expression;
mod family;
mod message;
mod ports;
mod redirect;

use super::publish::Publication;
use expression::{
    both_names_in, both_names_not_in, is_reply, is_translated, masquerade, name_in, name_not_in,
    not_from_loopback, verdict,
};
use family::Family;
use message::Wrapped;
pub(super) use redirect::redirect;

/// Name of the one table.
pub const TABLE: &str = "jocker";
const BRIDGES: &str = "bridges";
const HIDDEN: &str = "hidden";
const TOGETHER: &str = "together";
const HAIRPIN: &str = "hairpin";
const SEALED: &str = "sealed";
const SETS: [&str; 5] = [BRIDGES, HIDDEN, TOGETHER, HAIRPIN, SEALED];
const GUARD: &str = "guard";
const PREROUTING: &str = "prerouting";
const OUTPUT: &str = "output";
const FORWARD: &str = "forward";
/// The administrator's chain.
const ADMIN: &str = "admin";
const POSTROUTING: &str = "postrouting";
const CHAINS: [&str; 5] = [GUARD, PREROUTING, OUTPUT, FORWARD, POSTROUTING];
/// How many rules the table has.
const RULE_COUNT: usize = 17;
/// Multicast group that is told of each change to nf_tables (`NFNLGRP_NFTABLES`, linux/netfilter/nfnetlink.h).
const CHANGES: u32 = 7;

/// Puts the tables into the state above with the bridge in their sets, whatever they were before.
pub(super) fn ensure(config: &BridgeConfig) -> Result<(), NetworkError> {
    let mut batch = vec![message::begin()];
    for family in families(config) {
        batch.extend(family.table(whole(*family, config)));
    }
    commit(batch)
}

/// Where the bridge belongs.
fn families(config: &BridgeConfig) -> &'static [Family] {
    if config.v6.is_some() { &Family::BOTH } else { &[Family::V4] }
}

fn whole(family: Family, config: &BridgeConfig) -> Vec<Request<Wrapped>> {
    let mut batch = vec![
        message::table(NfTablesMessage::NewTable, "create table", NLM_F_CREATE),
        message::set(BRIDGES, 1, 1),
        message::set(HIDDEN, 2, 1),
        message::set(TOGETHER, 3, 2),
        message::set(HAIRPIN, 4, 2),
        ports::map(family, ports::ONE_ADDRESS, 5),
        ports::map(family, ports::ALL_ADDRESSES, 6),
        ports::selves(family, 7),
        message::set(SEALED, 8, 1),
    ];
    batch.extend(message::chains());
    batch.push(message::plain_chain(ADMIN));
    batch.extend(CHAINS.map(message::flush));
    batch.extend(rules(family));
    // Adding what is there is no error and removing what is not is one: so the element is added in
    // any case, and taken out again in the same transaction where it does not belong.
    for (set, belongs) in membership(config) {
        batch.push(message::add_element(set, &config.name));
        if !belongs {
            batch.push(message::remove_element(set, &config.name));
        }
    }
    batch
}

/// The rules of our tables as the kernel tells them, without the administrator's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleSet {
    v4: Vec<RuleMessage>,
    v6: Vec<RuleMessage>,
}

impl RuleSet {
    /// Reads them; after [`super::ensure_bridge`] they are as they should be.
    ///
    /// # Errors
    /// The request that the kernel refused.
    pub fn now() -> Result<Self, NetworkError> {
        Self::of(&mut open()?)
    }

    fn of(socket: &mut Netlink) -> Result<Self, NetworkError> {
        let mut of_family = |family: Family| -> Result<_, NetworkError> {
            let mut rules = Vec::new();
            socket.dump(family.one(message::list_rules()), |object: Wrapped| {
                rules.extend(message::rule_of_table(object, &CHAINS));
            })?;
            Ok(rules)
        };
        Ok(Self { v4: of_family(Family::V4)?, v6: of_family(Family::V6)? })
    }

    fn are(&self, family: Family, expected: &Self) -> bool {
        let (rules, wanted) = match family {
            Family::V4 => (&self.v4, &expected.v4),
            Family::V6 => (&self.v6, &expected.v6),
        };
        rules.len() == RULE_COUNT && rules == wanted
    }
}

/// Whether the tables have their rules and the bridges are in the sets they belong to. False after
/// something flushed or changed a table; [`super::ensure_bridge`] repairs it.
///
/// # Errors
/// The request that the kernel refused.
pub fn verify(configs: &[BridgeConfig], expected: &RuleSet) -> Result<bool, NetworkError> {
    let mut socket = open()?;
    let rules = RuleSet::of(&mut socket)?;
    for family in Family::BOTH {
        let of_family = |config: &&BridgeConfig| families(config).contains(&family);
        let mut ours = configs.iter().filter(of_family).peekable();
        // Without a bridge there the other family's table is nobody's, or another daemon's.
        if family == Family::V6 && ours.peek().is_none() {
            continue;
        }
        if !rules.are(family, expected) {
            return Ok(false);
        }
        let mut members = BTreeSet::new();
        for set in SETS {
            let names = elements(&mut socket, family, set)?;
            members.extend(names.into_iter().map(|name| (set, name)));
        }
        let has = |set, config: &BridgeConfig| members.contains(&(set, config.name.clone()));
        if !ours.all(|config| {
            membership(config).into_iter().all(|(set, belongs)| has(set, config) == belongs)
        }) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes the bridge out of the sets; a table without any bridge left goes, unless the administrator's chain has
/// rules.
pub(super) fn remove(bridge: &str) -> Result<(), NetworkError> {
    let mut socket = open()?;
    let mut batch = vec![message::begin()];
    for family in Family::BOTH {
        let bridges = or_nothing(elements(&mut socket, family, BRIDGES))?;
        if family == Family::V6 && !bridges.iter().any(|name| name == bridge) {
            continue;
        }
        let mut kept = bridges.iter().any(|name| name != bridge);
        if !kept {
            socket.dump(family.one(message::list_rules()), |object: Wrapped| {
                kept |= message::rule_of_table(object, &[ADMIN]).is_some();
            })?;
        }
        batch.extend(family.table(match kept {
            true => without(bridge),
            false => vec![
                message::table(NfTablesMessage::NewTable, "create table", NLM_F_CREATE),
                message::table(NfTablesMessage::DeleteTable, "delete table", 0),
            ],
        }));
    }
    commit(batch)
}

/// Takes a bridge out of the sets, whether it is there or not.
fn without(bridge: &str) -> Vec<Request<Wrapped>> {
    let out = |set| [message::add_element(set, bridge), message::remove_element(set, bridge)];
    SETS.into_iter().flat_map(out).collect()
}

/// The bridges in the table of IPv4, where every one is.
pub(super) fn bridges() -> Result<Vec<String>, NetworkError> {
    or_nothing(elements(&mut open()?, Family::V4, BRIDGES))
}

/// The published ports in the tables.
pub(super) fn published() -> Result<Vec<Publication>, NetworkError> {
    let mut socket = open()?;
    let mut found = Vec::new();
    for family in Family::BOTH {
        for map in ports::MAPS {
            let list = family.one(message::list_elements(map));
            let dumped =
                socket.dump(list, |object: Wrapped| found.extend(ports::elements(&object)));
            or_nothing(dumped)?;
        }
    }
    Ok(found)
}

/// Adds published ports.
pub(super) fn publish(publications: &[Publication]) -> Result<(), NetworkError> {
    replace(&[], &[], publications)
}

/// Removes all published ports of a container, whether they are there or not.
pub(super) fn unpublish(publications: &[Publication]) -> Result<(), NetworkError> {
    let mut batch = vec![message::begin()];
    for (family, publications) in by_family(publications) {
        batch.extend(family.table(ports::add(&publications)));
        batch.extend(family.table(ports::remove(&publications)));
        batch.extend(family.table(ports::add_selves(&publications)));
        batch.extend(family.table(ports::remove_selves(&publications)));
    }
    commit(batch)
}

/// Those of each family that has any.
fn by_family(publications: &[Publication]) -> Vec<(Family, Vec<Publication>)> {
    let of = |family| {
        let ours = |port: &&Publication| Family::of_address(port.address) == family;
        (family, publications.iter().filter(ours).copied().collect::<Vec<_>>())
    };
    Family::BOTH.map(of).into_iter().filter(|(_, list)| !list.is_empty()).collect()
}

/// Takes bridges and ports out, which have to be there, and adds ports.
pub(super) fn replace(
    bridges: &[String],
    gone: &[Publication],
    new: &[Publication],
) -> Result<(), NetworkError> {
    let mut batch = vec![message::begin()];
    if !bridges.is_empty() {
        let six = or_nothing(elements(&mut open()?, Family::V6, BRIDGES))?;
        for bridge in bridges {
            batch.extend(Family::V4.table(without(bridge)));
            if six.contains(bridge) {
                batch.extend(Family::V6.table(without(bridge)));
            }
        }
    }
    for (family, gone) in by_family(gone) {
        batch.extend(family.table(ports::remove(&gone)));
        batch.extend(family.table(ports::add_selves(&gone)));
        batch.extend(family.table(ports::remove_selves(&gone)));
    }
    for (family, new) in by_family(new) {
        batch.extend(family.table(ports::add(&new)));
        batch.extend(family.table(ports::add_selves(&new)));
    }
    if batch.len() > 1 { commit(batch) } else { Ok(()) }
}

/// What is not there holds nothing.
fn or_nothing<T: Default>(found: Result<T, NetworkError>) -> Result<T, NetworkError> {
    match found {
        Err(error) if error.errno() == Some(libc::ENOENT) => Ok(T::default()),
        other => other,
    }
}

/// Tells of changes to the host's packet filter, by whomever.
#[derive(Debug)]
pub struct RuleChanges {
    socket: Netlink,
}

impl RuleChanges {
    /// Starts to listen in the calling thread's network namespace.
    ///
    /// # Errors
    /// Fails without `CAP_NET_ADMIN`.
    pub fn listen() -> Result<Self, NetworkError> {
        let mut socket = open()?;
        socket.subscribe(CHANGES).map_err(|source| NetworkError::Call {
            call: "setsockopt(NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)".into(),
            source,
        })?;
        Ok(Self { socket })
    }

    /// Blocks until something changed; then it is time for [`verify`]. Changes by this process are
    /// told too.
    ///
    /// # Errors
    /// The socket broke.
    pub fn wait(&self) -> Result<(), NetworkError> {
        self.socket
            .wait()
            .map_err(|source| NetworkError::Call { call: "recv(nf_tables changes)".into(), source })
    }

    /// Forgets the changes so far; [`verify`] is to follow.
    pub fn forget(&self) {
        self.socket.drain();
    }
}

fn membership(config: &BridgeConfig) -> [(&'static str, bool); 5] {
    [
        (BRIDGES, true),
        (HIDDEN, config.masquerade),
        (TOGETHER, config.icc),
        (HAIRPIN, true),
        (SEALED, config.internal),
    ]
}

fn rules(family: Family) -> [Request<Wrapped>; RULE_COUNT] {
    use expression::Direction::{In, Out};
    let rule = message::rule;
    let drop = || vec![verdict(false)];
    let accept = || vec![verdict(true)];
    [
        rule(GUARD, [not_from_loopback(), ports::to_loopback(family), drop()].concat()),
        rule(PREROUTING, ports::to_one_address(family)),
        rule(PREROUTING, ports::to_any_address(family)),
        rule(OUTPUT, ports::to_one_address(family)),
        rule(OUTPUT, ports::to_any_address(family)),
        rule(FORWARD, vec![expression::jump(ADMIN)]),
        rule(FORWARD, [name_in(In, SEALED), both_names_not_in(HAIRPIN), drop()].concat()),
        rule(FORWARD, [name_in(Out, SEALED), both_names_not_in(HAIRPIN), drop()].concat()),
        rule(FORWARD, [is_reply(), accept()].concat()),
        rule(FORWARD, [is_translated(), name_in(Out, BRIDGES), accept()].concat()),
        rule(FORWARD, [both_names_in(TOGETHER), accept()].concat()),
        rule(FORWARD, [name_in(In, BRIDGES), name_not_in(Out, BRIDGES), accept()].concat()),
        rule(FORWARD, [name_in(Out, BRIDGES), drop()].concat()),
        rule(
            POSTROUTING,
            [name_in(In, HIDDEN), name_not_in(Out, BRIDGES), vec![masquerade()]].concat(),
        ),
        rule(POSTROUTING, [is_translated(), both_names_in(HAIRPIN), vec![masquerade()]].concat()),
        rule(POSTROUTING, [ports::to_itself(family), vec![masquerade()]].concat()),
        rule(
            POSTROUTING,
            [ports::from_loopback(family), name_in(Out, BRIDGES), vec![masquerade()]].concat(),
        ),
    ]
}

fn elements(socket: &mut Netlink, family: Family, set: &str) -> Result<Vec<String>, NetworkError> {
    let mut names = Vec::new();
    socket.dump(family.one(message::list_elements(set)), |object: Wrapped| {
        names.extend(message::element_names(&object));
    })?;
    Ok(names)
}

/// Closes the batch and sends it; it applies whole or not at all.
fn commit(mut batch: Vec<Request<Wrapped>>) -> Result<(), NetworkError> {
    if let Some(last) = batch.last_mut() {
        last.flags |= NLM_F_ACK;
    }
    batch.push(message::end());
    open()?.execute(batch)
}

pub(super) fn open() -> Result<Netlink, NetworkError> {
    Netlink::open(NETLINK_NETFILTER)
        .map_err(|source| NetworkError::Call { call: "socket(NETLINK_NETFILTER)".into(), source })
}
