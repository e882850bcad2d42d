//! Control groups: nine separate version 1 hierarchies, hybrid hosts, and version 2.
//!
//! - [`layout()`] probes which hierarchies the host has; once a daemon.
//! - [`plan()`] turns an OCI spec's resources into writes as data ([`CgroupPlan`]); pure.
//! - [`Cgroup`] makes the groups of one container, puts processes in, watches, changes and removes
//!   them.
//!
//! Sources: the kernel's `Documentation/admin-guide/cgroup-v1` and `cgroup-v2.rst`, and the
//! conversion rules of the OCI runtime spec, `config-linux.md`.

mod details;
mod devices;
mod files;
mod layout;
mod plan;
mod stats;
pub mod systemd;
pub(crate) mod unit;
mod v1;
mod v2;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use serde::{Deserialize, Serialize};

use crate::error::{StepError, StepErrorKind};

pub(crate) use details::{Account, Details};
pub use layout::{Hierarchy, Layout, layout};
pub use plan::plan;
pub use stats::{BlockIo, CpuStats, MemoryStats, PidsStats, Stats, Throttling};

/// What to make and write for one container; the same for every hierarchy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupPlan {
    /// Absolute path below the root of every hierarchy, normalised, without `..`:
    /// `/jocker/<container id>`.
    pub path: String,
    /// The unit by which systemd makes the group at `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<systemd::Unit>,
    /// In the order in which they have to be written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Write>,
    /// Device access, in order: the last rule that matches decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceRule>,
}

/// One value for one file of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// Controller whose hierarchy has the file: `memory`.
    pub controller: String,
    /// Name of the file: `memory.limit_in_bytes`.
    pub file: String,
    /// Name of the file on hosts that do not have `file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub or_file: Option<String>,
    pub value: String,
}

/// What an update replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replaced {
    limits: Vec<Write>,
    /// Was told of the new limits, and has to be told of the old ones.
    unit: Option<systemd::Unit>,
}

/// Access to device nodes: allowed or denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRule {
    pub allow: bool,
    pub kind: DeviceClass,
    /// All numbers when `None`.
    pub major: Option<u32>,
    pub minor: Option<u32>,
    pub read: bool,
    pub write: bool,
    pub mknod: bool,
}

/// Which device nodes a rule speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceClass {
    All,
    Block,
    Character,
}

/// A step with control groups that failed.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    #[error("make control group {}: {source}", path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("control group {} has processes already", path.display())]
    Populated { path: PathBuf },
    #[error("write {value:?} to {}: {source}", path.display())]
    Write { path: PathBuf, value: String, source: io::Error },
    #[error("read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("remove control group {}: {source}", path.display())]
    Remove { path: PathBuf, source: io::Error },
    #[error("{what} of control group {} took too long", path.display())]
    Timeout { what: &'static str, path: PathBuf },
    #[error("the host has no {controller} controller")]
    NoController { controller: String },
    #[error("device rules of control group {}: {call}: {source}", path.display())]
    Devices { path: PathBuf, call: &'static str, source: io::Error },
    #[error("unit {unit}: {source}")]
    Systemd { unit: String, source: systemd::BusError },
}

impl CgroupError {
    /// As the error of a start's step.
    pub(crate) fn step(&self) -> StepError {
        StepError {
            step: "control groups".to_owned(),
            call: self.to_string(),
            errno: None,
            kind: StepErrorKind::Other,
        }
    }

    /// The errno behind it.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Create { source, .. }
            | Self::Write { source, .. }
            | Self::Read { source, .. }
            | Self::Remove { source, .. }
            | Self::Devices { source, .. } => source.raw_os_error(),
            Self::Populated { .. }
            | Self::Timeout { .. }
            | Self::NoController { .. }
            | Self::Systemd { .. } => None,
        }
    }
}

/// The control groups of one container.
pub struct Cgroup {
    groups: Groups,
    /// The unit of systemd that has them, if it is known to be this container's.
    unit: Option<systemd::Unit>,
}

enum Groups {
    V1(v1::Groups),
    V2(v2::Group),
}

impl fmt::Debug for Cgroup {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let directories: Vec<_> = self.directories().collect();
        out.debug_struct("Cgroup").field("directories", &directories).finish()
    }
}

