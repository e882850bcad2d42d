//! The packet filter rules: one nf_tables table of our own, changed in one transaction.
//!
//! ```text
//! table ip jocker {
//!   set bridges    { type ifname }             every bridge of ours
//!   set hidden     { type ifname }             those whose containers are hidden behind the host
//!   set together   { type ifname . ifname }    those whose containers may talk to each other
//!   chain forward { type filter hook forward priority filter; policy accept;
//!     ct state established,related accept
//!     iifname . oifname @together accept       (seen here only where br_netfilter is loaded)
//!     iifname @bridges oifname != @bridges accept
//!     oifname @bridges drop                    (from other bridges, and what nobody asked for)
//!   }
//!   chain postrouting { type nat hook postrouting priority srcnat; policy accept;
//!     iifname @hidden oifname != @bridges masquerade
//!   }
//! }
//! ```
//!
//! The rules are the same for any number of bridges; a bridge is an element of the sets.
//!
//! Limit: an accept ends this table only. If another table's forward chain drops (a firewall with
//! the policy drop), its owner has to let the bridge through; nothing is changed in tables of others.

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE};
use netlink_packet_netfilter::nftables::NfTablesMessage;
use netlink_sys::protocols::NETLINK_NETFILTER;

use super::netlink::{Netlink, Request};
use super::{BridgeConfig, NetworkError};

mod expression;
mod message;

use expression::{both_names_in, is_reply, masquerade, name_in, name_not_in, verdict};
use message::Wrapped;

/// Name of the one table.
pub const TABLE: &str = "jocker";
const BRIDGES: &str = "bridges";
const HIDDEN: &str = "hidden";
const TOGETHER: &str = "together";
const SETS: [&str; 3] = [BRIDGES, HIDDEN, TOGETHER];
const FORWARD: &str = "forward";
const POSTROUTING: &str = "postrouting";
/// How many rules the table has.
const RULE_COUNT: usize = 5;
/// Multicast group that is told of each change to nf_tables (`NFNLGRP_NFTABLES`, linux/netfilter/nfnetlink.h).
const CHANGES: u32 = 7;

/// Puts the table into the state above with the bridge in its sets, whatever it was before.
pub(super) fn ensure(config: &BridgeConfig) -> Result<(), NetworkError> {
    let mut batch = vec![
        message::begin(),
        message::table(NfTablesMessage::NewTable, "create table", NLM_F_CREATE),
        message::set(BRIDGES, 1, 1),
        message::set(HIDDEN, 2, 1),
        message::set(TOGETHER, 3, 2),
        message::filter_chain(FORWARD),
        message::nat_chain(POSTROUTING),
        message::flush(FORWARD),
        message::flush(POSTROUTING),
    ];
    batch.extend(rules());
    // Adding what is there is no error and removing what is not is one: so the element is added in
    // any case, and taken out again in the same transaction where it does not belong.
    for (set, belongs) in membership(config) {
        batch.push(message::add_element(set, &config.name));
        if !belongs {
            batch.push(message::remove_element(set, &config.name));
        }
    }
    commit(batch)
}

/// Whether the table has its rules and the bridge is in the sets it belongs to. False after
/// something flushed or changed the table; [`super::ensure_bridge`] repairs it.
///
/// # Errors
/// The request that the kernel refused.
pub fn verify(config: &BridgeConfig) -> Result<bool, NetworkError> {
    super::link::check_name(&config.name)?;
    let mut socket = open()?;
    let mut rules = 0;
    socket.dump(message::list_rules(), |object: Wrapped| {
        rules += usize::from(message::is_rule_of_table(&object));
    })?;
    if rules != RULE_COUNT {
        return Ok(false);
    }
    for (set, belongs) in membership(config) {
        if elements(&mut socket, set)?.contains(&config.name) != belongs {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes the bridge out of the sets; without any bridge left, the table goes.
pub(super) fn remove(bridge: &str) -> Result<(), NetworkError> {
    let mut socket = open()?;
    let bridges = match elements(&mut socket, BRIDGES) {
        // There is no such table.
        Err(error) if error.errno() == Some(libc::ENOENT) => Vec::new(),
        other => other?,
    };
    let mut batch = vec![message::begin()];
    if bridges.iter().any(|name| name != bridge) {
        for set in SETS {
            batch.push(message::add_element(set, bridge));
            batch.push(message::remove_element(set, bridge));
        }
    } else {
        batch.push(message::table(NfTablesMessage::NewTable, "create table", NLM_F_CREATE));
        batch.push(message::table(NfTablesMessage::DeleteTable, "delete table", 0));
    }
    commit(batch)
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
}

fn membership(config: &BridgeConfig) -> [(&'static str, bool); 3] {
    [(BRIDGES, true), (HIDDEN, config.masquerade), (TOGETHER, config.icc)]
}

fn rules() -> [Request<Wrapped>; RULE_COUNT] {
    use expression::Direction::{In, Out};
    let rule = message::rule;
    [
        rule(FORWARD, [is_reply(), vec![verdict(true)]].concat()),
        rule(FORWARD, [both_names_in(TOGETHER), vec![verdict(true)]].concat()),
        rule(
            FORWARD,
            [name_in(In, BRIDGES), name_not_in(Out, BRIDGES), vec![verdict(true)]].concat(),
        ),
        rule(FORWARD, [name_in(Out, BRIDGES), vec![verdict(false)]].concat()),
        rule(
            POSTROUTING,
            [name_in(In, HIDDEN), name_not_in(Out, BRIDGES), vec![masquerade()]].concat(),
        ),
    ]
}

fn elements(socket: &mut Netlink, set: &str) -> Result<Vec<String>, NetworkError> {
    let mut names = Vec::new();
    socket.dump(message::list_elements(set), |object: Wrapped| {
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

fn open() -> Result<Netlink, NetworkError> {
    Netlink::open(NETLINK_NETFILTER)
        .map_err(|source| NetworkError::Call { call: "socket(NETLINK_NETFILTER)".into(), source })
}
