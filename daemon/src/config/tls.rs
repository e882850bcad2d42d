//! Who may reach the API on TCP: nobody, unless the configuration says how they show who they are,
//! or says in so many words that they need not.

use std::path::PathBuf;

use crate::config::ConfigError;

const DEFAULT_AUTHORITY: &str = "/etc/jocker/ca.pem";
const DEFAULT_CERTIFICATE: &str = "/etc/jocker/cert.pem";
const DEFAULT_KEY: &str = "/etc/jocker/key.pem";

/// Files in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// `--tlscacert`: who certifies clients.
    pub(crate) authority: PathBuf,
    /// `--tlscert`: of this machine.
    pub(crate) certificate: PathBuf,
    /// `--tlskey`: of this machine.
    pub(crate) key: PathBuf,
}

/// What is asked of clients on TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Access {
    /// A certificate of the authority's.
    Certified(TlsFiles),
    /// Nothing; what they say is encrypted.
    Encrypted(TlsFiles),
    /// Nothing.
    Open,
}

/// The settings as they were given, `None` for those that were not.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) tls: Option<bool>,
    pub(super) verify: Option<bool>,
    pub(super) authority: Option<PathBuf>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

impl Settings {
    /// The access that they describe.
    ///
    /// # Errors
    /// When `listens_on_tcp` and nothing is said: whoever reached the port would be root here.
    pub(super) fn access(self, listens_on_tcp: bool) -> Result<Access, ConfigError> {
        let or = |path: Option<PathBuf>, default: &str| path.unwrap_or_else(|| default.into());
        let files = TlsFiles {
            authority: or(self.authority, DEFAULT_AUTHORITY),
            certificate: or(self.certificate, DEFAULT_CERTIFICATE),
            key: or(self.key, DEFAULT_KEY),
        };
        match (self.tls, self.verify) {
            (_, Some(true)) => Ok(Access::Certified(files)),
            (Some(true), Some(false)) => Ok(Access::Encrypted(files)),
            (Some(false), _) | (None, Some(false)) => Ok(Access::Open),
            (Some(true) | None, None) if !listens_on_tcp => Ok(Access::Open),
            (Some(true) | None, None) => Err(ConfigError::Invalid(
                "whoever reaches the API is root on this machine: to listen on tcp:// say \
                 --tlsverify, or --tlsverify=false to let everybody in"
                    .to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(tls: Option<bool>, verify: Option<bool>) -> Option<Access> {
        Settings { tls, verify, ..Settings::default() }.access(true).ok()
    }

    #[test]
    fn nobody_is_let_in_by_silence() {
        assert_eq!(access(None, None), None);
        assert_eq!(access(Some(true), None), None);
        assert!(Settings::default().access(false).is_ok());
        assert_eq!(access(Some(false), None), Some(Access::Open));
        assert_eq!(access(None, Some(false)), Some(Access::Open));
        assert!(matches!(access(None, Some(true)), Some(Access::Certified(_))));
        assert!(matches!(access(Some(false), Some(true)), Some(Access::Certified(_))));
        assert!(matches!(access(Some(true), Some(false)), Some(Access::Encrypted(_))));
    }
}
