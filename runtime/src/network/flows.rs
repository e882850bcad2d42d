//! Flows of datagrams that the kernel tracks (conntrack): where a published port leads is decided by a flow's first
//! packet and kept for as long as others follow. Who sends from one socket for ever would reach a container that is
//! gone, or none though there is one: so the flows of a port are forgotten when it comes and when it goes.

use std::net::IpAddr;

use netlink_packet_core::NLM_F_ACK;
use netlink_packet_netfilter::conntrack::{
    ConntrackAttribute, ConntrackMessage, IPTuple, ProtoTuple, Protocol as Transport, Tuple,
};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
};

use super::netlink::{Netlink, Request};
use super::publish::{Protocol, Publication};
use super::{NetworkError, nft};

/// Forgets the tracked flows of datagrams to these ports. Without the kernel's help (no `nf_conntrack_netlink`) old
/// flows end by themselves, when they have been silent for a while.
pub(super) fn forget(publications: &[Publication]) {
    let datagrams: Vec<_> =
        publications.iter().filter(|port| port.protocol == Protocol::Udp).collect();
    if datagrams.is_empty() {
        return;
    }
    if let Err(error) = forget_all(&datagrams) {
        tracing::warn!(%error, "old flows of published ports go on");
    }
}

fn forget_all(publications: &[&Publication]) -> Result<(), NetworkError> {
    let mut socket = nft::open()?;
    let mut stale = Vec::new();
    let list =
        request("list flows", 0, NetfilterProtoFamily::Unspec, ConntrackMessage::Get(vec![]));
    socket.dump(list, |object: NetfilterMessage| {
        if let NetfilterMessageInner::Conntrack(ConntrackMessage::New(attributes)) = object.inner {
            stale.extend(Flow::parse(&attributes).filter(|flow| flow.is_of(publications)));
        }
    })?;
    stale.iter().try_for_each(|flow| flow.remove(&mut socket))
}

/// A tracked flow of datagrams.
#[derive(Debug, Clone)]
struct Flow {
    /// As the first packet was.
    original: Vec<Tuple>,
    ask: Ends,
    /// As an answer is.
    answer: Ends,
}

/// Addresses and ports of a packet, what of them is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Ends {
    datagram: bool,
    from: (Option<IpAddr>, u16),
    to: (Option<IpAddr>, u16),
}

impl Ends {
    fn of(tuple: &[Tuple]) -> Self {
        let mut ends = Self::default();
        for part in tuple {
            match part {
                Tuple::Ip(parts) => parts.iter().for_each(|part| match part {
                    IPTuple::SourceAddress(address) => ends.from.0 = Some(*address),
                    IPTuple::DestinationAddress(address) => ends.to.0 = Some(*address),
                    _ => {}
                }),
                Tuple::Proto(parts) => parts.iter().for_each(|part| match part {
                    ProtoTuple::Protocol(transport) => ends.datagram = *transport == Transport::Udp,
                    ProtoTuple::SourcePort(port) => ends.from.1 = *port,
                    ProtoTuple::DestinationPort(port) => ends.to.1 = *port,
                    _ => {}
                }),
                _ => {}
            }
        }
        ends
    }
}

impl Flow {
    fn parse(attributes: &[ConntrackAttribute]) -> Option<Self> {
        let (mut original, mut answer) = (None, None);
        for attribute in attributes {
            match attribute {
                ConntrackAttribute::CtaTupleOrig(tuple) => original = Some(tuple),
                ConntrackAttribute::CtaTupleReply(tuple) => answer = Some(Ends::of(tuple)),
                _ => {}
            }
        }
        let original = original?.clone();
        let ask = Ends::of(&original);
        ask.datagram.then_some(Self { original, ask, answer: answer? })
    }

    fn is_of(&self, publications: &[&Publication]) -> bool {
        let translated = self.answer.from != self.ask.to;
        // What containers ask of other hosts has another source there.
        let hidden = self.answer.to != self.ask.from;
        (translated || !hidden)
            && publications.iter().any(|published| {
                let same_family =
                    self.ask.to.0.is_some_and(|to| to.is_ipv4() == published.host.is_ipv4());
                published.host_port == self.ask.to.1
                    && same_family
                    && (published.host.is_unspecified() || self.ask.to.0 == Some(published.host))
            })
    }

    fn remove(&self, socket: &mut Netlink) -> Result<(), NetworkError> {
        let tuple = vec![ConntrackAttribute::CtaTupleOrig(self.original.clone())];
        let what = format!("forget a flow of port {}", self.ask.to.1);
        let family = match self.ask.to.0 {
            Some(IpAddr::V6(_)) => NetfilterProtoFamily::IPv6,
            _ => NetfilterProtoFamily::IPv4,
        };
        let message = ConntrackMessage::Delete(tuple);
        match socket.execute(vec![request(&what, NLM_F_ACK, family, message)]) {
            // It ended meanwhile.
            Err(error) if error.errno() == Some(libc::ENOENT) => Ok(()),
            other => other,
        }
    }
}

fn request(
    what: &str,
    flags: u16,
    family: NetfilterProtoFamily,
    message: ConntrackMessage,
) -> Request<NetfilterMessage> {
    let header = NetfilterHeader::new(family, 0, 0);
    Request::new(what, flags, NetfilterMessage::new(header, message))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
    const CONTAINER: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 2);

    fn tuple(transport: Transport, from: (Ipv4Addr, u16), to: (Ipv4Addr, u16)) -> Vec<Tuple> {
        vec![
            Tuple::Ip(vec![
                IPTuple::SourceAddress(from.0.into()),
                IPTuple::DestinationAddress(to.0.into()),
            ]),
            Tuple::Proto(vec![
                ProtoTuple::Protocol(transport),
                ProtoTuple::SourcePort(from.1),
                ProtoTuple::DestinationPort(to.1),
            ]),
        ]
    }

    /// A flow from the client to port 53, answered from and to these places.
    fn flow(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16)) -> Flow {
        Flow::parse(&[
            ConntrackAttribute::CtaTupleOrig(tuple(Transport::Udp, (CLIENT, 9999), (HERE, 53))),
            ConntrackAttribute::CtaTupleReply(tuple(Transport::Udp, from, to)),
        ])
        .expect("a flow")
    }

    #[test]
    fn flows_belong_to_the_ports_that_they_asked_for() {
        let port = |host, host_port| Publication {
            protocol: Protocol::Udp,
            host: IpAddr::V4(host),
            host_port,
            address: CONTAINER.into(),
            port: 5353,
        };
        let plain = flow((HERE, 53), (CLIENT, 9999));
        let translated = flow((Ipv4Addr::new(172, 17, 0, 9), 1), (CLIENT, 9999));
        for flow in [&plain, &translated] {
            assert!(flow.is_of(&[&port(Ipv4Addr::UNSPECIFIED, 53)]));
            assert!(flow.is_of(&[&port(Ipv4Addr::LOCALHOST, 53), &port(HERE, 53)]));
            assert!(!flow.is_of(&[&port(Ipv4Addr::LOCALHOST, 53), &port(HERE, 54)]));
        }
        let hidden = flow((HERE, 53), (Ipv4Addr::new(192, 0, 2, 7), 9999));
        assert!(!hidden.is_of(&[&port(Ipv4Addr::UNSPECIFIED, 53)]));
        let stream = tuple(Transport::Tcp, (CLIENT, 9999), (HERE, 53));
        assert!(Flow::parse(&[ConntrackAttribute::CtaTupleOrig(stream)]).is_none());
    }
}
