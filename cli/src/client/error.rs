//! What can go wrong between client and daemon.

use api_spec::error::ErrorBody;
use http::StatusCode;
use hyper_util::client::legacy;

use super::Host;

/// A request that was not answered as hoped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("Cannot connect to the daemon at {host}. Is jockerd running?")]
    Connect { host: Host, source: legacy::Error },
    #[error("Error response from daemon: {message}")]
    Refused { status: StatusCode, message: String },
    #[error("{path}: error during connect: {source}")]
    Send { path: String, source: legacy::Error },
    #[error("{path}: {source}")]
    Request { path: String, source: http::Error },
    #[error("{path}: connection broke: {source}")]
    Body { path: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("{path}: not the JSON that was expected: {source}")]
    Json { path: String, source: serde_json::Error },
    #[error("{path}: unable to upgrade to tcp, received {status}")]
    NotUpgraded { path: String, status: StatusCode },
    #[error("invalid host {0:?}: only unix:// sockets are supported")]
    Host(String),
}

impl ClientError {
    /// The error of an answer with its body, which is `{"message":"…"}` or plain text.
    pub(super) fn refused(status: StatusCode, body: &[u8]) -> Self {
        let message = match serde_json::from_slice::<ErrorBody>(body) {
            Ok(body) => body.message,
            Err(_) => String::from_utf8_lossy(body).trim().to_owned(),
        };
        Self::Refused { status, message }
    }

    /// Whether the daemon answered that there is no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: StatusCode::NOT_FOUND, .. })
    }
}
