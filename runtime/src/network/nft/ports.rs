//! The maps of published ports: their messages, keys and values, and the rules that look there.
//!
//! A key is protocol, address, port, or protocol, port for ports on all addresses; a value is address
//! and port of the container. Each part fills whole registers of four bytes, numbers in network order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::NLM_F_CREATE;
use netlink_packet_netfilter::nftables::{
    Cmp, DataAttribute, Expressions, ListAttribute, Lookup, Meta, MetaKey, NfTablesMessage,
    Operator, Payload, Register, SetAttribute, SetElementAttribute, SetElementList,
    SetElementMessage, SetFlags, SetMessage,
};

use super::super::netlink::Request;
use super::super::publish::{Protocol, Publication};
use super::TABLE;
use super::expression::other;
use super::family::{Family, Field};
use super::message::{self, Wrapped, request};

/// Ports of one address of the host.
pub(super) const ONE_ADDRESS: &str = "published";
/// Ports of all its addresses.
pub(super) const ALL_ADDRESSES: &str = "published_any";
pub(super) const MAPS: [&str; 2] = [ONE_ADDRESS, ALL_ADDRESSES];

/// Addresses of containers with published ports, twice each.
const SELVES: &str = "selves";

/// Elements of one message, well below its limit of length.
const ELEMENTS_PER_MESSAGE: usize = 200;
/// Bytes of a register, which each part of a key or value fills.
const PART: usize = 4;
/// The nft tool's numbers of the parts' types and how it packs them; the kernel only keeps them.
const TYPE_BITS: u32 = 6;
const TYPE_PROTOCOL: u32 = 12;
const TYPE_PORT: u32 = 13;
/// `NFT_PAYLOAD_TRANSPORT_HEADER`, and what lies there.
const DESTINATION_PORT: Field = (2, 2, 2);
/// The first byte of a loopback address of IPv4.
const LOOPBACK: u8 = 127;
/// `NFTA_NAT_TYPE`, `_FAMILY`, `_REG_ADDR_MIN`, `_REG_PROTO_MIN`; `NFT_NAT_DNAT`.
const NAT_TYPE: u16 = 1;
const NAT_FAMILY: u16 = 2;
const NAT_ADDRESS: u16 = 3;
const NAT_PORT: u16 = 5;
const NAT_DESTINATION: u32 = 1;
/// `NFTA_FIB_DREG`, `_RESULT`, `_FLAGS`; `NFT_FIB_RESULT_ADDRTYPE`, `NFTA_FIB_F_DADDR`; `RTN_LOCAL`.
const FIB_REGISTER: u16 = 1;
const FIB_RESULT: u16 = 2;
const FIB_FLAGS: u16 = 3;
const FIB_ADDRESS_TYPE: u32 = 3;
const FIB_OF_DESTINATION: u32 = 2;
const LOCAL: u32 = 2;

/// Creates one of the maps; `id` tells sets and maps of a batch apart.
pub(super) fn map(family: Family, name: &str, id: u32) -> Request<Wrapped> {
    let address = family.address_type();
    let key: &[u32] = match name {
        ONE_ADDRESS => &[TYPE_PROTOCOL, address, TYPE_PORT],
        _ => &[TYPE_PROTOCOL, TYPE_PORT],
    };
    let value = [address, TYPE_PORT];
    let message = SetMessage {
        attributes: vec![
            SetAttribute::Table(TABLE.into()),
            SetAttribute::Name(name.into()),
            SetAttribute::Flags(SetFlags::Map),
            SetAttribute::KeyType(packed(key)),
            SetAttribute::KeyLen(length(family, key)),
            SetAttribute::DataType(packed(&value)),
            SetAttribute::DataLen(length(family, &value)),
            SetAttribute::Id(id),
        ],
    };
    request(format!("create map {name}"), NLM_F_CREATE, NfTablesMessage::NewSet(message))
}

/// Creates the set of containers that may ask for their own ports.
pub(super) fn selves(family: Family, id: u32) -> Request<Wrapped> {
    let key = [family.address_type(); 2];
    let message = SetMessage {
        attributes: vec![
            SetAttribute::Table(TABLE.into()),
            SetAttribute::Name(SELVES.into()),
            SetAttribute::KeyType(packed(&key)),
            SetAttribute::KeyLen(length(family, &key)),
            SetAttribute::Id(id),
        ],
    };
    request(format!("create set {SELVES}"), NLM_F_CREATE, NfTablesMessage::NewSet(message))
}

fn packed(types: &[u32]) -> u32 {
    types.iter().fold(0, |packed, kind| packed << TYPE_BITS | kind)
}

/// Bytes of a key or value, each part of which fills whole registers.
fn length(family: Family, types: &[u32]) -> u32 {
    let part = |kind: &u32| match *kind {
        kind if kind == family.address_type() => family.address_length(),
        _ => PART,
    };
    types.iter().map(part).sum::<usize>() as u32
}

/// Adds the ports to their maps.
pub(super) fn add(publications: &[Publication]) -> Vec<Request<Wrapped>> {
    messages(publications, "publish", NLM_F_CREATE, NfTablesMessage::NewSetElement)
}

