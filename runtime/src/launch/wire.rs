//! What daemon and launcher say to each other over their SEQPACKET pair. They are one binary: no
//! versions here.
//!
//! A request is one packet: a header, one byte for each client, and the [`super::LaunchRequest`] as JSON,
//! or, if that is too long for a packet, the descriptor of a memory file that holds it; with the descriptors
//! of listener, network namespace and target if the header says so, and of the clients. The answer is one
//! packet too: the monitor's pid, or a negative errno.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{Errno, Result, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use super::LaunchFds;
use crate::monitor::protocol::Role;

/// Longest request in JSON, in bytes.
pub(crate) const REQUEST_MAX: usize = 4 << 20;

/// Most clients of a request.
pub const CLIENTS_MAX: usize = 80;

/// Most descriptors of a request.
const DESCRIPTORS_MAX: usize = 4 + CLIENTS_MAX;

/// Longest request that is in the packet itself, in bytes: such packets always find room in a socket's buffer.
const INLINE_MAX: usize = 32 << 10;

/// Length of the fixed part of a request's packet in bytes.
const HEADER_BYTES: usize = 8;

/// Longest packet, in bytes.
const PACKET_MAX: usize = HEADER_BYTES + CLIENTS_MAX + INLINE_MAX;

/// Which descriptors come with a request; bits of the header's fifth byte.
const LISTENER: u8 = 1;
const NETNS: u8 = 2;
const TARGET: u8 = 4;
/// The request is in a memory file.
const MEMORY: u8 = 8;

/// What a client is; bits of its byte.
const CONTROL: u8 = 1;
const STDIN: u8 = 2;
const STDOUT: u8 = 4;
const STDERR: u8 = 8;

/// A request as the spare monitor received it: its JSON is unread.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) text: Text,
    pub(crate) fds: LaunchFds,
}

/// Where the JSON of a request is.
#[derive(Debug)]
pub(crate) enum Text {
    Here(Vec<u8>),
    /// In a memory file, so many bytes.
    There(OwnedFd, usize),
}

impl Text {
    /// For a request to be sent.
    pub(super) fn of(bytes: Vec<u8>) -> Result<Self> {
        match bytes.len() {
            0..=INLINE_MAX => Ok(Self::Here(bytes)),
            length => Ok(Self::There(memory(&bytes)?, length)),
        }
    }

    /// The whole of it.
    pub(crate) fn read(self) -> Result<Vec<u8>> {
        match self {
            Self::Here(bytes) => Ok(bytes),
            Self::There(memory, length) => {
                let mut bytes = vec![0; length];
                let read = rustix::io::pread(&memory, bytes.as_mut_slice(), 0)?;
                bytes.truncate(read);
                Ok(bytes)
            }
        }
    }

    fn memory(&self) -> Option<&OwnedFd> {
        match self {
            Self::Here(_) => None,
            Self::There(memory, _) => Some(memory),
        }
    }
}

/// A request's packet: the length of its JSON, what comes with it, its clients, and the JSON if there is room.
pub(super) fn packet(text: &Text, fds: &LaunchFds) -> Vec<u8> {
    let LaunchFds { listener, clients, netns, target } = fds;
    let (length, inline) = match text {
        Text::Here(bytes) => (bytes.len(), bytes.as_slice()),
        Text::There(_, length) => (*length, [].as_slice()),
    };
    let mut bytes = Vec::with_capacity(HEADER_BYTES + clients.len() + inline.len());
    bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes());
    let flag = |there: bool, flag: u8| if there { flag } else { 0 };
    let flags = flag(listener.is_some(), LISTENER)
        | flag(netns.is_some(), NETNS)
        | flag(target.is_some(), TARGET)
        | flag(text.memory().is_some(), MEMORY);
    // There are no more than CLIENTS_MAX.
    bytes.extend([flags, u8::try_from(clients.len()).unwrap_or(u8::MAX), 0, 0]);
    bytes.extend(clients.iter().map(|(role, _)| match *role {
        Role::Control => CONTROL,
        Role::Attach { stdin, stdout, stderr } => {
            flag(stdin, STDIN) | flag(stdout, STDOUT) | flag(stderr, STDERR)
        }
    }));
    bytes.extend(inline);
    bytes
}

/// The descriptors in the order in which they are sent.
pub(super) fn descriptors<'a>(text: &'a Text, fds: &'a LaunchFds) -> Vec<BorrowedFd<'a>> {
    let LaunchFds { listener, clients, netns, target } = fds;
    let optional = [text.memory(), listener.as_ref(), netns.as_ref(), target.as_ref()];
    let clients = clients.iter().map(|(_, socket)| socket);
    optional.into_iter().flatten().chain(clients).map(AsFd::as_fd).collect()
}

/// A connected pair of close-on-exec sockets.
pub(super) fn pair() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// A memory file that holds `bytes`.
fn memory(bytes: &[u8]) -> Result<OwnedFd> {
    if bytes.len() > REQUEST_MAX {
        return Err(Errno::TOOBIG);
    }
    let memory = memfd_create("launch", MemfdFlags::CLOEXEC)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = retry_on_intr(|| rustix::io::write(&memory, rest))?;
        rest = &rest[written..];
    }
    Ok(memory)
}

/// Sends one packet with descriptors.
pub(super) fn send(socket: impl AsFd, packet: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::INVAL);
    }
    retry_on_intr(|| {
        sendmsg(&socket, &[IoSlice::new(packet)], &mut ancillary, SendFlags::NOSIGNAL)
    })?;
    Ok(())
}

