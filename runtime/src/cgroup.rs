//! Control groups: nine separate version 1 hierarchies, hybrid hosts, and version 2.
//!
//! - [`layout()`] probes which hierarchies the host has; once a daemon.
//! - [`plan()`] turns an OCI spec's resources into writes as data ([`CgroupPlan`]); pure.
//! - [`Cgroup`] makes the groups of one container, puts processes in, watches, changes and removes
//!   them.
//!
//! Sources: the kernel's `Documentation/admin-guide/cgroup-v1` and `cgroup-v2.rst`, and the
//! conversion rules of the OCI runtime spec, `config-linux.md`.

mod layout;
mod plan;

use serde::{Deserialize, Serialize};

pub use layout::{Hierarchy, Layout, layout};
pub use plan::plan;

/// What to make and write for one container; the same for every hierarchy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupPlan {
    /// Absolute path below the root of every hierarchy, normalised, without `..`:
    /// `/jocker/<container id>`.
    pub path: String,
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