/// Removes the ports from their maps, where they have to be.
pub(super) fn remove(publications: &[Publication]) -> Vec<Request<Wrapped>> {
    messages(publications, "unpublish", 0, NfTablesMessage::DeleteSetElement)
}

/// Adds the containers of the ports to the set of those that may ask for their own.
pub(super) fn add_selves(publications: &[Publication]) -> Vec<Request<Wrapped>> {
    of_selves(publications, "add to", NLM_F_CREATE, NfTablesMessage::NewSetElement)
}

/// Removes them from there.
pub(super) fn remove_selves(publications: &[Publication]) -> Vec<Request<Wrapped>> {
    of_selves(publications, "remove from", 0, NfTablesMessage::DeleteSetElement)
}

fn of_selves(
    publications: &[Publication],
    verb: &str,
    flags: u16,
    kind: fn(SetElementMessage) -> NfTablesMessage,
) -> Vec<Request<Wrapped>> {
    let mut addresses: Vec<_> = publications.iter().map(|port| port.address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let element = |address: &IpAddr| {
        let key = DataAttribute::Value(octets(*address).repeat(2));
        ListAttribute::Element(vec![SetElementAttribute::Key(key)])
    };
    let message = |chunk: &[IpAddr]| {
        let message = SetElementMessage {
            attributes: vec![
                SetElementList::Table(TABLE.into()),
                SetElementList::Set(SELVES.into()),
                SetElementList::Elements(chunk.iter().map(element).collect()),
            ],
        };
        request(format!("{verb} set {SELVES}"), flags, kind(message))
    };
    addresses.chunks(ELEMENTS_PER_MESSAGE).map(message).collect()
}

fn messages(
    publications: &[Publication],
    verb: &str,
    flags: u16,
    kind: fn(SetElementMessage) -> NfTablesMessage,
) -> Vec<Request<Wrapped>> {
    let mut messages = Vec::new();
    for map in MAPS {
        let of_map: Vec<_> = publications.iter().filter(|port| map_of(port) == map).collect();
        for chunk in of_map.chunks(ELEMENTS_PER_MESSAGE) {
            let elements = chunk.iter().map(|port| ListAttribute::Element(element(port)));
            let message = SetElementMessage {
                attributes: vec![
                    SetElementList::Table(TABLE.into()),
                    SetElementList::Set(map.into()),
                    SetElementList::Elements(elements.collect()),
                ],
            };
            messages.push(request(format!("{verb} ports in {map}"), flags, kind(message)));
        }
    }
    messages
}

fn map_of(publication: &Publication) -> &'static str {
    if publication.host.is_unspecified() { ALL_ADDRESSES } else { ONE_ADDRESS }
}