/// Receives one request; `None` at the end of file. An error of the inner kind concerns this
/// request alone.
pub(super) fn receive(socket: impl AsFd) -> Result<Option<Result<Received>>> {
    let mut bytes = vec![0; PACKET_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = retry_on_intr(|| {
        recvmsg(
            &socket,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )
    })?;
    let mut descriptors = Vec::with_capacity(DESCRIPTORS_MAX);
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    bytes.truncate(received.bytes);
    match received.bytes {
        0 => Ok(None),
        _ => Ok(Some(sort(bytes, descriptors))),
    }
}

/// Tells the descriptors of a request apart.
fn sort(mut packet: Vec<u8>, descriptors: Vec<OwnedFd>) -> Result<Received> {
    let (header, rest) = packet.split_at_checked(HEADER_BYTES).ok_or(Errno::BADMSG)?;
    let length = header.first_chunk().copied().map_or(u32::MAX, u32::from_ne_bytes);
    let length = usize::try_from(length).map_err(|_| Errno::TOOBIG)?;
    if length > REQUEST_MAX {
        return Err(Errno::TOOBIG);
    }
    let (flags, clients) = (header[4], usize::from(header[5]));
    let (roles, inline) = rest.split_at_checked(clients).ok_or(Errno::BADMSG)?;
    let mut descriptors = descriptors.into_iter();
    let mut next = || descriptors.next().ok_or(Errno::BADMSG);
    let mut optional = |flag| (flags & flag != 0).then(&mut next).transpose();
    let memory = optional(MEMORY)?;
    let (listener, netns, target) = (optional(LISTENER)?, optional(NETNS)?, optional(TARGET)?);
    let clients = roles.iter().map(|role| Ok((role_of(*role), next()?)));
    let clients = clients.collect::<Result<_>>()?;
    if descriptors.next().is_some() || inline.len() != memory.as_ref().map_or(length, |_| 0) {
        return Err(Errno::BADMSG);
    }
    let text = match memory {
        Some(memory) => Text::There(memory, length),
        None => Text::Here(packet.split_off(packet.len() - length)),
    };
    Ok(Received { text, fds: LaunchFds { listener, clients, netns, target } })
}

fn role_of(byte: u8) -> Role {
    if byte & CONTROL != 0 {
        return Role::Control;
    }
    let [stdin, stdout, stderr] = [STDIN, STDOUT, STDERR].map(|flag| byte & flag != 0);
    Role::Attach { stdin, stdout, stderr }
}

/// Sends the answer to a request.
pub(super) fn answer(socket: impl AsFd, answer: Result<i32>) -> Result<()> {
    let number = answer.unwrap_or_else(|errno| -errno.raw_os_error());
    send(socket, &number.to_ne_bytes(), &[])
}

/// Receives the answer to a request: a pid, or the error by which the launcher failed.
pub(super) fn receive_answer(socket: impl AsFd) -> Result<std::result::Result<i32, Errno>> {
    let mut bytes = [0; 4];
    let (received, _) =
        retry_on_intr(|| rustix::net::recv(&socket, &mut bytes, RecvFlags::empty()))?;
    if received != bytes.len() {
        return Err(Errno::PIPE);
    }
    let number = i32::from_ne_bytes(bytes);
    Ok(if number > 0 { Ok(number) } else { Err(Errno::from_raw_os_error(-number)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_pass() {
        let (ours, theirs) = pair().unwrap();
        let copy = || ours.try_clone().unwrap();
        let attach = Role::Attach { stdin: true, stdout: false, stderr: true };
        for length in [2, INLINE_MAX, INLINE_MAX + 1, REQUEST_MAX] {
            let text = Text::of(vec![b' '; length]).unwrap();
            let clients = vec![(Role::Control, copy()), (attach.clone(), copy())];
            let fds = LaunchFds { target: Some(copy()), clients, ..LaunchFds::default() };
            send(&ours, &packet(&text, &fds), &descriptors(&text, &fds)).unwrap();
            let received = receive(&theirs).unwrap().unwrap().unwrap();
            assert_eq!(received.text.read().unwrap(), vec![b' '; length]);
            let LaunchFds { listener, clients, netns, target } = received.fds;
            assert!(listener.is_none() && netns.is_none() && target.is_some());
            let roles: Vec<_> = clients.into_iter().map(|(role, _)| role).collect();
            assert_eq!(roles, [Role::Control, attach.clone()]);
        }
        assert!(matches!(Text::of(vec![0; REQUEST_MAX + 1]), Err(Errno::TOOBIG)));
        answer(&theirs, Ok(7)).unwrap();
        assert_eq!(receive_answer(&ours).unwrap(), Ok(7));
    }

    #[test]
    fn bad_requests_are_refused_one_by_one() {
        let (ours, theirs) = pair().unwrap();
        let none = LaunchFds::default;
        let refused = |packet: &[u8], count: usize| {
            send(&ours, packet, &vec![ours.as_fd(); count]).unwrap();
            assert!(receive(&theirs).unwrap().unwrap().is_err(), "{packet:?}, {count}");
        };
        let short = Text::of(b"{}".to_vec()).unwrap();
        let long = |length| Text::There(ours.try_clone().unwrap(), length);
        refused(b"abc", 0);
        refused(&packet(&short, &none()), 1);
        refused(&packet(&long(2), &none()), 0);
        refused(&packet(&long(2), &none()), 2);
        refused(&packet(&long(REQUEST_MAX + 1), &none()), 1);
        refused(&[packet(&short, &none()), vec![b' ']].concat(), 0);
        refused(&[packet(&long(2), &none()), vec![CONTROL]].concat(), 1);
        answer(&theirs, Err(Errno::AGAIN)).unwrap();
        assert_eq!(receive_answer(&ours).unwrap(), Err(Errno::AGAIN));
        drop(ours);
        assert!(receive(&theirs).unwrap().is_none());
    }
}
