//! Who is at the other end of the socket, for the log. Whoever may connect is root on the machine
//! in effect, so it is worth knowing who did what.

use tokio::net::UnixStream;

/// The process that connected, as the kernel saw it then (unix(7), `SO_PEERCRED`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) uid: u32,
    pub(crate) pid: i32,
}

impl Peer {
    /// Reads the credentials of a connection. Unknown ones are -1.
    pub(crate) fn of(socket: &UnixStream) -> Self {
        match socket.peer_cred() {
            Ok(credentials) => {
                Self { uid: credentials.uid(), pid: credentials.pid().unwrap_or(-1) }
            }
            Err(_) => Self { uid: u32::MAX, pid: -1 },
        }
    }
}
