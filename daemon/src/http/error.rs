//! The one error of the HTTP room: a status and Docker's `{"message"}`. Every service's error is
//! turned into it here or beside its service, never in a handler.

use std::fmt;

use api_spec::error::ErrorBody;
use api_spec::filters::FilterError;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::http::reply;

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Error {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

impl Error {
    pub(crate) fn new(status: StatusCode, message: impl fmt::Display) -> Self {
        Self { status, message: message.to_string() }
    }

    /// 400: the request itself is wrong.
    pub(crate) fn bad_request(message: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404: what the request names does not exist.
    pub(crate) fn not_found(message: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 500: the daemon failed.
    pub(crate) fn internal(message: impl fmt::Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// 501: Docker has it, Jocker not yet.
    pub(crate) fn not_implemented(message: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, message)
    }

    /// 404 of a path that no endpoint has.
    pub(crate) fn page_not_found() -> Self {
        Self::not_found("page not found")
    }
}

/// Whether what failed, or what lies behind it, is a disk without room.
pub(crate) fn is_disk_full(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        matches!(kind, Some(std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded))
    })
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        reply::json(self.status, &ErrorBody { message: self.message })
    }
}

impl From<FilterError> for Error {
    fn from(error: FilterError) -> Self {
        Self::bad_request(error)
    }
}

impl From<store::RecordError> for Error {
    fn from(error: store::RecordError) -> Self {
        Self::internal(error)
    }
}
