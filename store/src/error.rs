//! The error of a failed call on the file system; every other error of this crate lives in the
//! module that returns it.

use std::io;
use std::path::Path;

/// A call on the file system failed: which one, on what, and why.
#[derive(Debug, thiserror::Error)]
#[error("{call}: {source}")]
pub struct IoError {
    /// The call with its arguments: `rename "/a" "/b"`.
    pub call: String,
    /// What the kernel answered.
    pub source: io::Error,
}

impl IoError {
    pub(crate) fn new(call: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self { call: call.into(), source: source.into() }
    }

    /// Whether the file system is full or the quota used up.
    #[must_use]
    pub fn is_no_space(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// Names the call of a failed result.
pub(crate) trait Context<T> {
    /// Adds `verb` and the path that it was about.
    fn on(self, verb: &str, path: &Path) -> Result<T, IoError>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn on(self, verb: &str, path: &Path) -> Result<T, IoError> {
        self.map_err(|source| IoError::new(format!("{verb} {path:?}"), source))
    }
}
