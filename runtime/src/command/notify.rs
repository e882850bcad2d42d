//! `SCMP_ACT_NOTIFY`: the descriptor by which an agent answers for the calls of a container is taken from its init and
//! handed to whoever listens at `listenerPath`, with the state; config-linux.md "The Container Process State".

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::process::{PidfdGetfdFlags, pidfd_getfd};
use serde::Serialize;

use super::record::Record;
use super::terminal;
use crate::error::{Attempt, StepError, StepErrorKind};
use crate::hooks::{ContainerState, Status};

const STEP: &str = "seccomp";

/// The name of the descriptor in the state.
const DESCRIPTOR: &str = "seccompFd";

/// Who is to have the descriptor, and what it is told.
#[derive(Debug)]
pub(super) struct Listener {
    path: PathBuf,
    text: Vec<u8>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProcessState<'a> {
    oci_version: &'a str,
    fds: [&'a str; 1],
    pid: i32,
    #[serde(skip_serializing_if = "str::is_empty")]
    metadata: &'a str,
    state: ContainerState,
}

impl Listener {
    /// The listener of a container, of whose process `pid` the container is in this state; `None` if it names none.
    pub(super) fn of(record: &Record, pid: i32, status: Status) -> Option<Self> {
        let spec = record.spec().ok()?;
        let profile = spec.linux().as_ref()?.seccomp().as_ref()?;
        let path = profile.listener_path().clone()?;
        let state = ProcessState {
            oci_version: &record.oci_version,
            fds: [DESCRIPTOR],
            pid,
            metadata: profile.listener_metadata().as_deref().unwrap_or_default(),
            state: record.state(status),
        };
        Some(Self { path, text: serde_json::to_vec(&state).ok()? })
    }

    /// Takes the descriptor that has this number in the process, and hands it over.
    pub(super) fn hand(&self, pidfd: BorrowedFd<'_>, number: i32) -> Result<(), StepError> {
        let taken: OwnedFd = pidfd_getfd(pidfd, number, PidfdGetfdFlags::empty())
            .attempt(STEP, || format!("pidfd_getfd({number})"))?;
        terminal::hand(&self.path, &self.text, taken.as_fd())
            .map_err(|error| StepError::refused(STEP, error.to_string(), StepErrorKind::Other))
    }
}
