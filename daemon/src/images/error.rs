//! Why the image service says no, in dockerd's words, and with which status.

use axum::http::StatusCode;
use store::archive::{LoadError, SaveError};
use store::fetch::FetchError;
use store::image::{DeriveError, ImageError, ResolveError};
use store::pull::{Platform, PullError, PullErrorKind};
use store::push::PushError;
use store::reference::{Reference, ReferenceError};
use store::registry::RegistryError;

use crate::{containers, http};

/// Hexadecimal digits of a whole image id.
const ID_DIGITS: usize = 64;

/// Why the image service says no.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("No such image: {0}")]
    NoSuchImage(String),
    /// The request says something that cannot be.
    #[error("{0}")]
    Invalid(String),
    /// The image is there, for another platform.
    #[error("{0}")]
    WrongPlatform(String),
    /// Nothing of what is to be saved is for this platform.
    #[error("no suitable export target found for platform {0}")]
    NoExport(Platform),
    /// A filter's pattern is cut off.
    #[error("syntax error in pattern")]
    Pattern,
    /// The name is nobody's to use.
    #[error("'{0}' is a reserved name")]
    Reserved(&'static str),
    /// The image is in use.
    #[error("{0}")]
    Conflict(String),
    #[error(transparent)]
    Pull(#[from] PullError),
    /// The repository has no tag here.
    #[error("An image does not exist locally with the tag: {0}")]
    NothingToPush(String),
    #[error("tag does not exist: {0}")]
    NoSuchTag(String),
    #[error(transparent)]
    Push(Box<PushError>),
    /// A registry does not say what it has.
    #[error(transparent)]
    Distribution(Box<PullError>),
    #[error(transparent)]
    Save(Box<SaveError>),
    #[error(transparent)]
    Load(Box<LoadError>),
    /// An image of a container or an archive.
    #[error(transparent)]
    Derive(Box<DeriveError>),
    /// The archive of an import does not come.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A registry's search.
    #[error(transparent)]
    Search(Box<RegistryError>),
    /// As the container service says.
    #[error("{0}")]
    Container(http::error::Error),
    #[error(transparent)]
    Store(#[from] ImageError),
    /// The daemon ends.
    #[error("the image service is stopping")]
    Stopped,
}

impl Error {
    /// An error of finding the image that `name` means.
    pub(super) fn resolve(name: &str, error: ResolveError) -> Self {
        match error {
            ResolveError::NotFound(_) | ResolveError::Ambiguous(_) => {
                Self::NoSuchImage(shown(name))
            }
            ResolveError::Invalid { source, .. } => Self::from(source),
            ResolveError::Image(error) => Self::Store(error),
        }
    }

    pub(super) fn container(error: containers::Error) -> Self {
        Self::Container(error.into())
    }

    fn status(&self) -> StatusCode {
        if http::error::is_disk_full(self) {
            return StatusCode::INSUFFICIENT_STORAGE;
        }
        match self {
            Self::NoSuchImage(_)
            | Self::WrongPlatform(_)
            | Self::NoExport(_)
            | Self::Store(ImageError::NotFound(_)) => StatusCode::NOT_FOUND,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Reserved(_) => StatusCode::FORBIDDEN,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Pull(error) => pull_status(error.kind()),
            Self::NothingToPush(_) | Self::NoSuchTag(_) => StatusCode::NOT_FOUND,
            Self::Distribution(error) => distribution_status(error),
            Self::Fetch(error) if error.is_not_found() => StatusCode::NOT_FOUND,
            Self::Container(error) => error.status,
            Self::Push(_)
            | Self::Save(_)
            | Self::Load(_)
            | Self::Derive(_)
            | Self::Fetch(_)
            | Self::Search(_)
            | Self::Store(_)
            | Self::Pattern
            | Self::Stopped => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// dockerd answers 500 to nearly all that a registry says.
fn pull_status(kind: PullErrorKind) -> StatusCode {
    match kind {
        PullErrorKind::NotFound | PullErrorKind::UnsupportedPlatform => StatusCode::NOT_FOUND,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The registry's own status where it is one of these.
fn distribution_status(error: &PullError) -> StatusCode {
    match error {
        PullError::Registry(RegistryError::Api(error)) => match error.status {
            401 => StatusCode::UNAUTHORIZED,
            403 => StatusCode::FORBIDDEN,
            404 => StatusCode::NOT_FOUND,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        },
        PullError::Registry(RegistryError::NoCredentials { .. }) => StatusCode::UNAUTHORIZED,
        PullError::Manifest(_) => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<PushError> for Error {
    fn from(error: PushError) -> Self {
        Self::Push(Box::new(error))
    }
}

impl From<SaveError> for Error {
    fn from(error: SaveError) -> Self {
        Self::Save(Box::new(error))
    }
}

impl From<DeriveError> for Error {
    fn from(error: DeriveError) -> Self {
        Self::Derive(Box::new(error))
    }
}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Self {
        Self::Load(Box::new(error))
    }
}

impl From<ReferenceError> for Error {
    fn from(error: ReferenceError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<Error> for http::error::Error {
    fn from(error: Error) -> Self {
        Self::new(error.status(), error)
    }
}

/// A name as dockerd shows one that it does not find: with the tag that it means.
fn shown(name: &str) -> String {
    if name.len() == ID_DIGITS && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return format!("sha256:{name}");
    }
    match Reference::parse_normalized(name) {
        Ok(reference) if !name.starts_with("sha256:") => reference.familiar(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_with_their_tag() {
        assert_eq!(shown("nosuch"), "nosuch:latest");
        assert_eq!(shown("docker.io/library/a:1"), "a:1");
        assert_eq!(shown("sha256:abc"), "sha256:abc");
    }
}
