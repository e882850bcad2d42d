//! The error that a start hands back: which step failed, which call with its arguments, which errno.
//!
//! It crosses process borders (init, monitor, daemon), hence data rather than a source chain.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A failed step of a start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{step}: {call}{}", describe(*errno))]
pub struct StepError {
    /// What was being done, in words: `mount /proc`.
    pub step: String,
    /// The call with its arguments: `move_mount(fd 5, "/proc")`.
    pub call: String,
    /// The kernel's errno, where a system call failed.
    pub errno: Option<i32>,
    /// What the caller may want to tell apart.
    pub kind: StepErrorKind,
}

/// Kinds of failure with a meaning of their own to Docker's clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepErrorKind {
    /// No such program in the container: exit code 127.
    ExecNotFound,
    /// The program is there and may not be run: exit code 126.
    ExecNotExecutable,
    /// The program is a directory: exit code 126.
    ExecIsDirectory,
    /// The user or group is not known in the container.
    BadUser,
    /// The working directory can not be entered, or is not inside the root.
    BadCwd,
    /// A mount's source or target is not acceptable.
    BadMount,
    /// Everything else: exit code 125 or 128.
    Other,
}

impl StepError {
    /// A failed system call.
    pub fn call(step: &str, call: impl Into<String>, errno: impl Into<Errno>) -> Self {
        Self {
            step: step.to_owned(),
            call: call.into(),
            errno: Some(errno.into().0),
            kind: StepErrorKind::Other,
        }
    }

    /// A refusal without an errno: a check of ours that did not pass.
    pub fn refused(step: &str, why: impl Into<String>, kind: StepErrorKind) -> Self {
        Self { step: step.to_owned(), call: why.into(), errno: None, kind }
    }

    /// The same error with its subject added to the step: `mount` becomes `mount /proc`.
    #[must_use]
    pub(crate) fn of(self, subject: impl fmt::Display) -> Self {
        Self { step: format!("{} {subject}", self.step), ..self }
    }

    /// The same error with another kind.
    #[must_use]
    pub fn kind(self, kind: StepErrorKind) -> Self {
        Self { kind, ..self }
    }
}

/// Turns a failed call into a [`StepError`]; the text is made only in case of failure.
pub(crate) trait Attempt<T> {
    /// `step` says what is being done, `call` which call was made with which arguments.
    fn attempt(self, step: &str, call: impl FnOnce() -> String) -> Result<T, StepError>;
}

impl<T, E: Into<Errno>> Attempt<T> for Result<T, E> {
    fn attempt(self, step: &str, call: impl FnOnce() -> String) -> Result<T, StepError> {
        self.map_err(|errno| StepError::call(step, call(), errno))
    }
}

/// An errno value, taken from whichever crate reported it.
#[derive(Debug, Clone, Copy)]
pub struct Errno(pub i32);

impl From<rustix::io::Errno> for Errno {
    fn from(errno: rustix::io::Errno) -> Self {
        Self(errno.raw_os_error())
    }
}

impl From<nix::errno::Errno> for Errno {
    fn from(errno: nix::errno::Errno) -> Self {
        Self(errno as i32)
    }
}

impl From<std::io::Error> for Errno {
    fn from(error: std::io::Error) -> Self {
        Self(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

fn describe(errno: Option<i32>) -> String {
    errno.map_or_else(String::new, |errno| {
        format!(": {}", nix::errno::Errno::from_raw(errno).desc().to_lowercase())
    })
}
