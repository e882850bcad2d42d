//! Where the daemon listens.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// Longest path of a unix socket, in bytes (unix(7): `sun_path` with its final zero byte is 108).
const MAX_SOCKET_PATH_BYTES: usize = 107;

/// One `-H`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// A socket that the daemon makes.
    Unix(PathBuf),
    /// An address and a port.
    Tcp(String),
    /// The sockets that systemd passed (sd_listen_fds(3)).
    Activated,
}

impl Host {
    /// Reads `unix://PATH`, `fd://` or `tcp://ADDRESS:PORT`.
    ///
    /// # Errors
    /// A text that says which part is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (protocol, address) = match text.split_once("://") {
            Some(parts) => parts,
            None if text.starts_with('/') => ("unix", text),
            None => ("tcp", text),
        };
        match protocol {
            "unix" if address.is_empty() => Ok(Self::Unix(PathBuf::from(DEFAULT_SOCKET))),
            "unix" if !address.starts_with('/') => {
                Err(format!("invalid bind address ({text}): the socket's path must be absolute"))
            }
            "unix" if address.len() > MAX_SOCKET_PATH_BYTES => Err(format!(
                "invalid bind address ({text}): the socket's path is longer than \
                             {MAX_SOCKET_PATH_BYTES} bytes"
            )),
            "unix" => Ok(Self::Unix(PathBuf::from(address))),
            "fd" => Ok(Self::Activated),
            "tcp" => tcp(address.trim_end_matches('/'))
                .map(Self::Tcp)
                .ok_or_else(|| format!("invalid bind address ({text}): no ADDRESS:PORT")),
            other => Err(format!("invalid bind address ({text}): unsupported proto '{other}'")),
        }
    }
}

/// `ADDRESS:PORT` with a port of its own; without an address it is that of loopback.
fn tcp(address: &str) -> Option<String> {
    let (host, port) = address.rsplit_once(':')?;
    let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
    let bare = host.trim_matches(['[', ']']);
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    match host {
        "" => Some(format!("127.0.0.1:{port}")),
        _ if bare.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()) => {
            Some(format!("[{bare}]:{port}"))
        }
        _ => host.bytes().all(named).then(|| format!("{host}:{port}")),
    }
}

/// Where the daemon listens unless told otherwise.
pub(crate) const DEFAULT_SOCKET: &str = "/var/run/jocker.sock";

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Activated => f.write_str("fd://"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read() {
        assert_eq!(Host::parse("unix:///a/b"), Ok(Host::Unix("/a/b".into())));
        assert_eq!(Host::parse("unix://"), Ok(Host::Unix(DEFAULT_SOCKET.into())));
        assert_eq!(Host::parse("fd://"), Ok(Host::Activated));
        let text = Host::parse("foo://x").unwrap_err();
        assert_eq!(text, "invalid bind address (foo://x): unsupported proto 'foo'");
        let tcp = |text: &str| Host::parse(text).map(|host| host.to_string()).ok();
        assert_eq!(tcp("tcp://0.0.0.0:2376"), Some("tcp://0.0.0.0:2376".to_owned()));
        assert_eq!(tcp("tcp://:2376"), Some("tcp://127.0.0.1:2376".to_owned()));
        assert_eq!(tcp("tcp://[::1]:2376"), Some("tcp://[::1]:2376".to_owned()));
        for bad in ["tcp://", "tcp://a", "tcp://a:0", "tcp://a b:1", "tcp://::1:x"] {
            assert_eq!(tcp(bad), None, "{bad}");
        }
        assert!(Host::parse("unix://a").is_err());
        assert!(Host::parse(&format!("unix:///{}", "a".repeat(107))).is_err());
    }
}
