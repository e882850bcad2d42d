//! `certs.d` directories: extra authorities and client certificates of single registries.
//!
//! Layout as dockerd's: `<dir>/<host:port>/*.crt` are authorities, each `x.cert` is a client
//! certificate whose key is `x.key`.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use reqwest::{Certificate, Identity};

/// Largest certificate or key file that is read, in bytes.
const FILE_LIMIT: u64 = 1024 * 1024;

/// Why the certificates of a host are not usable.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    /// A file or directory can not be read.
    #[error("read {path:?}: {source}")]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not PEM of certificates or keys.
    #[error("{path:?} is not a usable certificate: {reason}")]
    Malformed {
        /// Which one.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A client certificate without a key, or the other way round.
    #[error("missing {missing:?} for {present:?}: CA certificates must use the extension .crt")]
    Unpaired {
        /// The file that should be there.
        missing: PathBuf,
        /// The file that is there.
        present: PathBuf,
    },
}

/// What a host's directory holds.
#[derive(Debug, Default)]
pub(crate) struct HostCerts {
    /// Trusted besides the system's.
    pub(crate) authorities: Vec<Certificate>,
    /// Shown to the registry when it asks; the first by name where there are several.
    pub(crate) identity: Option<Identity>,
}

impl HostCerts {
    /// Reads the first of the directories that has one for this host; none is no error.
    pub(crate) fn load(directories: &[PathBuf], authority: &str) -> Result<Self, CertsError> {
        let mut certs = Self::default();
        let Some(files) = directories.iter().find_map(|dir| list(&dir.join(authority))) else {
            return Ok(certs);
        };
        for path in files? {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => {
                    let found = Certificate::from_pem_bundle(&read(&path)?);
                    certs.authorities.extend(found.map_err(|error| malformed(&path, &error))?);
                }
                Some("cert") => {
                    let key = paired(&path, "key")?;
                    if certs.identity.is_none() {
                        certs.identity = Some(identity(&path, &key)?);
                    }
                }
                Some("key") => drop(paired(&path, "cert")?),
                _ => {}
            }
        }
        Ok(certs)
    }
}

/// The files of a directory, sorted; `None` if there is no such directory.
fn list(directory: &Path) -> Option<Result<Vec<PathBuf>, CertsError>> {
    let failed = |source| CertsError::Read { path: directory.to_owned(), source };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(Err(failed(error))),
    };
    let files: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    Some(files.map_err(failed).map(|mut files| {
        files.sort();
        files
    }))
}

fn read(path: &Path) -> Result<Vec<u8>, CertsError> {
    let failed = |source| CertsError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let mut file = fs::File::open(path).map_err(failed)?.take(FILE_LIMIT);
    file.read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn paired(present: &Path, extension: &str) -> Result<PathBuf, CertsError> {
    let missing = present.with_extension(extension);
    if missing.exists() {
        return Ok(missing);
    }
    Err(CertsError::Unpaired { missing, present: present.to_owned() })
}

fn identity(cert: &Path, key: &Path) -> Result<Identity, CertsError> {
    let mut pem = read(key)?;
    pem.push(b'\n');
    pem.extend(read(cert)?);
    Identity::from_pem(&pem).map_err(|error| malformed(cert, &error))
}

fn malformed(path: &Path, error: &reqwest::Error) -> CertsError {
    let reason = super::transport::root_cause(error);
    CertsError::Malformed { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpaired_and_malformed_files_are_named() {
        let root = tempfile::tempdir().expect("directory");
        let directories = [root.path().join("absent"), root.path().to_owned()];
        let host = root.path().join("reg.example:5000");
        fs::create_dir(&host).expect("host directory");
        let load = || HostCerts::load(&directories, "reg.example:5000");
        assert!(load().expect("empty").authorities.is_empty());
        fs::write(host.join("client.cert"), "x").expect("write");
        assert!(matches!(load(), Err(CertsError::Unpaired { .. })));
        fs::write(host.join("client.key"), "x").expect("write");
        assert!(matches!(load(), Err(CertsError::Malformed { .. })));
        assert!(HostCerts::load(&directories, "other").expect("none").identity.is_none());
    }
}
