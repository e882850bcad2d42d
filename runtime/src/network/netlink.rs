//! A blocking netlink socket for requests that the kernel answers at once, and nothing about what
//! the requests mean.
//!
//! The kernel works off every message of one `sendto` before the call returns (netlink(7)): several
//! messages in one send are one round trip, done in order. Only one of them need ask for an
//! acknowledgement: a failing one answers with its error all the same.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NetlinkDeserializable, NetlinkHeader,
    NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use netlink_sys::{Socket, SocketAddr};
use rustix::net::sockopt;

use super::{NetworkError, fault};

/// The longest message that is sent, in bytes. An attribute's length has 16 bits, so a message
/// below this limit can hold no attribute whose length wraps around.
const MESSAGE_LIMIT: usize = 16 * 1024;
/// Room for one datagram from the kernel, in bytes: dumps are cut into pieces of at most 32 KiB.
const RECEIVE_LIMIT: usize = 32 * 1024;
/// The most datagrams that one answer may have.
const DATAGRAM_LIMIT: usize = 4096;
/// Message types below this one steer the conversation (`NLMSG_MIN_TYPE`, netlink(7)).
const FIRST_OBJECT_TYPE: u16 = 0x10;
/// How long an answer may take. The kernel answers before `sendto` returns, so this only ends a
/// wait for an answer that was lost.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// One message of a batch: what it is for (for error texts), its `NLM_F_*` flags beyond
/// `NLM_F_REQUEST`, and itself.
pub(super) struct Request<T> {
    pub(super) what: String,
    pub(super) flags: u16,
    pub(super) message: T,
}

impl<T> Request<T> {
    pub(super) fn new(what: impl Into<String>, flags: u16, message: T) -> Self {
        Self { what: what.into(), flags, message }
    }
}

