//! Why a verb failed. Where runc has a text of its own that callers match on, it is the same here.

use std::io;
use std::path::PathBuf;

use crate::cgroup::CgroupError;
use crate::error::StepError;
use crate::plan::PlanError;

#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    #[error("{0}")]
    Usage(String),
    #[error("invalid container ID format: empty, too long, or an invalid character in {0:?}")]
    InvalidId(String),
    #[error("container with given ID already exists: {0}")]
    Exists(String),
    #[error("container does not exist: {0}")]
    NotFound(String),
    #[error("container {0} is busy: another command holds its lock")]
    Busy(String),
    #[error("container not running: {0}")]
    NotRunning(String),
    /// The container is in no state for what is wanted.
    #[error("{0}")]
    State(String),
    #[error("{}: {what}", path.display())]
    Config { path: PathBuf, what: String },
    #[error("{}: {source}", path.display())]
    Plan { path: PathBuf, source: PlanError },
    #[error(transparent)]
    Limits(#[from] PlanError),
    #[error("unable to start container process: {}", start(.0))]
    Start(#[from] StepError),
    #[error("exec failed: unable to start container process: {}", start(.0))]
    Exec(StepError),
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
}

impl CommandError {
    /// For `map_err` of a file operation.
    pub(super) fn io<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source: source.into() }
    }
}

/// The call alone says it all where the program could not be executed.
fn start(error: &StepError) -> String {
    let text = error.to_string();
    match text.strip_prefix("exec: ") {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}
