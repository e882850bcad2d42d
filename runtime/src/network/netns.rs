//! Network namespaces that are held by a descriptor alone: nothing is mounted, so nothing is left
//! behind when the last holder ends.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use netlink_packet_core::NLM_F_ACK;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::sched::{CloneFlags, setns, unshare};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use super::netlink::Netlink;
use super::{NetworkError, fault, link};

/// The calling thread's network namespace.
const OWN: &str = "/proc/thread-self/ns/net";
/// `lo` is the first interface of every namespace (`LOOPBACK_IFINDEX`, linux/net.h).
const LOOPBACK_INDEX: u32 = 1;

/// Makes a network namespace with `lo` up and IPv6 off on every interface but `lo`, as Docker
/// leaves it for networks that have no IPv6 (so no link-local address bypasses the network's
/// rules).
///
/// # Errors
/// Fails without `CAP_SYS_ADMIN`, or when the kernel is out of memory or namespaces.
pub fn create_netns() -> Result<OwnedFd, NetworkError> {
    fault::check("unshare(CLONE_NEWNET)")?;
    let away = Away::open()?;
    away.enter("unshare(CLONE_NEWNET)", || unshare(CloneFlags::CLONE_NEWNET))?;
    let made = prepare_own();
    away.come_back();
    let (netns, mut route) = made?;
    route.execute(vec![link::up("set lo up", LOOPBACK_INDEX, NLM_F_ACK)])?;
    Ok(netns)
}

/// Sets `lo` up in the calling thread's network namespace: with one ioctl, because every start of a bundle does it.
///
/// # Errors
/// Fails without `CAP_NET_ADMIN` there.
pub fn set_loopback_up() -> Result<(), NetworkError> {
    let failed =
        |call: &str, errno: Errno| NetworkError::Call { call: call.into(), source: errno.into() };
    // Any socket will do; this one needs no protocol.
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .map_err(|errno| failed("socket(AF_UNIX)", errno))?;
    crate::sys::socket::set_loopback_up(socket.as_fd())
        .map_err(|errno| failed("ioctl(SIOCSIFFLAGS, lo)", errno))
}

/// Lets an interface of the calling thread's network namespace have IPv6.
pub(super) fn switch_on_v6(interface: &str) -> Result<(), NetworkError> {
    super::sysctl::set(&format!("net/ipv6/conf/{interface}/disable_ipv6"), "0")
}

/// Opens the network namespace of the process `pid`.
///
/// # Errors
/// Fails when there is no such process.
pub fn netns_of(pid: u32) -> Result<OwnedFd, NetworkError> {
    open(&format!("/proc/{pid}/ns/net"))
}

/// Opens a route socket that belongs to `netns`.
pub(super) fn route_socket(netns: BorrowedFd<'_>) -> Result<Netlink, NetworkError> {
    within(netns, open_route_socket)
}

/// Does a few calls in another network namespace, such as opening sockets: these belong there from then on.
pub(super) fn within<T>(
    netns: BorrowedFd<'_>,
    calls: impl FnOnce() -> Result<T, NetworkError>,
) -> Result<T, NetworkError> {
    fault::check("setns(netns, CLONE_NEWNET)")?;
    let away = Away::open()?;
    away.enter("setns(netns, CLONE_NEWNET)", || setns(netns, CloneFlags::CLONE_NEWNET))?;
    let done = calls();
    away.come_back();
    done
}

/// Opens a route socket in the calling thread's network namespace.
pub(super) fn open_route_socket() -> Result<Netlink, NetworkError> {
    Netlink::open(NETLINK_ROUTE)
        .map_err(|source| NetworkError::Call { call: "socket(NETLINK_ROUTE)".into(), source })
}

/// Everything that must be done from inside the new namespace.
fn prepare_own() -> Result<(OwnedFd, Netlink), NetworkError> {
    let netns = open(OWN)?;
    // "all" also sets "default" and each interface there is; a kernel without IPv6 has no file.
    for (name, value) in [("all", "1"), ("lo", "0")] {
        let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
        match fs::write(&path, value) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(NetworkError::Call { call: format!("write({path}, {value})"), source });
            }
            _ => {}
        }
    }
    Ok((netns, open_route_socket()?))
}

fn open(path: &str) -> Result<OwnedFd, NetworkError> {
    File::open(path)
        .map(OwnedFd::from)
        .map_err(|source| NetworkError::Call { call: format!("open({path})"), source })
}

/// The way back of a thread that is about to leave its network namespace for a few calls. No code
/// of a container runs meanwhile; sockets opened there keep belonging to that namespace.
struct Away {
    home: OwnedFd,
}

impl Away {
    fn open() -> Result<Self, NetworkError> {
        Ok(Self { home: open(OWN)? })
    }

    fn enter(&self, call: &str, go: impl FnOnce() -> nix::Result<()>) -> Result<(), NetworkError> {
        go().map_err(|errno| NetworkError::Call { call: call.into(), source: errno.into() })
    }

    /// Ends the process when the way back is barred: a thread that serves other work in a
    /// container's network would be worse.
    fn come_back(self) {
        if setns(self.home.as_fd(), CloneFlags::CLONE_NEWNET).is_err() {
            std::process::abort();
        }
    }
}
