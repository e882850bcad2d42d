//! Interfaces of the host that move into a container's network namespace, with their addresses; rtnetlink(7).
//!
//! The messages are put together here, field by field: to read all that the kernel may say of links and addresses takes
//! more code than all the rest of the command line that starts a container.

use std::convert::Infallible;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NetlinkDeserializable, NetlinkHeader,
    NetlinkSerializable,
};

use super::link;
use super::netlink::{Netlink, Request};
use super::{NetworkError, netns};

/// How many names of a template are tried.
const NUMBERS_MAX: u32 = 1024;

/// `struct ifaddrmsg`: family, prefix, flags, scope, and the interface's index.
const ADDRESS_HEADER: usize = 8;

/// `IFA_F_NODAD` and `IFA_F_PERMANENT`.
const NO_DETECTION: u8 = 0x02;
const PERMANENT: u8 = 0x80;

/// A message of rtnetlink as the kernel has it: a header of its kind, and attributes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    kind: u16,
    bytes: Vec<u8>,
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        self.bytes.len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.bytes);
    }
}

impl NetlinkDeserializable for Message {
    type Error = Infallible;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, Infallible> {
        Ok(Self { kind: header.message_type, bytes: payload.to_vec() })
    }
}

impl Message {
    /// About the interface `index`, which becomes `up` or stays; `struct ifinfomsg`.
    fn of_link(index: u32, up: bool) -> Self {
        let flags = if up { libc::IFF_UP } else { 0 }.to_ne_bytes();
        let parts = [[0; 4], index.to_ne_bytes(), flags, flags];
        Self { kind: libc::RTM_SETLINK, bytes: parts.concat() }
    }

    fn with(mut self, attribute: u16, value: &[u8]) -> Self {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(attribute.to_ne_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// Kinds and values of the attributes behind a header of that length.
    fn attributes(&self, header: usize) -> Vec<(u16, &[u8])> {
        let (mut all, mut rest) = (Vec::new(), self.bytes.get(header..).unwrap_or_default());
        while let [a, b, c, d, ..] = *rest {
            let length = usize::from(u16::from_ne_bytes([a, b]));
            let Some(value) = rest.get(4..length) else { break };
            all.push((u16::from_ne_bytes([c, d]), value));
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        all
    }

    /// The same address for the interface `index`, if it is a permanent one of global scope of the interface `of`. One
    /// of IPv6 is usable at once: it was the host's.
    fn address_for(&self, of: u32, index: u32) -> Option<Self> {
        let &[family, prefix, flags, scope, a, b, c, d] = self.bytes.first_chunk()?;
        let global = scope == libc::RT_SCOPE_UNIVERSE && flags & PERMANENT != 0;
        if self.kind != libc::RTM_NEWADDR || u32::from_ne_bytes([a, b, c, d]) != of || !global {
            return None;
        }
        let flags = if i32::from(family) == libc::AF_INET6 { NO_DETECTION } else { 0 };
        let mut bytes = vec![family, prefix, flags, scope];
        bytes.extend(index.to_ne_bytes());
        let kept = [libc::IFA_ADDRESS, libc::IFA_LOCAL, libc::IFA_BROADCAST];
        let attributes = self.attributes(ADDRESS_HEADER).into_iter();
        let again = Self { kind: libc::RTM_NEWADDR, bytes };
        let attributes = attributes.filter(|(kind, _)| kept.contains(kind));
        Some(attributes.fold(again, |message, (kind, value)| message.with(kind, value)))
    }
}

/// Moves the interface `name` of the calling thread's network namespace into `netns`, where it is called `inside`
/// (`%d` in it stands for the first number that is free), and sets it up. What the kernel drops on the way is put
/// back: its permanent addresses of global scope; config-linux.md "Network Devices".
///
/// # Errors
/// There is no such interface, the name is taken, or the kernel does not let it go.
pub fn move_into(netns: BorrowedFd<'_>, name: &str, inside: &str) -> Result<(), NetworkError> {
    link::check_name(name)?;
    let missing = |name: &str| NetworkError::NoInterface { name: name.to_owned() };
    let mut host = netns::open_route_socket()?;
    let from = link::index_of(&host, name)?.ok_or_else(|| missing(name))?;
    let mut there = netns::route_socket(netns)?;
    let inside = free_name(&there, inside)?;
    let addresses = addresses(&mut host)?;
    let moved = Message::of_link(from, false)
        .with(libc::IFLA_IFNAME, &[inside.as_bytes(), b"\0"].concat())
        .with(libc::IFLA_NET_NS_FD, &netns.as_raw_fd().to_ne_bytes());
    let what = format!("move {name} into the container as {inside}");
    host.execute(vec![Request::new(what, NLM_F_ACK, moved)])?;
    let index = link::index_of(&there, &inside)?.ok_or_else(|| missing(&inside))?;
    let up = Message::of_link(index, true);
    there.execute(vec![Request::new(format!("set {inside} up"), NLM_F_ACK, up)])?;
    for address in addresses.iter().filter_map(|address| address.address_for(from, index)) {
        let flags = NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK;
        let what = format!("put an address of {inside} back");
        there.execute(vec![Request::new(what, flags, address)])?;
    }
    Ok(())
}

/// The name itself, or the first that is free of those that a template stands for.
fn free_name(there: &Netlink, inside: &str) -> Result<String, NetworkError> {
    if !inside.contains("%d") {
        link::check_name(inside)?;
        return Ok(inside.to_owned());
    }
    for number in 0..NUMBERS_MAX {
        let name = inside.replacen("%d", &number.to_string(), 1);
        link::check_name(&name)?;
        if link::index_of(there, &name)?.is_none() {
            return Ok(name);
        }
    }
    Err(NetworkError::InterfaceName { name: inside.to_owned() })
}

/// All addresses of the namespace.
fn addresses(host: &mut Netlink) -> Result<Vec<Message>, NetworkError> {
    let all = Message { kind: libc::RTM_GETADDR, bytes: vec![0; ADDRESS_HEADER] };
    let mut found = Vec::new();
    host.dump(Request::new("list addresses", 0, all), |address| found.push(address))?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_along() {
        let header = |scope: u8, flags: u8| {
            let bytes = [[2, 24, flags, scope], 7_u32.to_ne_bytes()].concat();
            Message { kind: libc::RTM_NEWADDR, bytes }
        };
        let whole = header(0, PERMANENT)
            .with(libc::IFA_ADDRESS, &[10, 0, 0, 1])
            .with(libc::IFA_LABEL, b"eth0\0")
            .with(libc::IFA_BROADCAST, &[10, 0, 0, 255]);
        let again = whole.address_for(7, 9).unwrap();
        assert_eq!(again.bytes[..8], [[2, 24, 0, 0], 9_u32.to_ne_bytes()].concat());
        let expected = [
            (libc::IFA_ADDRESS, [10, 0, 0, 1].as_slice()),
            (libc::IFA_BROADCAST, &[10, 0, 0, 255]),
        ];
        assert_eq!(again.attributes(ADDRESS_HEADER), expected);
        assert_eq!(whole.address_for(8, 9), None);
        assert_eq!(header(libc::RT_SCOPE_LINK, PERMANENT).address_for(7, 9), None);
        assert_eq!(header(0, 0).address_for(7, 9), None);
        assert_eq!(Message::default().address_for(0, 0), None);
    }
}