/// A netlink socket. It belongs to the network namespace in which it was opened, wherever the
/// thread that uses it goes.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// Opens a socket of `protocol` (`NETLINK_ROUTE`, `NETLINK_NETFILTER`) in the calling thread's
    /// network namespace.
    pub(super) fn open(protocol: isize) -> io::Result<Self> {
        let socket = Socket::new(protocol)?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(ANSWER_TIMEOUT))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// The descriptor, for ioctls that go to the socket's network namespace.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Joins a multicast group, to be told of changes.
    pub(super) fn subscribe(&mut self, group: u32) -> io::Result<()> {
        sockopt::set_socket_timeout(&self.socket, sockopt::Timeout::Recv, None)?;
        self.socket.bind_auto()?;
        self.socket.add_membership(group)
    }

    /// Waits for one notification without a limit of time and drops what it says.
    pub(super) fn wait(&self) -> io::Result<()> {
        let mut buffer = Vec::with_capacity(RECEIVE_LIMIT);
        match self.socket.recv(&mut buffer, 0) {
            // Notifications were lost: that too says that something changed.
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Drops the notifications that are there already.
    pub(super) fn drain(&self) {
        for _ in 0..DATAGRAM_LIMIT {
            let mut buffer = Vec::with_capacity(RECEIVE_LIMIT);
            match self.socket.recv(&mut buffer, libc::MSG_DONTWAIT) {
                Err(error) if error.raw_os_error() != Some(libc::ENOBUFS) => return,
                _ => {}
            }
        }
    }

    /// Sends all requests in one call and waits for the answer to the last one that asks for an
    /// acknowledgement (`NLM_F_ACK`); one of them must.
    ///
    /// # Errors
    /// The first error that the kernel reports, named after its request. Requests of the route
    /// family stand by themselves (those after a failing one are still tried); nf_tables batches
    /// apply whole or not at all.
    pub(super) fn execute<T>(&mut self, requests: Vec<Request<T>>) -> Result<(), NetworkError>
    where
        T: NetlinkSerializable + NetlinkDeserializable,
    {
        let mut bytes = Vec::new();
        let mut names = Vec::with_capacity(requests.len());
        let first = self.sequence + 1;
        let mut awaited = first;
        for request in requests {
            fault::check(&request.what)?;
            names.push(request.what.clone());
            let acknowledged = request.flags & NLM_F_ACK != 0;
            self.append(&mut bytes, request)?;
            if acknowledged {
                awaited = self.sequence;
            }
        }
        let all = names.join(", ");
        let failed = |source| NetworkError::Netlink { request: all.clone(), source };
        self.send(&bytes).map_err(failed)?;
        for _ in 0..DATAGRAM_LIMIT {
            for answer in self.receive::<T>().map_err(failed)? {
                let NetlinkPayload::Error(error) = answer.payload else { continue };
                let sequence = answer.header.sequence_number;
                if error.code.is_some() {
                    let name = sequence.checked_sub(first).and_then(|at| names.get(at as usize));
                    let request = name.unwrap_or(&all).clone();
                    return Err(NetworkError::Netlink { request, source: error.to_io() });
                }
                if sequence == awaited {
                    return Ok(());
                }
            }
        }
        Err(failed(io::ErrorKind::TimedOut.into()))
    }

    /// Sends one dump request and gives each object of the answer to `each`.
    pub(super) fn dump<T>(
        &mut self,
        mut request: Request<T>,
        mut each: impl FnMut(T),
    ) -> Result<(), NetworkError>
    where
        T: NetlinkSerializable + NetlinkDeserializable,
    {
        let what = request.what.clone();
        let failed = |source| NetworkError::Netlink { request: what.clone(), source };
        let mut bytes = Vec::new();
        request.flags |= NLM_F_DUMP;
        self.append(&mut bytes, request)?;
        self.send(&bytes).map_err(failed)?;
        for _ in 0..DATAGRAM_LIMIT {
            for answer in self.receive::<T>().map_err(failed)? {
                match answer.payload {
                    NetlinkPayload::InnerMessage(object) => each(object),
                    NetlinkPayload::Done(done) if done.code == 0 => return Ok(()),
                    NetlinkPayload::Done(done) => {
                        return Err(failed(io::Error::from_raw_os_error(done.code.abs())));
                    }
                    NetlinkPayload::Error(error) => return Err(failed(error.to_io())),
                    _ => {}
                }
            }
        }
        Err(failed(io::ErrorKind::TimedOut.into()))
    }

    /// Puts a request at the end of `bytes`, numbered and padded to four bytes.
    fn append<T>(&mut self, bytes: &mut Vec<u8>, request: Request<T>) -> Result<(), NetworkError>
    where
        T: NetlinkSerializable,
    {
        self.sequence += 1;
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | request.flags;
        header.sequence_number = self.sequence;
        let mut message =
            NetlinkMessage::new(header, NetlinkPayload::InnerMessage(request.message));
        message.finalize();
        let length = message.buffer_len();
        if length > MESSAGE_LIMIT {
            return Err(NetworkError::MessageTooLong { request: request.what, length });
        }
        let start = bytes.len();
        bytes.resize(start + length.next_multiple_of(4), 0);
        message.serialize(&mut bytes[start..start + length]);
        Ok(())
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let sent = self.socket.send_to(bytes, &SocketAddr::new(0, 0), 0)?;
        if sent == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// One datagram, taken apart.
    fn receive<T>(&self) -> io::Result<Vec<NetlinkMessage<T>>>
    where
        T: NetlinkDeserializable,
    {
        let mut buffer: Vec<u8> = Vec::with_capacity(RECEIVE_LIMIT);
        let (length, sender) = self.socket.recv_from(&mut buffer, libc::MSG_TRUNC)?;
        if length > buffer.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer was cut"));
        }
        // Port 0 is the kernel; other processes can send to this socket too.
        if sender.port_number() == 0 { split(&buffer) } else { Ok(Vec::new()) }
    }
}

/// Takes a datagram apart. Objects that cannot be understood (of a newer kernel) are left out;
/// acknowledgements, errors and ends must be understood.
fn split<T>(mut bytes: &[u8]) -> io::Result<Vec<NetlinkMessage<T>>>
where
    T: NetlinkDeserializable,
{
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let framed = NetlinkBuffer::new_checked(bytes).map_err(invalid)?;
        let length = framed.length() as usize;
        match NetlinkMessage::deserialize(&bytes[..length]) {
            Ok(message) => messages.push(message),
            Err(error) if framed.message_type() < FIRST_OBJECT_TYPE => return Err(invalid(error)),
            Err(error) => tracing::debug!(netlink.error = %error, "object left out"),
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(messages)
}

#[cfg(test)]
mod tests {
    use netlink_packet_netfilter::NetfilterMessage;
    use netlink_packet_route::RouteNetlinkMessage;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_frame_longer_than_the_datagram_is_refused() {
        let frame = [40u32.to_ne_bytes(), [2, 0, 0, 0], [0; 4], [0; 4]].concat();
        assert!(split::<RouteNetlinkMessage>(&frame).is_err());
        assert!(split::<RouteNetlinkMessage>(&frame[..7]).is_err());
    }

    #[test]
    fn an_object_of_an_unknown_kind_is_left_out() {
        let unknown = [20u32.to_ne_bytes(), [0xff, 0x7f, 0, 0], [0; 4], [0; 4], [9; 4]].concat();
        let done = [20u32.to_ne_bytes(), [3, 0, 0, 0], [0; 4], [0; 4], [0; 4]].concat();
        let messages = split::<RouteNetlinkMessage>(&[unknown, done].concat()).unwrap();
        assert!(matches!(messages[..], [NetlinkMessage { payload: NetlinkPayload::Done(_), .. }]));
    }

    #[test]
    fn an_overlong_message_is_not_sent() {
        let mut link = netlink_packet_route::link::LinkMessage::default();
        let name = "x".repeat(usize::from(u16::MAX) + 8);
        link.attributes.push(netlink_packet_route::link::LinkAttribute::IfName(name));
        let mut socket = Netlink::open(netlink_sys::protocols::NETLINK_ROUTE).unwrap();
        let request = Request::new("set", NLM_F_ACK, RouteNetlinkMessage::SetLink(link));
        let error = socket.execute(vec![request]).unwrap_err();
        assert!(matches!(error, NetworkError::MessageTooLong { .. }), "{error}");
    }

    proptest! {
        #[test]
        fn no_datagram_makes_it_panic(
            kind in 0u16..128,
            flags: u16,
            body in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let length = (16 + body.len()) as u32;
            let mut bytes = length.to_ne_bytes().to_vec();
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(flags.to_ne_bytes());
            bytes.extend([0; 8]);
            bytes.extend(&body);
            let _ = split::<RouteNetlinkMessage>(&bytes);
            let _ = split::<RouteNetlinkMessage>(&body);
            bytes[5] = 10;
            let _ = split::<NetfilterMessage>(&bytes);
        }
    }
}
