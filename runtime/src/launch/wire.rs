//! What daemon and launcher say to each other over their SEQPACKET pair. They are one binary: no
//! versions here.
//!
//! A request is one packet: [`Header`], with the descriptors of a memory file that holds the
//! [`super::LaunchRequest`] as JSON, of the monitor's listener, and of network namespace and target
//! if the header says so. The launcher reads the header only; the JSON is the monitor's. The answer
//! is one packet too: the monitor's pid, or a negative errno.

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

/// Longest request in JSON, in bytes.
pub(crate) const REQUEST_MAX: usize = 4 << 20;

/// Most descriptors of a request.
const DESCRIPTORS_MAX: usize = 4;

/// Length of a header in bytes.
const HEADER_BYTES: usize = 8;

/// A request's fixed part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Of the JSON, in bytes.
    length: u32,
    netns: bool,
    target: bool,
}

/// A request as the launcher received it: unread.
#[derive(Debug)]
pub(crate) struct Received {
    /// Holds the JSON.
    pub(crate) memory: OwnedFd,
    /// Of the JSON, in bytes.
    pub(crate) length: usize,
    pub(crate) fds: LaunchFds,
}

impl Header {
    pub(super) fn new(length: usize, netns: bool, target: bool) -> Self {
        Self { length: u32::try_from(length).unwrap_or(u32::MAX), netns, target }
    }

    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&self.length.to_ne_bytes());
        bytes[4] = self.netns.into();
        bytes[5] = self.target.into();
        bytes
    }

    fn from_bytes(bytes: [u8; HEADER_BYTES]) -> Self {
        let [a, b, c, d, netns, target, ..] = bytes;
        let length = u32::from_ne_bytes([a, b, c, d]);
        Self { length, netns: netns != 0, target: target != 0 }
    }
}

/// A connected pair of close-on-exec sockets.
pub(super) fn pair() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// A memory file that holds `bytes`.
pub(super) fn memory(bytes: &[u8]) -> Result<OwnedFd> {
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
    let mut bytes = [0; HEADER_BYTES];
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
    match received.bytes {
        0 => Ok(None),
        HEADER_BYTES => Ok(Some(sort(Header::from_bytes(bytes), descriptors))),
        _ => Ok(Some(Err(Errno::BADMSG))),
    }
}

/// Tells the descriptors of a request apart.
fn sort(header: Header, descriptors: Vec<OwnedFd>) -> Result<Received> {
    let expected = 2 + usize::from(header.netns) + usize::from(header.target);
    let length = usize::try_from(header.length).map_err(|_| Errno::TOOBIG)?;
    if descriptors.len() != expected {
        return Err(Errno::BADMSG);
    }
    if length > REQUEST_MAX {
        return Err(Errno::TOOBIG);
    }
    let mut descriptors = descriptors.into_iter();
    let mut next = || descriptors.next().ok_or(Errno::BADMSG);
    let (memory, listener) = (next()?, next()?);
    let netns = if header.netns { Some(next()?) } else { None };
    let target = if header.target { Some(next()?) } else { None };
    Ok(Received { memory, length, fds: LaunchFds { listener, netns, target } })
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
        let memory = memory(b"{}").unwrap();
        let header = Header::new(2, false, true);
        send(&ours, &header.to_bytes(), &[memory.as_fd(), memory.as_fd(), ours.as_fd()]).unwrap();
        let received = receive(&theirs).unwrap().unwrap().unwrap();
        assert_eq!(received.length, 2);
        assert!(received.fds.netns.is_none() && received.fds.target.is_some());
        answer(&theirs, Ok(7)).unwrap();
        assert_eq!(receive_answer(&ours).unwrap(), Ok(7));
    }

    #[test]
    fn bad_requests_are_refused_one_by_one() {
        let (ours, theirs) = pair().unwrap();
        send(&ours, b"abc", &[]).unwrap();
        assert!(receive(&theirs).unwrap().unwrap().is_err());
        send(&ours, &Header::new(2, true, true).to_bytes(), &[ours.as_fd()]).unwrap();
        assert!(receive(&theirs).unwrap().unwrap().is_err());
        send(&ours, &Header::new(REQUEST_MAX + 1, false, false).to_bytes(), &[ours.as_fd(); 2])
            .unwrap();
        assert!(receive(&theirs).unwrap().unwrap().is_err());
        answer(&theirs, Err(Errno::AGAIN)).unwrap();
        assert_eq!(receive_answer(&ours).unwrap(), Err(Errno::AGAIN));
        drop(ours);
        assert!(receive(&theirs).unwrap().is_none());
    }
}
