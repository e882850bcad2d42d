//! What can go wrong with a registry, and the error documents that registries send.
//!
//! Codes and texts: OCI distribution specification, "Error codes", and the Docker Registry HTTP
//! API V2; `code: message` is how dockerd shows them and what its clients match on.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use super::challenge::Challenge;
use crate::digest::Digest;

/// Longest text of a registry that is shown to users, in bytes.
const MESSAGE_LIMIT: usize = 1024;

/// A registry's error code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// No or wrong credentials.
    Unauthorized,
    /// The credentials do not allow it, or the repository does not exist.
    Denied,
    /// No such manifest.
    ManifestUnknown,
    /// No such repository.
    NameUnknown,
    /// No such blob.
    BlobUnknown,
    /// Too many requests for a time.
    TooManyRequests,
    /// Another one, as written by the registry.
    Other(String),
}

impl Code {
    fn parse(code: &str) -> Self {
        match code {
            "UNAUTHORIZED" => Self::Unauthorized,
            "DENIED" => Self::Denied,
            "MANIFEST_UNKNOWN" => Self::ManifestUnknown,
            "NAME_UNKNOWN" => Self::NameUnknown,
            "BLOB_UNKNOWN" => Self::BlobUnknown,
            "TOOMANYREQUESTS" => Self::TooManyRequests,
            other => Self::Other(clean(other)),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Unauthorized => "unauthorized".to_owned(),
            Self::Denied => "denied".to_owned(),
            Self::ManifestUnknown => "manifest unknown".to_owned(),
            Self::NameUnknown => "name unknown".to_owned(),
            Self::BlobUnknown => "blob unknown".to_owned(),
            Self::TooManyRequests => "toomanyrequests".to_owned(),
            Self::Other(code) => code.to_lowercase().replace('_', " "),
        }
    }

    fn default_message(&self) -> &'static str {
        match self {
            Self::Unauthorized => "authentication required",
            Self::Denied => "requested access to the resource is denied",
            Self::ManifestUnknown => "manifest unknown",
            Self::NameUnknown => "repository name not known to registry",
            Self::BlobUnknown => "blob unknown to registry",
            Self::TooManyRequests => "too many requests",
            Self::Other(_) => "unknown error",
        }
    }
}

/// An answer of a registry that says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The first error of the document, or what the status means.
    pub code: Code,
    /// The registry's words, cut at a limit and without control characters.
    pub message: String,
    /// How long the registry asks to wait.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.text(), self.message)
    }
}

impl std::error::Error for ApiError {}

#[derive(Deserialize)]
struct Document {
    errors: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    code: String,
    #[serde(default)]
    message: String,
}

impl ApiError {
    /// Reads the error of an answer: the challenge's words first, then the document's, then the
    /// status alone; `unknown` is what 404 means for the thing that was asked for.
    pub(crate) fn new(
        status: u16,
        challenges: &[Challenge],
        body: &[u8],
        unknown: Code,
        retry_after: Option<Duration>,
    ) -> Self {
        let from_challenge =
            challenges.iter().find_map(|challenge| match challenge.parameter("error") {
                Some("insufficient_scope") => Some((Code::Denied, String::new())),
                Some("invalid_token") => Some((Code::Unauthorized, String::new())),
                _ => None,
            });
        let from_body = || {
            let document: Document = serde_json::from_slice(body).ok()?;
            let entry = document.errors.into_iter().next()?;
            Some((Code::parse(&entry.code), clean(&entry.message)))
        };
        let from_status = || match status {
            401 => (Code::Unauthorized, String::new()),
            403 => (Code::Denied, String::new()),
            404 => (unknown, String::new()),
            429 => (Code::TooManyRequests, String::new()),
            _ => (Code::Other("unknown".to_owned()), format!("unexpected http status {status}")),
        };
        let (code, message) = from_challenge.or_else(from_body).unwrap_or_else(from_status);
        let message = if message.is_empty() { code.default_message().to_owned() } else { message };
        Self { status, code, message, retry_after }
    }

    pub(crate) fn set_message(&mut self, message: &str) {
        self.message = clean(message);
    }
}

/// The text without control characters, cut at [`MESSAGE_LIMIT`].
fn clean(text: &str) -> String {
    let mut clean: String = text.chars().filter(|c| !c.is_control()).collect();
    if clean.len() > MESSAGE_LIMIT {
        let end = (0..=MESSAGE_LIMIT).rev().find(|&end| clean.is_char_boundary(end)).unwrap_or(0);
        clean.truncate(end);
    }
    clean
}

/// Why a registry did not give what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The registry said no.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The registry wants a user name and a password, and there are none.
    #[error("Get \"{url}\": no basic auth credentials")]
    NoCredentials {
        /// What was asked for.
        url: String,
    },
    /// No answer, or one that broke off.
    #[error("{method} \"{url}\": {reason}")]
    Network {
        /// `Get`, `Head`, `Post`, `Put` or `Patch`.
        method: &'static str,
        /// What was asked for, without its query.
        url: String,
        /// The cause at the bottom.
        reason: String,
    },
    /// An answer that is longer than allowed.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// Of what it was the answer.
        what: String,
        /// In bytes.
        limit: u64,
    },
    /// An answer that is not what its digest says.
    #[error("{what}: expected {expected}, got {actual}")]
    DigestMismatch {
        /// Of what it was the answer.
        what: String,
        /// As asked for, or as told by the registry.
        expected: Digest,
        /// As computed.
        actual: Digest,
    },
    /// An answer that does not follow the protocol.
    #[error("{what}: {reason}")]
    Protocol {
        /// Of what it was the answer.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificates configured for the host can not be used.
    #[error(transparent)]
    Certificates(#[from] super::certs::CertsError),
}

impl RegistryError {
    pub(crate) fn protocol(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Protocol { what: what.into(), reason: clean(&reason.into()) }
    }

    /// Whether asking again after a while may help.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            Self::Api(error) => matches!(error.status, 408 | 429 | 500 | 502..=504),
            Self::Network { .. } => true,
            _ => false,
        }
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api(error) => error.retry_after,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, body: &str) -> ApiError {
        ApiError::new(status, &[], body.as_bytes(), Code::ManifestUnknown, None)
    }

    #[test]
    fn documents_become_dockers_words() {
        let body =
            r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{}}]}"#;
        assert_eq!(error(404, body).to_string(), "manifest unknown: manifest unknown");
        let body = r#"{"errors":[{"code":"SOME_THING","message":"x\u001b[31m"}]}"#;
        assert_eq!(error(400, body).to_string(), "some thing: x[31m");
        assert_eq!(error(404, "").to_string(), "manifest unknown: manifest unknown");
        assert_eq!(error(404, "<html>").code, Code::ManifestUnknown);
        assert_eq!(
            error(403, "{}").to_string(),
            "denied: requested access to the resource is denied"
        );
        assert_eq!(error(500, "").to_string(), "unknown: unexpected http status 500");
    }

    #[test]
    fn insufficient_scope_is_denied() {
        let challenges = super::super::challenge::parse(
            r#"Bearer realm="https://x/t",service="s",error="insufficient_scope""#,
        );
        let error = ApiError::new(401, &challenges, b"", Code::NameUnknown, None);
        assert_eq!(error.code, Code::Denied);
    }

    #[test]
    fn long_texts_are_cut() {
        let message = "ä".repeat(4000);
        let body = format!(r#"{{"errors":[{{"code":"DENIED","message":"{message}"}}]}}"#);
        assert!(error(403, &body).message.len() <= MESSAGE_LIMIT);
    }
}