impl Cgroup {
    /// Makes the groups in every hierarchy and sets limits and device rules. Removes what it made
    /// if a step fails. Groups that are there already and empty are taken.
    pub fn create(plan: &CgroupPlan, layout: &Layout) -> Result<Self, CgroupError> {
        let cgroup = Self::open(&plan.path, layout);
        let made = match &cgroup.groups {
            Groups::V1(groups) => groups.create(plan, false),
            Groups::V2(group) => group.create(plan),
        };
        if let Err(error) = made {
            // Groups with something in them are not of this start and stay.
            cgroup.directories().for_each(|directory| drop(fs::remove_dir(directory)));
            return Err(error);
        }
        Ok(cgroup)
    }

    /// Has systemd make the unit of the plan with the process `pid` in it, and does what systemd does not.
    pub(crate) fn start_unit(
        &mut self,
        unit: &systemd::Unit,
        pid: i32,
        plan: &CgroupPlan,
        layout: &Layout,
    ) -> Result<(), CgroupError> {
        let empty = || self.pids().is_ok_and(|pids| pids.is_empty());
        unit.start(pid, plan, layout, empty)
            .map_err(|source| CgroupError::Systemd { unit: unit.name.clone(), source })?;
        self.unit = Some(unit.clone());
        match &self.groups {
            Groups::V1(groups) => groups.create(plan, true)?,
            Groups::V2(group) => group.set(plan)?,
        }
        self.attach(pid)
    }

    /// The groups of a container that has been made before; nothing is touched. `path` is
    /// [`CgroupPlan::path`], or what the plan was made of.
    pub fn open(path: &str, layout: &Layout) -> Self {
        let (path, unit) = plan::path::locate(path).unwrap_or_else(|_| (path.to_owned(), None));
        let path = path.as_str();
        let groups = match layout {
            Layout::V1 { hierarchies, unified, .. } => {
                Groups::V1(v1::Groups::new(path, hierarchies, unified.as_deref()))
            }
            Layout::V2 { mount, controllers } => {
                Groups::V2(v2::Group::new(path, mount, controllers))
            }
        };
        Self { groups, unit }
    }

    /// The same groups, of this unit.
    pub(crate) fn of_unit(self, unit: Option<systemd::Unit>) -> Self {
        Self { unit, ..self }
    }

    /// Whether systemd has made the groups for this container.
    pub(crate) fn has_unit(&self) -> bool {
        self.unit.is_some()
    }

    /// The group's directory in every hierarchy.
    pub fn directories(&self) -> impl Iterator<Item = &Path> {
        let (many, one) = match &self.groups {
            Groups::V1(groups) => (Some(groups.directories()), None),
            Groups::V2(group) => (None, Some(group.directory())),
        };
        many.into_iter().flatten().chain(one)
    }

    /// The directory for `CLONE_INTO_CGROUP`: version 2's, a hybrid host's too; `None` if there is none.
    pub fn into_cgroup(&self) -> Result<Option<OwnedFd>, CgroupError> {
        match &self.groups {
            Groups::V1(groups) => groups.open_unified(),
            Groups::V2(group) => group.open_directory().map(Some),
        }
    }

    /// Moves the calling process, which has one thread, into those groups that `CLONE_INTO_CGROUP` does not reach.
    pub fn enter(&self) -> Result<(), CgroupError> {
        match &self.groups {
            Groups::V1(groups) => groups.enter(),
            Groups::V2(_) => Ok(()),
        }
    }

    /// Moves a process into the groups: on version 1 the writes follow each other closely, because
    /// the kernel waits for one grace period for all of them.
    pub fn attach(&self, pid: i32) -> Result<(), CgroupError> {
        match &self.groups {
            Groups::V1(groups) => groups.attach(pid),
            Groups::V2(group) => group.attach(pid),
        }
    }

    /// Stops all processes, and returns when they stand.
    pub fn freeze(&self) -> Result<(), CgroupError> {
        match &self.groups {
            Groups::V1(groups) => groups.freeze(),
            Groups::V2(group) => group.freeze(),
        }
    }

    /// Begins to stop all processes; [`Cgroup::stands`] tells when they do.
    pub fn start_freezing(&self) -> Result<(), CgroupError> {
        match &self.groups {
            Groups::V1(groups) => groups.start_freezing(),
            Groups::V2(group) => group.start_freezing(),
        }
    }

    /// Whether all processes are stopped.
    pub fn stands(&self) -> bool {
        match &self.groups {
            Groups::V1(groups) => groups.stands(),
            Groups::V2(group) => group.stands(),
        }
    }

