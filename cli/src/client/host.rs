//! Where the daemon listens.

use std::fmt;
use std::path::{Path, PathBuf};

use super::ClientError;

const DEFAULT: &str = "unix:///var/run/jocker.sock";
const SCHEME: &str = "unix://";

/// The unix socket of a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host(PathBuf);

impl Host {
    /// The first that is given and not empty: the flag, `JOCKER_HOST`, `DOCKER_HOST`, the default.
    ///
    /// # Errors
    /// [`ClientError::Host`] if it is not `unix://` and an absolute path.
    pub(crate) fn choose(
        flag: Option<String>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ClientError> {
        let given = [flag, environment("JOCKER_HOST"), environment("DOCKER_HOST")];
        let chosen = given.into_iter().flatten().find(|text| !text.is_empty());
        let chosen = chosen.unwrap_or_else(|| DEFAULT.to_owned());
        match chosen.strip_prefix(SCHEME) {
            Some(path) if path.starts_with('/') => Ok(Self(path.into())),
            _ => Err(ClientError::Host(chosen)),
        }
    }

    pub(super) fn socket(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.0.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_one_given_wins() {
        let environment = |name: &str| match name {
            "JOCKER_HOST" => Some(String::new()),
            _ => Some("unix:///d.sock".to_owned()),
        };
        let choose = |flag: Option<&str>| Host::choose(flag.map(str::to_owned), environment);
        assert_eq!(choose(None).unwrap().to_string(), "unix:///d.sock");
        assert_eq!(choose(Some("unix:///f")).unwrap().to_string(), "unix:///f");
        assert_eq!(Host::choose(None, |_| None).unwrap().to_string(), DEFAULT);
        for bad in ["tcp://127.0.0.1:2375", "unix://relative", "/var/run/x.sock"] {
            assert!(choose(Some(bad)).is_err(), "{bad}");
        }
    }
}
