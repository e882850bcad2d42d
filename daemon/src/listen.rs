//! The sockets that the daemon listens on: made here, or passed by systemd.

mod group;
pub(crate) mod tls;

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::config::host::Host;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;
const SOCKET_MODE: u32 = 0o660;
/// The group that may use the sockets unless the configuration names one.
const DEFAULT_GROUP: &str = "docker";

/// Why the daemon cannot listen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    #[error("listen on {}: another process answers there", .0.display())]
    InUse(PathBuf),
    #[error("listen on {}: the file is no socket", .0.display())]
    NoSocket(PathBuf),
    #[error("listen on {}: {call}: {source}", path.display())]
    Io { path: PathBuf, call: &'static str, source: io::Error },
    #[error("listen on tcp://{address}: {source}")]
    Tcp { address: String, source: io::Error },
    #[error("listen on fd://: no unix socket was passed by systemd")]
    NothingPassed,
    #[error("listen on fd://: {0}")]
    Passed(io::Error),
    #[error("group {0} does not exist")]
    NoGroup(String),
}

/// Listening sockets. Dropping them removes the files that this process made.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    listeners: Vec<UnixListener>,
    on_tcp: Vec<TcpListener>,
    made: Vec<Made>,
}

#[derive(Debug)]
struct Made {
    path: PathBuf,
    inode: u64,
}

impl Sockets {
    /// Opens every host's sockets. Called before threads are started: it reads the environment.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub(crate) fn open(hosts: &[Host], group: Option<&str>) -> Result<Self, ListenError> {
        let mut sockets = Self::default();
        let group = group_id(group)?;
        for host in hosts {
            match host {
                Host::Unix(path) => sockets.make(path, group)?,
                Host::Tcp(address) => sockets.on_tcp.push(bind(address)?),
                Host::Activated => sockets.listeners.extend(passed()?),
            }
        }
        Ok(sockets)
    }

    /// The sockets, once.
    pub(crate) fn take(&mut self) -> Vec<UnixListener> {
        std::mem::take(&mut self.listeners)
    }

    /// The sockets on TCP, once.
    pub(crate) fn take_tcp(&mut self) -> Vec<TcpListener> {
        std::mem::take(&mut self.on_tcp)
    }

    fn make(&mut self, path: &Path, group: Option<u32>) -> Result<(), ListenError> {
        let failed =
            |call| move |source: io::Error| ListenError::Io { path: path.to_owned(), call, source };
        clear(path)?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed("mkdir"))?;
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .map_err(|errno| failed("socket")(errno.into()))?;
        let address = SocketAddrUnix::new(path).map_err(|errno| failed("bind")(errno.into()))?;
        rustix::net::bind(&socket, &address).map_err(|errno| failed("bind")(errno.into()))?;
        // Nobody can connect before listen(2), so nobody sees the file's first mode.
        let inode = fs::symlink_metadata(path).map_err(failed("stat"))?.ino();
        self.made.push(Made { path: path.to_owned(), inode });
        fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))
            .map_err(failed("chmod"))?;
        chown(path, Some(0), group.or(Some(0))).map_err(failed("chown"))?;
        rustix::net::listen(&socket, BACKLOG).map_err(|errno| failed("listen")(errno.into()))?;
        self.listeners.push(socket.into());
        Ok(())
    }
}

fn bind(address: &str) -> Result<TcpListener, ListenError> {
    let failed = |source| ListenError::Tcp { address: address.to_owned(), source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

impl Drop for Sockets {
    fn drop(&mut self) {
        for made in &self.made {
            let still_ours = |metadata: fs::Metadata| metadata.ino() == made.inode;
            if fs::symlink_metadata(&made.path).is_ok_and(still_ours) {
                let _ = fs::remove_file(&made.path);
            }
        }
    }
}

/// Removes a socket that nobody answers on; refuses anything else that is in the way.
fn clear(path: &Path) -> Result<(), ListenError> {
    let failed =
        |call| move |source: io::Error| ListenError::Io { path: path.to_owned(), call, source };
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(ListenError::NoSocket(path.to_owned()));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("stat")(error)),
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(ListenError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "a stale socket is replaced");
            fs::remove_file(path).map_err(failed("unlink"))
        }
        Err(error) => Err(failed("connect")(error)),
    }
}

/// Every unix socket that systemd passed.
fn passed() -> Result<Vec<UnixListener>, ListenError> {
    let mut passed = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..passed.len() {
        let Some(listener) = passed.take_unix_listener(index).map_err(ListenError::Passed)? else {
            continue;
        };
        let close = rustix::io::FdFlags::CLOEXEC;
        rustix::io::fcntl_setfd(listener.as_fd(), close)
            .map_err(|errno| ListenError::Passed(errno.into()))?;
        listener.set_nonblocking(true).map_err(ListenError::Passed)?;
        listeners.push(listener);
    }
    if listeners.is_empty() { Err(ListenError::NothingPassed) } else { Ok(listeners) }
}

fn group_id(name: Option<&str>) -> Result<Option<u32>, ListenError> {
    let found = group::find(name.unwrap_or(DEFAULT_GROUP));
    match (name, found) {
        (Some(""), _) => Ok(None),
        (Some(name), None) => Err(ListenError::NoGroup(name.to_owned())),
        (_, found) => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.sock");
        let host = [Host::Unix(path.clone())];
        drop(UnixListener::bind(&path).unwrap());
        let sockets = Sockets::open(&host, Some("0")).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, SOCKET_MODE);
        let error = Sockets::open(&host, Some("0")).unwrap_err();
        assert!(matches!(error, ListenError::InUse(_)), "{error}");
        drop(sockets);
        assert!(!path.exists());
        fs::write(&path, "").unwrap();
        let error = Sockets::open(&host, Some("0")).unwrap_err();
        assert!(matches!(error, ListenError::NoSocket(_)), "{error}");
    }
}
