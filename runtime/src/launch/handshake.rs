//! What monitor and init say to each other between `clone3` and `execve`, over a SEQPACKET pair.
//!
//! ```text
//! monitor ─ Mapped ─────────► init     with a user namespace only: init has ids
//! monitor ─ DevicesGiven ───► init     where interfaces of the host move to its network namespace: all are there
//! monitor ─ CgroupAttached ─► init     where init can not enter its groups itself: it is in them
//! monitor ◄─ HooksDue ─────── init     with hooks only: before the root is entered
//! monitor ─ HooksDone + fd ─► init     the state for init's own hooks, in a file
//! monitor ◄─ Terminal + fd ── init     with a tty only: the master of the pty that init opened
//! monitor ◄─ Ready ────────── init     all is done but the exec
//! monitor ─ Exec ───────────► init     the command line alone: between `create` and `start` init
//!                                      waits for it on a socket of the state directory
//!           (end of file: the exec has closed init's end, the program runs)
//! monitor ◄─ Listening ────── init     with a filter that notifies: it is loaded, its descriptor is to be taken
//! monitor ─ ListenerTaken ──► init
//! monitor ◄─ Failed ───────── init     at any point; init exits afterwards
//! ```
//!
//! One message is one packet of JSON; at most one descriptor comes with it.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::StepError;
use crate::timeline::Timeline;

/// Longest packet that is sent or accepted, in bytes.
pub const MESSAGE_MAX: usize = 8192;

/// Longest text of a [`StepError`] that is sent, in bytes; what is beyond is cut off.
const ERROR_TEXT_MAX: usize = 1200;

/// From the monitor to init.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToInit {
    /// The user namespace has its maps.
    Mapped,
    /// The host's interfaces are in the network namespace.
    DevicesGiven,
    /// Init was moved to its control groups.
    CgroupAttached,
    /// The hooks of the host's side are done. The packet carries a file with the container's state.
    HooksDone,
    /// Run the program.
    Exec,
    /// The listener's descriptor is taken.
    ListenerTaken,
}

/// From init to the monitor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromInit {
    /// Namespaces and mounts are made, the root is not yet entered: time for hooks.
    HooksDue,
    /// The packet carries the master of the container's terminal.
    Terminal,
    /// Everything but the exec is done; when what was.
    Ready(Timeline),
    /// The filter is loaded; the number of the descriptor by which notified calls are answered. Init waits until it is
    /// taken. Like the answer, by plain calls.
    Listening(i32),
    /// A step failed; init exits.
    Failed(StepError),
}

/// Why a message could not be sent or received.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    #[error("{call} on the handshake socket: {errno}")]
    Call { call: &'static str, errno: Errno },
    #[error("handshake message is not understood: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("handshake message is longer than {MESSAGE_MAX} bytes")]
    TooLong,
}

/// A connected pair of close-on-exec SEQPACKET sockets: (monitor's end, init's end).
pub fn pair() -> Result<(OwnedFd, OwnedFd), HandshakeError> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(|errno| HandshakeError::Call { call: "socketpair", errno })
}

/// Sends one message, with a descriptor if one is given. That the other end is closed is no failure
/// here: what it said before it went, or its silence, is what [`receive`] finds.
pub fn send<M: Serialize>(
    socket: impl AsFd,
    message: &M,
    descriptor: Option<BorrowedFd<'_>>,
) -> Result<(), HandshakeError> {
    let packet = serde_json::to_vec(message)?;
    if packet.len() > MESSAGE_MAX {
        return Err(HandshakeError::TooLong);
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let rights = descriptor.as_slice();
    if !rights.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(rights));
    }
    let sent = rustix::io::retry_on_intr(|| {
        sendmsg(&socket, &[IoSlice::new(&packet)], &mut ancillary, SendFlags::NOSIGNAL)
    });
    match sent {
        Ok(_) | Err(Errno::PIPE | Errno::CONNRESET) => Ok(()),
        Err(errno) => Err(HandshakeError::Call { call: "sendmsg", errno }),
    }
}

