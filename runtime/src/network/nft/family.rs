//! The two tables, of IPv4 and of IPv6: alike but for the addresses.

use std::net::IpAddr;

use netlink_packet_netfilter::NetfilterProtoFamily;
use netlink_packet_netfilter::nftables::Register;

use super::super::netlink::Request;
use super::message::Wrapped;

/// `NFT_PAYLOAD_NETWORK_HEADER`.
const NETWORK_HEADER: u32 = 1;

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// A part of a packet: which header, where in it, how long, in bytes.
pub(super) type Field = (u32, u32, u32);

impl Family {
    pub(super) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    pub(super) fn of_address(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Addresses messages to the table of the family.
    pub(super) fn table(
        self,
        requests: impl IntoIterator<Item = Request<Wrapped>>,
    ) -> Vec<Request<Wrapped>> {
        requests.into_iter().map(|request| self.one(request)).collect()
    }

    /// Addresses one message.
    pub(super) fn one(self, mut request: Request<Wrapped>) -> Request<Wrapped> {
        request.message.header.family = match self {
            Self::V4 => NetfilterProtoFamily::IPv4,
            Self::V6 => NetfilterProtoFamily::IPv6,
        };
        request
    }

    /// `NFPROTO_IPV4`, `NFPROTO_IPV6`
    pub(super) fn number(self) -> u32 {
        match self {
            Self::V4 => 2,
            Self::V6 => 10,
        }
    }

    /// The nft tool's number of the type of addresses.
    pub(super) fn address_type(self) -> u32 {
        match self {
            Self::V4 => 7,
            Self::V6 => 8,
        }
    }

    /// Length of an address, in bytes.
    pub(super) fn address_length(self) -> usize {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }

    /// RFC 791, section 3.1; RFC 8200, section 3.
    pub(super) fn source(self) -> Field {
        match self {
            Self::V4 => (NETWORK_HEADER, 12, 4),
            Self::V6 => (NETWORK_HEADER, 8, 16),
        }
    }

    /// See [`Self::source`].
    pub(super) fn destination(self) -> Field {
        match self {
            Self::V4 => (NETWORK_HEADER, 16, 4),
            Self::V6 => (NETWORK_HEADER, 24, 16),
        }
    }

    /// The register behind one with this address and a protocol before it, and the one behind that of an address that
    /// starts where a map's answer goes.
    pub(super) fn port_registers(self) -> (Register, Register) {
        match self {
            Self::V4 => (Register::Reg32_02, Register::Reg32_05),
            Self::V6 => (Register::Reg32_05, Register::Reg32_12),
        }
    }

    /// Where a map's answer goes: behind the longest key.
    pub(super) fn answer_register(self) -> (Register, Register) {
        match self {
            Self::V4 => (Register::Reg2, Register::Reg32_04),
            Self::V6 => (Register::Reg3, Register::Reg32_08),
        }
    }
}
