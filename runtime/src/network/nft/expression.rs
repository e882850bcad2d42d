//! The expressions that our rules are made of (linux/netfilter/nf_tables.h). Those that the
//! library does not know (ct, masq, nat, fib) are put together from attributes here.

use netlink_packet_core::DefaultNla;
use netlink_packet_netfilter::nftables::{
    Bitwise, Cmp, DataAttribute, Expressions, Immediate, Lookup, Meta, MetaKey, Operator, Register,
    Verdict, VerdictAttribute,
};

use super::message::NAME_LENGTH;

/// `NFTA_CT_DREG`, `NFTA_CT_KEY`, `NFT_CT_STATE`, `NFT_CT_STATUS`.
const CT_REGISTER: u16 = 1;
const CT_KEY: u16 = 2;
const CT_KEY_STATE: u32 = 0;
const CT_KEY_STATUS: u32 = 2;
/// `NF_CT_STATE_BIT` of `IP_CT_ESTABLISHED` and of `IP_CT_RELATED`.
const CT_STATES_OF_REPLIES: u32 = 0b110;
/// `IPS_DST_NAT`: the connection's destination was changed.
const CT_STATUS_TRANSLATED: u32 = 1 << 5;
/// `NFT_LOOKUP_F_INV`: the rule goes on if the key is not in the set.
const LOOKUP_INVERTED: u32 = 1;
/// `NF_DROP`, `NF_ACCEPT` (linux/netfilter.h).
const DROP: u32 = 0;
const ACCEPT: u32 = 1;

/// Which of a packet's interfaces.
#[derive(Debug, Clone, Copy)]
pub(super) enum Direction {
    In,
    Out,
}

impl Direction {
    fn load(self, register: Register) -> Expressions {
        let key = match self {
            Self::In => MetaKey::Iifname,
            Self::Out => MetaKey::Oifname,
        };
        Expressions::Meta(vec![Meta::DestinationRegister(register), Meta::Key(key)])
    }
}

/// `ct state established,related`
pub(super) fn is_reply() -> Vec<Expressions> {
    connection_has(CT_KEY_STATE, CT_STATES_OF_REPLIES)
}

/// `ct status dnat`: a published port was asked for.
pub(super) fn is_translated() -> Vec<Expressions> {
    connection_has(CT_KEY_STATUS, CT_STATUS_TRANSLATED)
}

fn connection_has(key: u32, bits: u32) -> Vec<Expressions> {
    let value = |number: u32| DataAttribute::Value(number.to_ne_bytes().to_vec());
    vec![
        other("ct", &[(CT_REGISTER, Register::Reg1.into()), (CT_KEY, key)]),
        Expressions::Bitwise(vec![
            Bitwise::SourceRegister(Register::Reg1),
            Bitwise::DestinationRegister(Register::Reg1),
            Bitwise::Length(4),
            Bitwise::Mask(value(bits)),
            Bitwise::Xor(value(0)),
        ]),
        Expressions::Cmp(vec![
            Cmp::SourceRegister(Register::Reg1),
            Cmp::Op(Operator::NotEqual),
            Cmp::Data(value(0)),
        ]),
    ]
}

/// An expression that the library does not know, by its attributes: kinds and numbers.
pub(super) fn other(name: &str, attributes: &[(u16, u32)]) -> Expressions {
    let big_endian =
        |(kind, number): &(u16, u32)| DefaultNla::new(*kind, number.to_be_bytes().to_vec());
    Expressions::Other {
        expression_type: name.into(),
        attributes: attributes.iter().map(big_endian).collect(),
    }
}

/// `iifname != "lo"`
pub(super) fn not_from_loopback() -> Vec<Expressions> {
    let mut name = [0; NAME_LENGTH];
    name[..2].copy_from_slice(b"lo");
    vec![
        Direction::In.load(Register::Reg1),
        super::ports::compare(Operator::NotEqual, name.to_vec()),
    ]
}

/// `iifname @set` or `oifname @set`
pub(super) fn name_in(direction: Direction, set: &str) -> Vec<Expressions> {
    vec![direction.load(Register::Reg1), lookup(set, 0)]
}

/// `iifname != @set` or `oifname != @set`
pub(super) fn name_not_in(direction: Direction, set: &str) -> Vec<Expressions> {
    vec![direction.load(Register::Reg1), lookup(set, LOOKUP_INVERTED)]
}

/// `iifname . oifname @set`: the registers 1 and 2 lie side by side.
pub(super) fn both_names_in(set: &str) -> Vec<Expressions> {
    vec![Direction::In.load(Register::Reg1), Direction::Out.load(Register::Reg2), lookup(set, 0)]
}

/// `iifname . oifname != @set`
pub(super) fn both_names_not_in(set: &str) -> Vec<Expressions> {
    vec![
        Direction::In.load(Register::Reg1),
        Direction::Out.load(Register::Reg2),
        lookup(set, LOOKUP_INVERTED),
    ]
}

/// `accept` or `drop`
pub(super) fn verdict(accept: bool) -> Expressions {
    let code = Verdict::Other(if accept { ACCEPT } else { DROP });
    Expressions::Immediate(vec![
        Immediate::DestinationRegister(Register::Verdict),
        Immediate::Data(DataAttribute::Verdict(vec![VerdictAttribute::Code(code)])),
    ])
}

/// `jump <chain>`
pub(super) fn jump(chain: &str) -> Expressions {
    let verdict =
        vec![VerdictAttribute::Code(Verdict::Jump), VerdictAttribute::Chain(chain.to_owned())];
    Expressions::Immediate(vec![
        Immediate::DestinationRegister(Register::Verdict),
        Immediate::Data(DataAttribute::Verdict(verdict)),
    ])
}

/// `masquerade`
pub(super) fn masquerade() -> Expressions {
    other("masq", &[])
}

fn lookup(set: &str, flags: u32) -> Expressions {
    let mut attributes = vec![Lookup::Set(set.into()), Lookup::SourceRegister(Register::Reg1)];
    if flags != 0 {
        attributes.push(Lookup::Flags(flags));
    }
    Expressions::Lookup(attributes)
}
