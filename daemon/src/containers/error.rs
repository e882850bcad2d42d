//! Why the container service says no. The texts are Docker's: clients match on them.

use axum::http::StatusCode;
use runtime::{StepError, StepErrorKind};

use crate::http::error::is_disk_full;
use crate::{networks, volumes};

/// An answer that is an error; the HTTP room gives each kind its status.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Error {
    /// 404.
    #[error("No such container: {0}")]
    NoContainer(String),
    /// 404.
    #[error("No such image: {0}")]
    NoImage(String),
    /// 404.
    #[error("{0}")]
    WrongPlatform(String),
    /// 404.
    #[error("No such exec instance: {0}")]
    NoExec(String),
    /// 404.
    #[error("Could not find the file {path} in container {container}")]
    NoFile { path: String, container: String },
    /// 400: the request cannot be right.
    #[error("{0}")]
    Invalid(String),
    /// 409: the container's state forbids it.
    #[error("{0}")]
    Conflict(String),
    /// 409: see the text.
    #[error(
        "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". You have to remove \
         (or rename) that container to be able to reuse that name."
    )]
    NameTaken { name: String, holder: String },
    /// 403: against the rules.
    #[error("{0}")]
    Forbidden(String),
    /// As the network service says.
    #[error("{text}")]
    Network { status: StatusCode, text: String },
    /// As the volume service says.
    #[error(transparent)]
    Volume(#[from] volumes::Error),
    /// 501: Docker has it, this daemon does not have it yet.
    #[error("{field} is not supported: {what}")]
    Unsupported { field: &'static str, what: String },
    /// 400 for a command that can not be run, else 500.
    #[error("{}", describe("failed to create task for container", .0))]
    Start(StepError),
    /// As `Start`, for an exec.
    #[error("{}", describe("OCI runtime exec failed: exec failed", .0))]
    ExecStart(StepError),
    /// 507: the disk is full, up to what is kept in reserve.
    #[error("{0}")]
    NoSpace(String),
    /// 500.
    #[error("{0}")]
    Internal(String),
}

impl From<networks::Error> for Error {
    fn from(error: networks::Error) -> Self {
        Self::Network { status: error.status(), text: error.to_string() }
    }
}

impl Error {
    pub(crate) fn not_running(id: &str) -> Self {
        Self::Conflict(format!("container {id} is not running"))
    }

    /// A failure of the store.
    pub(crate) fn stored(error: &(impl std::error::Error + 'static)) -> Self {
        match is_disk_full(error) {
            true => Self::NoSpace(error.to_string()),
            false => Self::internal(error),
        }
    }

    /// 500 with the text of an error of another room.
    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        Self::Internal(error.to_string())
    }
}

/// Docker's texts where its clients look for them, else the failed step as it is.
fn describe(prefix: &str, error: &StepError) -> String {
    let whole = error.to_string();
    let call = whole.strip_prefix(&format!("{}: ", error.step)).unwrap_or(&whole);
    match error.kind {
        StepErrorKind::BadUser => call.to_owned(),
        StepErrorKind::ExecNotFound
        | StepErrorKind::ExecNotExecutable
        | StepErrorKind::ExecIsDirectory => {
            format!("{prefix}: unable to start container process: {call}")
        }
        _ => format!("{prefix}: unable to start container process: {whole}"),
    }
}

/// The exit code that a failed start leaves: 127 not found, 126 not executable, 128 for the rest.
pub(crate) fn exit_code(error: &StepError) -> i32 {
    match error.kind {
        StepErrorKind::ExecNotFound => 127,
        StepErrorKind::ExecNotExecutable | StepErrorKind::ExecIsDirectory => 126,
        _ => 128,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_clients_look_for() {
        let text = |call: &str, errno, kind| {
            let step = StepError { step: "exec".into(), call: call.into(), errno, kind };
            Error::Start(step).to_string()
        };
        let not_found = text(
            "exec: \"x\": executable file not found in $PATH",
            None,
            StepErrorKind::ExecNotFound,
        );
        assert!(not_found.ends_with("process: exec: \"x\": executable file not found in $PATH"));
        let denied = text("exec: \"/etc\"", Some(13), StepErrorKind::ExecNotExecutable);
        assert!(denied.ends_with("process: exec: \"/etc\": permission denied"), "{denied}");
        assert_eq!(
            text("unable to find user x", None, StepErrorKind::BadUser),
            "unable to find user x"
        );
    }
}