    /// Lets frozen processes go on.
    pub fn thaw(&self) -> Result<(), CgroupError> {
        match &self.groups {
            Groups::V1(groups) => groups.thaw(),
            Groups::V2(group) => group.thaw(),
        }
    }

    /// Whether the processes stand, or are about to.
    pub fn is_frozen(&self) -> bool {
        match &self.groups {
            Groups::V1(groups) => groups.is_frozen(),
            Groups::V2(group) => group.is_frozen(),
        }
    }

    /// Sends SIGKILL to every process, those made meanwhile too.
    pub fn kill(&self) -> Result<(), CgroupError> {
        match &self.groups {
            Groups::V1(groups) => groups.kill(),
            Groups::V2(group) => group.kill(),
        }
    }

    /// Host pids of all processes, nested groups' too. Empty when the groups are gone.
    pub fn pids(&self) -> Result<Vec<i32>, CgroupError> {
        match &self.groups {
            Groups::V1(groups) => groups.pids(),
            Groups::V2(group) => group.pids(),
        }
    }

    /// How many processes the kernel has killed here for lack of memory; 0 when it can not be read.
    pub fn oom_kills(&self) -> u64 {
        match &self.groups {
            Groups::V1(groups) => groups.oom_kills(),
            Groups::V2(group) => group.oom_kills(),
        }
    }

    /// Usage now. What the host does not account for is zero or empty.
    pub fn stats(&self) -> Result<Stats, CgroupError> {
        match &self.groups {
            Groups::V1(groups) => groups.stats(),
            Groups::V2(group) => group.stats(),
        }
    }

    /// Further figures. What the host does not account for is zero or empty.
    pub(crate) fn details(&self) -> Details {
        match &self.groups {
            Groups::V1(groups) => groups.details(),
            Groups::V2(group) => group.details(),
        }
    }

    /// Sets the limits of another plan; those that it does not name stay. Device rules stay too. If one is refused,
    /// by systemd or by the kernel, those before it are taken back.
    pub fn update(&self, plan: &CgroupPlan) -> Result<Replaced, CgroupError> {
        self.update_telling(plan, &tell)
    }

    /// `tell` tells systemd.
    fn update_telling(&self, plan: &CgroupPlan, tell: &Tell) -> Result<Replaced, CgroupError> {
        let limits = match &self.groups {
            Groups::V1(groups) => groups.present(&plan.limits)?,
            Groups::V2(group) => group.present(&plan.limits)?,
        };
        let replaced = Replaced { limits, unit: plan.unit.clone() };
        let told = plan.unit.as_ref().map_or(Ok(()), |unit| tell(unit, &plan.limits));
        if let Err(error) = told.and_then(|()| self.limit(&plan.limits)) {
            // The first error is the one to tell; what is refused twice stays.
            let _ = self.restore_telling(&replaced, tell);
            return Err(error);
        }
        Ok(replaced)
    }

    /// Takes an update back.
    pub fn restore(&self, replaced: &Replaced) -> Result<(), CgroupError> {
        self.restore_telling(replaced, &tell)
    }

    /// The group has its limits again even if systemd does not answer.
    fn restore_telling(&self, replaced: &Replaced, tell: &Tell) -> Result<(), CgroupError> {
        let told = replaced.unit.as_ref().map_or(Ok(()), |unit| tell(unit, &replaced.limits));
        self.limit(&replaced.limits).and(told)
    }

    fn limit(&self, limits: &[Write]) -> Result<(), CgroupError> {
        match &self.groups {
            Groups::V1(groups) => groups.limit(limits),
            Groups::V2(group) => group.limit(limits),
        }
    }

    /// Removes the groups and those that the container made below. Waits a bounded time for
    /// processes that are still ending. Groups that are gone are no error.
    pub fn remove(&self) -> Result<(), CgroupError> {
        let ended = self.unit.as_ref().map_or(Ok(()), |unit| {
            let failed = |source| CgroupError::Systemd { unit: unit.name.clone(), source };
            unit.end().map_err(failed)
        });
        match &self.groups {
            Groups::V1(groups) => groups.remove(),
            Groups::V2(group) => group.remove(),
        }?;
        ended
    }
}

/// Tells systemd of a unit's limits.
type Tell = dyn Fn(&systemd::Unit, &[Write]) -> Result<(), CgroupError>;

fn tell(unit: &systemd::Unit, limits: &[Write]) -> Result<(), CgroupError> {
    unit.set(limits).map_err(|source| CgroupError::Systemd { unit: unit.name.clone(), source })
}

#[cfg(test)]
mod tests;
