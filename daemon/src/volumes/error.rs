//! Why the volume service says no, in dockerd's words, and with which status.

use axum::http::StatusCode;

use crate::http;

/// Why the volume service says no.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Error {
    #[error("get {0}: no such volume")]
    NoVolume(String),
    #[error("create {name}: error looking up volume plugin {driver}: plugin {driver:?} not found")]
    NoDriver { name: String, driver: String },
    /// The request says something that cannot be.
    #[error("{0}")]
    Invalid(String),
    /// Docker has it, this daemon does not.
    #[error("create {name}: {what}")]
    Unsupported { name: String, what: String },
    #[error("remove {name}: volume is in use - [{}]", users.join(", "))]
    InUse { name: String, users: Vec<String> },
    /// The disk or the database.
    #[error("{0}")]
    Failed(String),
}

impl Error {
    pub(crate) fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoVolume(_) | Self::NoDriver { .. } => StatusCode::NOT_FOUND,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Unsupported { .. } => StatusCode::NOT_IMPLEMENTED,
            Self::InUse { .. } => StatusCode::CONFLICT,
            Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<store::RecordError> for Error {
    fn from(error: store::RecordError) -> Self {
        Self::failed(error)
    }
}

impl From<store::VolumeError> for Error {
    fn from(error: store::VolumeError) -> Self {
        Self::failed(error)
    }
}

impl From<Error> for http::error::Error {
    fn from(error: Error) -> Self {
        Self::new(error.status(), error)
    }
}
