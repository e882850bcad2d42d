//! Where the daemon listens.

use std::fmt;
use std::path::PathBuf;

/// Longest path of a unix socket, in bytes (unix(7): `sun_path` with its final zero byte is 108).
const MAX_SOCKET_PATH_BYTES: usize = 107;

/// One `-H`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// A socket that the daemon makes.
    Unix(PathBuf),
    /// The sockets that systemd passed (sd_listen_fds(3)).
    Activated,
}

impl Host {
    /// Reads `unix://PATH` or `fd://`.
    ///
    /// # Errors
    /// A text that says which part is wrong; `tcp://` is refused because it would offer root on
    /// this machine to whoever reaches the port.
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
            "tcp" => Err(format!(
                "invalid bind address ({text}): tcp is not supported yet, listen on unix:// or fd://"
            )),
            other => Err(format!("invalid bind address ({text}): unsupported proto '{other}'")),
        }
    }
}

/// Where the daemon listens unless told otherwise.
pub(crate) const DEFAULT_SOCKET: &str = "/var/run/jocker.sock";

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
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
        assert!(Host::parse("tcp://0.0.0.0:2375").unwrap_err().contains("tcp is not supported"));
        assert!(Host::parse("unix://a").is_err());
        assert!(Host::parse(&format!("unix:///{}", "a".repeat(107))).is_err());
    }
}
