//! Who is at the other end, for the log. Whoever may connect is root on the machine in effect, so
//! it is worth knowing who did what.

use std::net::SocketAddr;

use tokio::net::UnixStream;

/// The process or the machine that connected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Peer {
    /// Of a process, as the kernel saw it when it connected (unix(7), `SO_PEERCRED`).
    pub(crate) uid: Option<u32>,
    pub(crate) pid: Option<i32>,
    /// Of a machine.
    pub(crate) address: Option<String>,
    /// `sha256:…` of the certificate that it showed.
    pub(crate) certificate: Option<String>,
}

impl Peer {
    /// Reads the credentials of a connection on a unix socket.
    pub(crate) fn of(socket: &UnixStream) -> Self {
        let credentials = socket.peer_cred().ok();
        Self {
            uid: credentials.map(|credentials| credentials.uid()),
            pid: credentials.and_then(|credentials| credentials.pid()),
            ..Self::default()
        }
    }

    /// A client on the network.
    pub(crate) fn remote(address: SocketAddr, certificate: Option<String>) -> Self {
        Self { address: Some(address.to_string()), certificate, ..Self::default() }
    }

    /// Whether it came over the network.
    pub(crate) fn is_remote(&self) -> bool {
        self.address.is_some()
    }
}
