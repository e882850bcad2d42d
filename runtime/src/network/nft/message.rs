//! The nf_tables messages (linux/netfilter/nfnetlink.h, nf_tables.h): framing, names, keys.

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE};
use netlink_packet_netfilter::nftables::{
    ChainAttribute, ChainMessage, DataAttribute, Expressions, Hook, InetHookNumber, ListAttribute,
    NfTablesMessage, RuleAttribute, RuleMessage, SetAttribute, SetElementAttribute, SetElementList,
    SetElementMessage, SetMessage, TableAttribute, TableMessage,
};
use netlink_packet_netfilter::none::ControlMessage;
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
};

use super::super::netlink::Request;
use super::{HAIRPIN, TABLE, TOGETHER};

/// A message with its nfnetlink header.
pub(super) type Wrapped = NetfilterMessage;

/// `NFNL_SUBSYS_NFTABLES`: whom a batch is for.
const SUBSYSTEM: u16 = 10;
/// Bytes of an interface's name in a key (`IFNAMSIZ`), zeros at the end.
pub(super) const NAME_LENGTH: usize = 16;
/// The nft tool's number for the type "ifname" and how it packs two types; the kernel only keeps it.
const TYPE_IFNAME: u32 = 41;
const TYPE_BITS: u32 = 6;
/// `NF_ACCEPT` as a chain's policy.
const POLICY_ACCEPT: u32 = 1;
/// `NF_IP_PRI_FILTER`, `NF_IP_PRI_NAT_SRC` (linux/netfilter_ipv4.h).
const PRIORITY_FILTER: u32 = 0;
/// `NF_IP_PRI_RAW` and `NF_IP_PRI_NAT_DST`: negative numbers.
const PRIORITY_RAW: u32 = (-300_i32).cast_unsigned();
const PRIORITY_DESTINATION_NAT: u32 = (-100_i32).cast_unsigned();
const PRIORITY_SOURCE_NAT: u32 = 100;

pub(super) fn begin() -> Request<Wrapped> {
    control("begin batch", ControlMessage::BatchBegin)
}

pub(super) fn end() -> Request<Wrapped> {
    control("end batch", ControlMessage::BatchEnd)
}

/// A message on the whole table: creation or removal.
pub(super) fn table(
    kind: fn(TableMessage) -> NfTablesMessage,
    what: &str,
    flags: u16,
) -> Request<Wrapped> {
    let message = TableMessage { attributes: vec![TableAttribute::Name(TABLE.into())] };
    request(format!("{what} {TABLE}"), flags, kind(message))
}

/// A set of interface names, or of pairs of them; `id` tells the sets of a batch apart.
pub(super) fn set(name: &str, id: u32, names_in_key: u32) -> Request<Wrapped> {
    let key_type = (0..names_in_key).fold(0, |packed, _| packed << TYPE_BITS | TYPE_IFNAME);
    let message = SetMessage {
        attributes: vec![
            SetAttribute::Table(TABLE.into()),
            SetAttribute::Name(name.into()),
            SetAttribute::KeyType(key_type),
            SetAttribute::KeyLen(names_in_key * NAME_LENGTH as u32),
            SetAttribute::Id(id),
            SetAttribute::UserData(key_order()),
        ],
    };
    request(format!("create set {name}"), NLM_F_CREATE, NfTablesMessage::NewSet(message))
}

/// Tells the nft tool that keys are in the host's byte order, without which it misprints names: a
/// type, a length and a number, as its own sets carry it. The kernel only keeps it.
fn key_order() -> Vec<u8> {
    const KEY_ORDER: u8 = 0;
    const HOST_ENDIAN: u32 = 1;
    let mut bytes = vec![KEY_ORDER, size_of::<u32>() as u8];
    bytes.extend(HOST_ENDIAN.to_ne_bytes());
    bytes
}

/// The table's chains: name, kind, hook, priority.
pub(super) fn chains() -> [Request<Wrapped>; 5] {
    use InetHookNumber::{Forward, LocalOut, PostRouting, PreRouting};
    [
        chain(super::GUARD, "filter", PreRouting, PRIORITY_RAW),
        chain(super::PREROUTING, "nat", PreRouting, PRIORITY_DESTINATION_NAT),
        chain(super::OUTPUT, "nat", LocalOut, PRIORITY_DESTINATION_NAT),
        chain(super::FORWARD, "filter", Forward, PRIORITY_FILTER),
        chain(super::POSTROUTING, "nat", PostRouting, PRIORITY_SOURCE_NAT),
    ]
}

/// A chain that no hook leads to.
pub(super) fn plain_chain(name: &str) -> Request<Wrapped> {
    let message = ChainMessage {
        attributes: vec![ChainAttribute::Table(TABLE.into()), ChainAttribute::Name(name.into())],
    };
    request(format!("create chain {name}"), NLM_F_CREATE, NfTablesMessage::NewChain(message))
}

/// The one chain of a container's own table.
pub(super) fn output_chain() -> Request<Wrapped> {
    chain(super::OUTPUT, "nat", InetHookNumber::LocalOut, PRIORITY_DESTINATION_NAT)
}

