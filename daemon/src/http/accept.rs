//! From a listening socket to a connection that HTTP can be spoken on, and who is at its other end.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::http::limits::HANDSHAKE_TIMEOUT;
use crate::http::peer::Peer;
use crate::http::socket::Socket;

/// A listening socket.
pub(crate) enum Listener {
    Unix(UnixListener),
    /// With TLS, unless the configuration says that it is open to everybody.
    Tcp(TcpListener, Option<TlsAcceptor>),
}

/// A connection that was accepted and not yet spoken on.
pub(super) enum Incoming {
    Unix(UnixStream),
    Tcp(TcpStream, SocketAddr, Option<TlsAcceptor>),
}

impl Listener {
    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<Incoming> {
        match self {
            Self::Unix(listener) => {
                listener.accept().await.map(|(socket, _)| Incoming::Unix(socket))
            }
            Self::Tcp(listener, tls) => {
                let (socket, address) = listener.accept().await?;
                Ok(Incoming::Tcp(socket, address, tls.clone()))
            }
        }
    }
}

impl Incoming {
    /// The connection ready for requests; `None` when the client could not show who it is.
    pub(super) async fn open(self) -> Option<(Socket, Peer)> {
        let (socket, address, tls) = match self {
            Self::Unix(socket) => {
                let peer = Peer::of(&socket);
                return Some((Socket::Unix(socket), peer));
            }
            Self::Tcp(socket, address, tls) => (socket, address, tls),
        };
        prepare(&socket);
        let Some(tls) = tls else {
            return Some((Socket::Tcp(socket), Peer::remote(address, None)));
        };
        match timeout(HANDSHAKE_TIMEOUT, tls.accept(socket)).await {
            Ok(Ok(stream)) => {
                let shown = stream.get_ref().1.peer_certificates();
                let certificate = shown.and_then(|shown| shown.first());
                let name = certificate.map(|shown| store::Digest::of(shown).to_string());
                Some((Socket::Tls(Box::new(stream)), Peer::remote(address, name)))
            }
            Ok(Err(error)) => {
                tracing::warn!(peer.address = %address, %error, "a client was turned away");
                None
            }
            Err(_) => {
                tracing::warn!(peer.address = %address, "a client was too slow to show who it is");
                None
            }
        }
    }
}

/// Dead clients are noticed, and small answers sent at once. Failures make it slower, no worse.
fn prepare(socket: &TcpStream) {
    let _ = socket.set_nodelay(true);
    let _ = rustix::net::sockopt::set_socket_keepalive(socket, true);
}