fn element(publication: &Publication) -> Vec<SetElementAttribute> {
    let port = |port: u16| {
        let [high, low] = port.to_be_bytes();
        [high, low, 0, 0]
    };
    let mut key = vec![publication.protocol.number(), 0, 0, 0];
    if !publication.host.is_unspecified() {
        key.extend(octets(publication.host));
    }
    key.extend(port(publication.host_port));
    let value = [octets(publication.address), port(publication.port).to_vec()].concat();
    vec![
        SetElementAttribute::Key(DataAttribute::Value(key)),
        SetElementAttribute::Data(DataAttribute::Value(value)),
    ]
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The ports in a dump of a map; what is none of ours in form is left out.
pub(super) fn elements(object: &Wrapped) -> Vec<Publication> {
    message::elements(object).filter_map(parse).collect()
}

fn parse(attributes: &[SetElementAttribute]) -> Option<Publication> {
    let (mut key, mut value) = (None, None);
    for attribute in attributes {
        match attribute {
            SetElementAttribute::Key(DataAttribute::Value(bytes)) => key = Some(bytes),
            SetElementAttribute::Data(DataAttribute::Value(bytes)) => value = Some(bytes),
            _ => {}
        }
    }
    let (protocol, rest) = key?.split_first_chunk::<PART>()?;
    let (host, host_port) = rest.split_last_chunk::<PART>()?;
    let (address, port) = value?.split_last_chunk::<PART>()?;
    let address = from_octets(address)?;
    let number = |part: &[u8; PART]| u16::from_be_bytes([part[0], part[1]]);
    Some(Publication {
        protocol: Protocol::ALL.into_iter().find(|known| known.number() == protocol[0])?,
        host: match (host, address) {
            ([], IpAddr::V4(_)) => Ipv4Addr::UNSPECIFIED.into(),
            ([], IpAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
            (host, _) => from_octets(host)?,
        },
        host_port: number(host_port),
        address,
        port: number(port),
    })
}

fn from_octets(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// `dnat ip to meta l4proto . ip daddr . th dport map @published`
pub(super) fn to_one_address(family: Family) -> Vec<Expressions> {
    vec![
        protocol(),
        load(family.destination(), Register::Reg32_01),
        load(DESTINATION_PORT, family.port_registers().0),
        find(family, ONE_ADDRESS),
        translate(family),
    ]
}

/// `fib daddr type local dnat ip to meta l4proto . th dport map @published_any`
pub(super) fn to_any_address(family: Family) -> Vec<Expressions> {
    vec![
        other(
            "fib",
            &[
                (FIB_REGISTER, Register::Reg1.into()),
                (FIB_RESULT, FIB_ADDRESS_TYPE),
                (FIB_FLAGS, FIB_OF_DESTINATION),
            ],
        ),
        compare(Operator::Equal, LOCAL.to_ne_bytes().to_vec()),
        protocol(),
        load(DESTINATION_PORT, Register::Reg32_01),
        find(family, ALL_ADDRESSES),
        translate(family),
    ]
}

/// `ip saddr . ip daddr @selves`
pub(super) fn to_itself(family: Family) -> Vec<Expressions> {
    let behind = match family {
        Family::V4 => Register::Reg32_01,
        Family::V6 => Register::Reg32_04,
    };
    vec![
        load(family.source(), Register::Reg32_00),
        load(family.destination(), behind),
        Expressions::Lookup(vec![
            Lookup::Set(SELVES.into()),
            Lookup::SourceRegister(Register::Reg1),
        ]),
    ]
}

/// `ip daddr <address> meta l4proto <protocol> th dport <port>`
pub(super) fn to_port(address: Ipv4Addr, protocol: Protocol, port: u16) -> Vec<Expressions> {
    let is = |value: &[u8]| compare(Operator::Equal, value.to_vec());
    vec![
        load(Family::V4.destination(), Register::Reg1),
        is(&address.octets()),
        Expressions::Meta(vec![
            Meta::DestinationRegister(Register::Reg1),
            Meta::Key(MetaKey::L4Proto),
        ]),
        is(&[protocol.number()]),
        load(DESTINATION_PORT, Register::Reg1),
        is(&port.to_be_bytes()),
    ]
}

/// `dnat ip to :<port>`, the port being in the first register.
pub(super) fn to_other_port() -> Expressions {
    other(
        "nat",
        &[
            (NAT_TYPE, NAT_DESTINATION),
            (NAT_FAMILY, Family::V4.number()),
            (NAT_PORT, Register::Reg1.into()),
        ],
    )
}

/// `ip daddr 127.0.0.0/8`, `ip6 daddr ::1`
pub(super) fn to_loopback(family: Family) -> Vec<Expressions> {
    in_loopback(family, family.destination())
}

/// `ip saddr 127.0.0.0/8`, `ip6 saddr ::1`
pub(super) fn from_loopback(family: Family) -> Vec<Expressions> {
    in_loopback(family, family.source())
}

fn in_loopback(family: Family, (base, offset, length): Field) -> Vec<Expressions> {
    let (length, wanted) = match family {
        Family::V4 => (1, vec![LOOPBACK]),
        Family::V6 => (length, Ipv6Addr::LOCALHOST.octets().to_vec()),
    };
    vec![load((base, offset, length), Register::Reg1), compare(Operator::Equal, wanted)]
}

/// Compares what was loaded into the first register.
pub(super) fn compare(operator: Operator, value: Vec<u8>) -> Expressions {
    Expressions::Cmp(vec![
        Cmp::SourceRegister(Register::Reg1),
        Cmp::Op(operator),
        Cmp::Data(DataAttribute::Value(value)),
    ])
}

fn protocol() -> Expressions {
    Expressions::Meta(vec![
        Meta::DestinationRegister(Register::Reg32_00),
        Meta::Key(MetaKey::L4Proto),
    ])
}

fn load((base, offset, length): Field, register: Register) -> Expressions {
    Expressions::Payload(vec![
        Payload::DestinationRegister(register),
        Payload::Base(base),
        Payload::Offset(offset),
        Payload::Len(length),
    ])
}

/// From the registers 0 and following to those behind the key; the rule ends if there is nothing.
fn find(family: Family, map: &str) -> Expressions {
    Expressions::Lookup(vec![
        Lookup::Set(map.into()),
        Lookup::SourceRegister(Register::Reg1),
        Lookup::DestinationRegister(family.answer_register().0),
    ])
}

fn translate(family: Family) -> Expressions {
    other(
        "nat",
        &[
            (NAT_TYPE, NAT_DESTINATION),
            (NAT_FAMILY, family.number()),
            (NAT_ADDRESS, family.answer_register().1.into()),
            (NAT_PORT, family.port_registers().1.into()),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_as_they_are_written() {
        for (protocol, host, address) in [
            (Protocol::Tcp, "0.0.0.0", "172.17.0.2"),
            (Protocol::Udp, "192.0.2.1", "172.17.0.2"),
            (Protocol::Sctp, "::", "fd00::2"),
            (Protocol::Tcp, "2001:db8::1", "fd00::2"),
        ] {
            let (host, address) = (host.parse().unwrap(), address.parse().unwrap());
            let publication = Publication { protocol, host, host_port: 8080, address, port: 80 };
            assert_eq!(parse(&element(&publication)), Some(publication));
        }
        assert_eq!(parse(&[]), None);
        let short = SetElementAttribute::Key(DataAttribute::Value(vec![6, 0, 0, 0]));
        assert_eq!(parse(&[short]), None);
    }
}
