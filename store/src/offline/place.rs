//! Where an image is, in skopeo's words: `docker://name:tag`, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`,
//! `docker-archive:FILE[:name:tag]`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::OfflineError;
use crate::reference::{Reference, ReferenceError};

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A registry's repository; the name has a tag or a digest.
    Registry(Reference),
    /// A directory in the form of OCI's image layout, and the image's name there.
    Layout(PathBuf, Option<String>),
    /// A tar of such a directory, and the image's name there.
    OciArchive(PathBuf, Option<String>),
    /// What `docker save` writes, and the image's name there.
    DockerArchive(PathBuf, Option<String>),
}

/// Why a text names no place.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// No transport, or an unknown one.
    #[error(
        "{0:?} has no known transport: docker://NAME, oci:DIR[:TAG], oci-archive:FILE[:TAG] or \
         docker-archive:FILE[:NAME:TAG]"
    )]
    Transport(String),
    /// No path behind the transport.
    #[error("{0:?} names no path")]
    Empty(String),
    /// Not a reference.
    #[error("{name:?}: {source}")]
    Reference {
        /// The text.
        name: String,
        /// What is wrong with it.
        source: ReferenceError,
    },
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let unknown = || PlaceError::Transport(text.to_owned());
        let (transport, rest) = text.split_once(':').ok_or_else(unknown)?;
        if transport == "docker" {
            let name = rest.strip_prefix("//").ok_or_else(unknown)?;
            let parsed = Reference::parse_normalized(name);
            let name = name.to_owned();
            return parsed
                .map(Self::Registry)
                .map_err(|source| PlaceError::Reference { name, source });
        }
        // A path has no colon, a name may have some.
        let (path, name) = match rest.split_once(':') {
            Some((path, name)) => (path, Some(name.to_owned()).filter(|name| !name.is_empty())),
            None => (rest, None),
        };
        if path.is_empty() {
            return Err(PlaceError::Empty(text.to_owned()));
        }
        let path = PathBuf::from(path);
        match transport {
            "oci" => Ok(Self::Layout(path, name)),
            "oci-archive" => Ok(Self::OciArchive(path, name)),
            "docker-archive" => Ok(Self::DockerArchive(path, name)),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (transport, path, name) = match self {
            Self::Registry(reference) => return write!(f, "docker://{}", reference.familiar()),
            Self::Layout(path, name) => ("oci", path, name),
            Self::OciArchive(path, name) => ("oci-archive", path, name),
            Self::DockerArchive(path, name) => ("docker-archive", path, name),
        };
        write!(f, "{transport}:{}", path.display())?;
        name.as_ref().map_or(Ok(()), |name| write!(f, ":{name}"))
    }
}

impl Place {
    /// The directory beside what is written there.
    pub(super) fn directory(&self) -> Option<PathBuf> {
        match self {
            Self::Registry(_) => None,
            Self::Layout(path, _) | Self::OciArchive(path, _) | Self::DockerArchive(path, _) => {
                Some(parent(path))
            }
        }
    }

    /// An archive is not written over.
    pub(super) fn check_free(&self) -> Result<(), OfflineError> {
        match self {
            Self::OciArchive(path, _) | Self::DockerArchive(path, _)
                if path.symlink_metadata().is_ok() =>
            {
                Err(OfflineError::Exists(path.display().to_string()))
            }
            Self::Registry(reference) if reference.digest().is_some() => {
                Err(OfflineError::Untagged(self.to_string()))
            }
            _ => Ok(()),
        }
    }
}

/// The directory that a path is in.
pub(super) fn parent(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new(".")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_written() {
        for text in [
            "docker://busybox:latest",
            "docker://localhost:5000/a/b:1",
            "oci:/a/b",
            "oci:a:tag",
            "oci-archive:x.tar:v1",
            "docker-archive:x.tar:localhost:5000/a:1",
        ] {
            assert_eq!(text.parse::<Place>().expect(text).to_string(), text);
        }
        for text in ["busybox", "docker:busybox", "oci:", "oci::x", "dir:x", "docker://UPPER"] {
            text.parse::<Place>().expect_err(text);
        }
    }
}