/// Receives one message and the descriptor that came with it; `None` when the other end is closed.
pub fn receive<M: DeserializeOwned>(
    socket: impl AsFd,
) -> Result<Option<(M, Option<OwnedFd>)>, HandshakeError> {
    let mut packet = [0_u8; MESSAGE_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut attempt = || {
        let mut parts = [IoSliceMut::new(&mut packet)];
        recvmsg(&socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
    };
    let received = loop {
        match attempt() {
            Err(Errno::INTR) => {}
            // Told once where the other end was closed without having read all: what it sent before
            // is still to come; unix(7).
            Err(Errno::CONNRESET) => break attempt(),
            result => break result,
        }
    }
    .map_err(|errno| HandshakeError::Call { call: "recvmsg", errno })?;
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut descriptor = None;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptor = rights.last().or(descriptor);
        }
    }
    let message = serde_json::from_slice(&packet[..received.bytes])?;
    Ok(Some((message, descriptor)))
}

/// Reports a failed start, as [`write`] does.
pub fn report(socket: impl AsFd, error: StepError) -> Result<(), HandshakeError> {
    write(socket, &failure(error))
}

/// Sends by a plain `write`, which a filter that is already loaded lets through where it may not let `sendmsg`.
pub fn write(socket: impl AsFd, message: &FromInit) -> Result<(), HandshakeError> {
    let packet = serde_json::to_vec(message)?;
    rustix::io::retry_on_intr(|| rustix::io::write(&socket, &packet))
        .map_err(|errno| HandshakeError::Call { call: "write", errno })?;
    Ok(())
}

/// Waits by a plain `read` for the word that the listener is taken.
pub fn read_taken(socket: impl AsFd) -> Result<bool, HandshakeError> {
    let mut packet = [0_u8; MESSAGE_MAX];
    let length = rustix::io::retry_on_intr(|| rustix::io::read(&socket, &mut packet))
        .map_err(|errno| HandshakeError::Call { call: "read", errno })?;
    Ok(length > 0 && serde_json::from_slice::<ToInit>(&packet[..length])? == ToInit::ListenerTaken)
}

/// The message that reports `error`, with its texts cut so that it fits a packet.
fn failure(mut error: StepError) -> FromInit {
    for text in [&mut error.step, &mut error.call] {
        let mut end = text.len().min(ERROR_TEXT_MAX / 2);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    FromInit::Failed(error)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::error::StepErrorKind;

    #[test]
    fn messages_and_descriptors_pass() {
        let (monitor, init) = pair().unwrap();
        send(&monitor, &ToInit::CgroupAttached, None).unwrap();
        let (message, none) = receive::<ToInit>(&init).unwrap().unwrap();
        assert_eq!((message, none.is_none()), (ToInit::CgroupAttached, true));

        send(&init, &FromInit::Terminal, Some(init.as_fd())).unwrap();
        let (message, descriptor) = receive::<FromInit>(&monitor).unwrap().unwrap();
        assert_eq!(message, FromInit::Terminal);
        let descriptor = descriptor.unwrap();
        assert!(descriptor.as_raw_fd() > 2);
        drop(descriptor);

        drop(init);
        assert!(receive::<FromInit>(&monitor).unwrap().is_none());
    }

    #[test]
    fn the_last_words_of_an_end_that_did_not_listen() {
        let (monitor, init) = pair().unwrap();
        send(&monitor, &ToInit::CgroupAttached, None).unwrap();
        let error = StepError::refused("step", "why", StepErrorKind::Other);
        report(&init, error.clone()).unwrap();
        drop(init);
        send(&monitor, &ToInit::Exec, None).unwrap();
        assert_eq!(receive::<FromInit>(&monitor).unwrap().unwrap().0, FromInit::Failed(error));
        assert!(receive::<FromInit>(&monitor).unwrap().is_none());
    }

    #[test]
    fn long_errors_are_cut() {
        let (monitor, init) = pair().unwrap();
        let error = StepError::refused("x", "\u{1}é".repeat(4000), StepErrorKind::Other);
        report(&init, error).unwrap();
        assert!(matches!(receive(&monitor).unwrap(), Some((FromInit::Failed(_), None))));
    }
}