fn chain(name: &str, kind: &str, hook: InetHookNumber, priority: u32) -> Request<Wrapped> {
    let message = ChainMessage {
        attributes: vec![
            ChainAttribute::Table(TABLE.into()),
            ChainAttribute::Name(name.into()),
            ChainAttribute::Hook(vec![Hook::Number(hook.into()), Hook::Priority(priority)]),
            ChainAttribute::Policy(POLICY_ACCEPT),
            ChainAttribute::Type(kind.into()),
        ],
    };
    request(format!("create chain {name}"), NLM_F_CREATE, NfTablesMessage::NewChain(message))
}

/// Removes every rule of a chain.
pub(super) fn flush(chain: &str) -> Request<Wrapped> {
    let message = RuleMessage {
        attributes: vec![RuleAttribute::Table(TABLE.into()), RuleAttribute::Chain(chain.into())],
    };
    request(format!("flush chain {chain}"), 0, NfTablesMessage::DeleteRule(message))
}

pub(super) fn rule(chain: &str, expressions: Vec<Expressions>) -> Request<Wrapped> {
    let message = RuleMessage {
        attributes: vec![
            RuleAttribute::Table(TABLE.into()),
            RuleAttribute::Chain(chain.into()),
            RuleAttribute::Expressions(expressions.into_iter().map(ListAttribute::from).collect()),
        ],
    };
    let flags = NLM_F_CREATE | NLM_F_APPEND;
    request(format!("add rule to {chain}"), flags, NfTablesMessage::NewRule(message))
}

pub(super) fn add_element(set: &str, bridge: &str) -> Request<Wrapped> {
    let message = NfTablesMessage::NewSetElement(element(set, bridge));
    request(format!("add {bridge} to set {set}"), NLM_F_CREATE, message)
}

pub(super) fn remove_element(set: &str, bridge: &str) -> Request<Wrapped> {
    let message = NfTablesMessage::DeleteSetElement(element(set, bridge));
    request(format!("remove {bridge} from set {set}"), 0, message)
}

pub(super) fn list_rules() -> Request<Wrapped> {
    let message = RuleMessage { attributes: vec![RuleAttribute::Table(TABLE.into())] };
    request("list rules".into(), 0, NfTablesMessage::GetRule(message))
}

pub(super) fn list_elements(set: &str) -> Request<Wrapped> {
    let message = SetElementMessage {
        attributes: vec![SetElementList::Table(TABLE.into()), SetElementList::Set(set.into())],
    };
    request(format!("list set {set}"), 0, NfTablesMessage::GetSetElement(message))
}

/// A rule in a dump that is in one of these chains of our table, without what only numbers it.
pub(super) fn rule_of_table(object: Wrapped, chains: &[&str]) -> Option<RuleMessage> {
    let NetfilterMessageInner::NfTables(NfTablesMessage::NewRule(mut rule)) = object.inner else {
        return None;
    };
    let of = |attribute: &RuleAttribute| rule.attributes.contains(attribute);
    let ours = of(&RuleAttribute::Table(TABLE.into()))
        && chains.iter().any(|chain| of(&RuleAttribute::Chain((*chain).into())));
    rule.attributes.retain(|attribute| {
        !matches!(attribute, RuleAttribute::Handle(_) | RuleAttribute::Position(_))
    });
    ours.then_some(rule)
}

/// The attributes of each element in a dump of a set or map; none if it is a dump of something else.
pub(super) fn elements(object: &Wrapped) -> impl Iterator<Item = &[SetElementAttribute]> {
    let lists = match &object.inner {
        NetfilterMessageInner::NfTables(NfTablesMessage::NewSetElement(message)) => {
            message.attributes.as_slice()
        }
        _ => &[],
    };
    let elements = lists.iter().filter_map(|attribute| match attribute {
        SetElementList::Elements(elements) => Some(elements),
        _ => None,
    });
    elements.flatten().filter_map(|element| match element {
        ListAttribute::Element(attributes) => Some(attributes.as_slice()),
        _ => None,
    })
}

/// The first interface name of each element's key in a dump of a set.
pub(super) fn element_names(object: &Wrapped) -> Vec<String> {
    elements(object)
        .flatten()
        .filter_map(|attribute| match attribute {
            SetElementAttribute::Key(DataAttribute::Value(key)) => Some(first_name(key)),
            _ => None,
        })
        .collect()
}

fn first_name(key: &[u8]) -> String {
    let name = key.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

fn element(set: &str, bridge: &str) -> SetElementMessage {
    let mut name = [0; NAME_LENGTH];
    // Names of 15 bytes at most come here; a longer one would be cut, not overflow.
    for (place, byte) in name.iter_mut().zip(bridge.bytes()) {
        *place = byte;
    }
    let copies = if matches!(set, TOGETHER | HAIRPIN) { 2 } else { 1 };
    let key = SetElementAttribute::Key(DataAttribute::Value(name.repeat(copies)));
    SetElementMessage {
        attributes: vec![
            SetElementList::Table(TABLE.into()),
            SetElementList::Set(set.into()),
            SetElementList::Elements(vec![ListAttribute::Element(vec![key])]),
        ],
    }
}

fn control(what: &str, message: ControlMessage) -> Request<Wrapped> {
    let header = NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, SUBSYSTEM);
    Request::new(what, 0, NetfilterMessage::new(header, message))
}

pub(super) fn request(what: String, flags: u16, message: NfTablesMessage) -> Request<Wrapped> {
    let header = NetfilterHeader::new(NetfilterProtoFamily::IPv4, 0, 0);
    Request::new(what, flags, NetfilterMessage::new(header, message))
}
