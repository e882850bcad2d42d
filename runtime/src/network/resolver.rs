//! The sockets of a container's name server: bound inside the container's network, served from outside.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::BorrowedFd;

use super::publish::Protocol;
use super::{NetworkError, fault, netns, nft};

/// Where a container's `/etc/resolv.conf` says that its name server is.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
/// The port that its resolver library asks.
const DNS: u16 = 53;
/// Tried first, so that a later daemon listens where the last one did: connections that the kernel tracks lead there.
/// Another port is taken if a program of the container has this one.
const PREFERRED: u16 = 40_053;

/// Both sockets of a container's name server, not blocking.
#[derive(Debug)]
pub struct ResolverSockets {
    /// Single questions.
    pub udp: UdpSocket,
    /// Questions with long answers.
    pub tcp: TcpListener,
}

/// Opens the sockets in `netns` and leads questions for 127.0.0.11 to them. Port 53 itself stays the container's.
///
/// # Errors
/// The call or request that failed.
pub fn open_resolver(netns: BorrowedFd<'_>) -> Result<ResolverSockets, NetworkError> {
    let (sockets, mut rules) = netns::within(netns, || Ok((bind()?, nft::open()?)))?;
    let port = |address: io::Result<std::net::SocketAddr>| {
        let failed = |source| NetworkError::Call { call: "getsockname".into(), source };
        address.map(|address| address.port()).map_err(failed)
    };
    let ports = [
        (Protocol::Udp, port(sockets.udp.local_addr())?),
        (Protocol::Tcp, port(sockets.tcp.local_addr())?),
    ];
    nft::redirect(&mut rules, RESOLVER, DNS, &ports)?;
    Ok(sockets)
}

fn bind() -> Result<ResolverSockets, NetworkError> {
    fault::check(&format!("bind({RESOLVER})"))?;
    let at = |port| SocketAddrV4::new(RESOLVER, port);
    let udp = UdpSocket::bind(at(PREFERRED)).or_else(|_| UdpSocket::bind(at(0)));
    let tcp = TcpListener::bind(at(PREFERRED)).or_else(|_| TcpListener::bind(at(0)));
    let failed = |source| NetworkError::Call { call: format!("bind({RESOLVER})"), source };
    let sockets = ResolverSockets { udp: udp.map_err(failed)?, tcp: tcp.map_err(failed)? };
    let failed = |source| NetworkError::Call { call: "fcntl(O_NONBLOCK)".into(), source };
    sockets.udp.set_nonblocking(true).map_err(failed)?;
    sockets.tcp.set_nonblocking(true).map_err(failed)?;
    Ok(sockets)
}
