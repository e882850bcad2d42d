//! What is remembered of a container between two calls.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use oci_spec::runtime::Spec;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::directory::Directory;
use super::error::CommandError;
use crate::cgroup::systemd::Unit;
use crate::cgroup::{Cgroup, Layout};
use crate::hooks::{ContainerState, Status};
use crate::plan::Hooks;
use crate::process;

/// Version of the record's form.
pub(super) const VERSION: u32 = 1;

/// The record of a container; `state.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) version: u32,
    pub(super) oci_version: String,
    pub(super) id: String,
    /// Absolute.
    pub(super) bundle: PathBuf,
    pub(super) rootfs: PathBuf,
    /// Of init, on the host.
    pub(super) pid: i32,
    pub(super) start_ticks: u64,
    /// RFC 3339, UTC.
    pub(super) created: String,
    pub(super) owner: String,
    /// Path of the control groups below the root of every hierarchy.
    pub(super) cgroup: String,
    /// The unit of systemd that has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unit: Option<Unit>,
    /// `create` is not done yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) creating: bool,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Hooks::is_empty")]
    pub(super) hooks: Hooks,
    /// The container's config.json.
    pub(super) config: Box<RawValue>,
}

impl Record {
    /// Where the container is in its life, by what the kernel and the directory say now.
    pub(super) fn status(&self, directory: &Directory, layout: &Layout) -> Status {
        if self.creating {
            return Status::Creating;
        }
        if !process::is_alive(self.pid, self.start_ticks) {
            return Status::Stopped;
        }
        if self.cgroup(layout).is_frozen() {
            return Status::Paused;
        }
        if directory.has_gate() { Status::Created } else { Status::Running }
    }

    /// What hooks and `state` are told.
    pub(super) fn state(&self, status: Status) -> ContainerState {
        ContainerState {
            oci_version: self.oci_version.clone(),
            id: self.id.clone(),
            status,
            pid: if status == Status::Stopped { 0 } else { self.pid },
            bundle: self.bundle.clone(),
            annotations: self.annotations.clone(),
        }
    }

    pub(super) fn cgroup(&self, layout: &Layout) -> Cgroup {
        Cgroup::open(&self.cgroup, layout).of_unit(self.unit.clone())
    }

    /// A handle of init that can never be of another process.
    pub(super) fn pidfd(&self) -> Result<OwnedFd, CommandError> {
        let gone = || CommandError::NotRunning(self.id.clone());
        let pid = Pid::from_raw(self.pid).ok_or_else(gone)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|_| gone())?;
        if process::is_alive(self.pid, self.start_ticks) { Ok(pidfd) } else { Err(gone()) }
    }

    pub(super) fn spec(&self) -> Result<Spec, CommandError> {
        serde_json::from_str(self.config.get()).map_err(|error| CommandError::Config {
            path: self.bundle.join("config.json"),
            what: error.to_string(),
        })
    }
}
