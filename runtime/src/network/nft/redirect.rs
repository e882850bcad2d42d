//! Inside a container: one table that leads questions for its name server to where that listens.
//!
//! ```text
//! table ip jocker {
//!   chain output { type nat hook output priority dstnat; policy accept;
//!     ip daddr 127.0.0.11 meta l4proto udp th dport 53 dnat ip to :<port>
//!     ip daddr 127.0.0.11 meta l4proto tcp th dport 53 dnat ip to :<port>
//!   }
//! }
//! ```

use std::net::Ipv4Addr;

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE};
use netlink_packet_netfilter::nftables::{
    DataAttribute, Expressions, Immediate, NfTablesMessage, Register,
};

use super::super::NetworkError;
use super::super::netlink::Netlink;
use super::super::publish::Protocol;
use super::{OUTPUT, message, ports};

/// Sends what goes to `port` of `address` to another port of it. Replaces an earlier redirection; `socket` says in
/// which network namespace.
pub(in super::super) fn redirect(
    socket: &mut Netlink,
    address: Ipv4Addr,
    port: u16,
    to: &[(Protocol, u16)],
) -> Result<(), NetworkError> {
    let mut batch = vec![
        message::begin(),
        message::table(NfTablesMessage::NewTable, "create table", NLM_F_CREATE),
        message::output_chain(),
        message::flush(OUTPUT),
    ];
    batch.extend(to.iter().map(|(protocol, to)| {
        let rule =
            [ports::to_port(address, *protocol, port), vec![number(*to), ports::to_other_port()]];
        message::rule(OUTPUT, rule.concat())
    }));
    if let Some(last) = batch.last_mut() {
        last.flags |= NLM_F_ACK;
    }
    batch.push(message::end());
    socket.execute(batch)
}

fn number(port: u16) -> Expressions {
    Expressions::Immediate(vec![
        Immediate::DestinationRegister(Register::Reg1),
        Immediate::Data(DataAttribute::Value(port.to_be_bytes().to_vec())),
    ])
}
