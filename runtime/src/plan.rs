//! The plan of a start: pure data, compiled from an OCI runtime spec, carried out by
//! [`crate::init`] and the monitor. Nothing here makes a system call, except [`Host::probe`].
//!
//! A plan is readable and stable JSON. What a spec asks for and the plan can not express is refused
//! with the JSON path of the field, never dropped.

mod affinity;
mod compile;
mod describe;
mod devices;
mod hooks;
mod host;
mod identity;
mod memory_policy;
pub(crate) mod mounts;
mod net_devices;
mod process;
mod refuse;
mod scheduling;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use affinity::Affinity;
pub use compile::{compile, compile_exec};
pub use hooks::{Hook, Hooks};
pub use host::Host;
pub use identity::{IdMapping, UserNamespace};
pub use memory_policy::MemoryPolicy;
pub use net_devices::NetDevice;

use crate::caps::CapabilitySet;
use crate::cgroup::CgroupPlan;
use crate::seccomp::Program;

/// What is wanted beyond what an OCI spec can say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extras {
    /// Docker's `user[:group]`, by name or number; init resolves it inside the root. Takes the
    /// place of `process.user`'s ids.
    pub user: Option<String>,
    /// Docker's `--group-add`: names or numbers.
    pub group_add: Vec<String>,
    /// Make the working directory if it is missing.
    pub make_cwd: bool,
    /// Static init program on the host, bound at `/sbin/docker-init` and put before the arguments.
    pub init: Option<PathBuf>,
    /// Binds and file systems of which a part is mounted, which a path can not safely name.
    pub parts: Vec<Part>,
}

/// A part of a directory as the source of the bind at `target`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub target: PathBuf,
    /// A directory of the host, whose path nobody changes.
    pub root: PathBuf,
    /// Where the part lies inside of it.
    pub beneath: PathBuf,
}

/// Why a spec can not be compiled. Each variant names the field by its JSON path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("{path} is not supported: {what}")]
    Unsupported { path: String, what: String },
    #[error("{path} is not valid: {why}")]
    Invalid { path: String, why: String },
    #[error("{path} is missing")]
    Missing { path: String },
    #[error("seccomp: {0}")]
    Seccomp(#[from] crate::seccomp::SeccompError),
}

/// Everything that monitor and init need to know to start one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub namespaces: Namespaces,
    pub root: Root,
    pub mounts: Vec<Mount>,
    pub devices: Vec<Device>,
    pub masked_paths: Vec<PathBuf>,
    pub readonly_paths: Vec<PathBuf>,
    pub hostname: Option<String>,
    pub domainname: Option<String>,
    pub sysctls: Vec<Sysctl>,
    pub cgroup: CgroupPlan,
    pub process: Process,
    pub seccomp: Option<Program>,
    #[serde(default, skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
}

/// Which namespaces the process gets, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespaces {
    /// Made new for this process.
    pub create: Vec<Namespace>,
    /// Joined by the path of a namespace file on the host.
    pub join: Vec<JoinByPath>,
    /// Joined from the process behind the pidfd that the launch brings (exec).
    pub of_target: Vec<Namespace>,
    /// Ids of the user namespace that is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserNamespace>,
    /// Clocks of the time namespace that is made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub time_offsets: Vec<TimeOffset>,
    /// Interfaces that leave the host for the network namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub net_devices: Vec<NetDevice>,
}

impl Namespaces {
    /// The user namespace that is joined by its path.
    pub(crate) fn joined_user(&self) -> Option<&JoinByPath> {
        self.join.iter().find(|join| join.kind == Namespace::User)
    }

    /// The mount namespace that is joined by its path.
    pub(crate) fn joined_mount(&self) -> Option<&JoinByPath> {
        self.join.iter().find(|join| join.kind == Namespace::Mount)
    }

    /// Whether namespaces have to be joined before the clone from where there is no way back: by a helper, then.
    pub(crate) fn needs_helper(&self) -> bool {
        self.joined_user().is_some() || self.user.is_some() && self.joined_mount().is_some()
    }

    /// Whether the container is in a user namespace, made or joined.
    pub(crate) fn is_in_user(&self) -> bool {
        self.user.is_some() || self.joined_user().is_some()
    }
}

/// How far a clock of the container is off the host's; time_namespaces(7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeOffset {
    /// `monotonic` or `boottime`.
    pub clock: String,
    pub seconds: i64,
    pub nanoseconds: u32,
}

/// A namespace file to join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinByPath {
    pub kind: Namespace,
    pub path: PathBuf,
}

/// Kinds of namespaces; namespaces(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Namespace {
    Mount,
    Pid,
    Network,
    Ipc,
    Uts,
    Cgroup,
    User,
    Time,
}

/// The root file system's last touches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Absolute path of a bundle's root directory, where the spec names one; the monitor makes the
    /// detached mount from it unless the launch brings its own.
    pub path: Option<PathBuf>,
    pub readonly: bool,
    /// Propagation of `/` once everything is mounted; private when `None`.
    pub propagation: Option<Propagation>,
}

/// Mount propagation; mount_namespaces(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PropagationKind {
    Shared,
    Slave,
    Private,
    Unbindable,
}

/// A change of propagation of one mount or of all below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Propagation {
    pub kind: PropagationKind,
    pub recursive: bool,
}

/// One mount, in the order of the spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Absolute path inside the container, without `..`.
    pub target: PathBuf,
    #[serde(flatten)]
    pub what: MountKind,
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propagation: Option<Propagation>,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mount", rename_all = "snake_case")]
pub enum MountKind {
    /// A new instance of a file system.
    Filesystem {
        fstype: String,
        /// `source` parameter, as shown in mountinfo.
        source: Option<String>,
        /// Parameters for `fsconfig`; a flag where there is no value.
        parameters: Vec<(String, Option<String>)>,
        /// What is at the target is copied into the new file system (`tmpcopyup`).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        copy_up: bool,
        /// What lies at this path inside of it is mounted instead: links there do not lead out of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        beneath: Option<PathBuf>,
    },
    /// A file or directory of the host.
    Bind {
        source: PathBuf,
        recursive: bool,
        /// What lies at this path inside of the source instead: links there do not lead out of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        beneath: Option<PathBuf>,
        /// Files have other owners there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ids: Option<MountIds>,
    },
    /// The container's own part of the control group hierarchies.
    Cgroup { groups: Vec<CgroupBind> },
}

/// Who owns the files of an id-mapped mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountIds {
    /// Ids of the file system, on the container's side of the maps, and the ids that are seen instead.
    #[serde(flatten)]
    pub maps: UserNamespace,
    /// In mounts below, too.
    pub recursive: bool,
}

/// A container's group in one hierarchy, and where it is seen inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupBind {
    /// Directory below the mount's target; empty for the target itself (version 2).
    pub name: String,
    /// The group's directory on the host.
    pub source: PathBuf,
    /// Other names of the directory: one for each controller where several share a hierarchy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
}

/// Mount attributes; mount_setattr(2).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<Attribute>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clear: Vec<Attribute>,
    /// As `set`, for the mount and everything below it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set_recursive: Vec<Attribute>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clear_recursive: Vec<Attribute>,
}

/// One mount attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribute {
    ReadOnly,
    NoSuid,
    NoDev,
    NoExec,
    NoAtime,
    RelAtime,
    StrictAtime,
    NoDirAtime,
    NoSymFollow,
}

/// A device node in the container's `/dev`, or elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    pub path: PathBuf,
    pub kind: DeviceKind,
    pub major: u32,
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// Kinds of device nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    Character,
    Block,
    Fifo,
}

/// A kernel parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sysctl {
    /// Path below `/proc/sys`: `net/ipv4/ip_forward`.
    pub path: PathBuf,
    pub value: String,
}

/// The program and what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// At least one.
    pub args: Vec<String>,
    pub env: Vec<String>,
    /// Absolute.
    pub cwd: PathBuf,
    pub make_cwd: bool,
    pub user: User,
    pub capabilities: Capabilities,
    pub no_new_privileges: bool,
    pub rlimits: Vec<Rlimit>,
    pub oom_score_adj: Option<i32>,
    /// Octal file mode mask, in numbers; inherited when `None`.
    pub umask: Option<u32>,
    /// The program gets a terminal (a pty of the container's own).
    pub terminal: bool,
    /// Rows and columns of the terminal at the start.
    pub console_size: Option<(u16, u16)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<Scheduler>,
    /// The value of ioprio_set(2): class and level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io_priority: Option<u32>,
    /// Of an exec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Execution domain; personality(2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personality: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_policy: Option<MemoryPolicy>,
    /// SELinux's context of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selinux_label: Option<String>,
    /// AppArmor's profile of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apparmor_profile: Option<String>,
}

/// Scheduling of the program; the fields of `struct sched_attr`, sched_setattr(2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduler {
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    /// Nanoseconds, as the two after it.
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
}

/// Who the program runs as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum User {
    /// Ids as the spec gives them.
    Id { uid: u32, gid: u32, groups: Vec<u32> },
    /// Looked up in the container's own `/etc/passwd` and `/etc/group`.
    Name { user: String, group_add: Vec<String> },
}

/// The five capability sets; capabilities(7).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    pub bounding: CapabilitySet,
    pub permitted: CapabilitySet,
    pub effective: CapabilitySet,
    pub inheritable: CapabilitySet,
    pub ambient: CapabilitySet,
}

/// A resource limit; getrlimit(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// Number of the resource.
    pub resource: u32,
    pub soft: u64,
    pub hard: u64,
}

/// The hooks of a spec.
pub(crate) fn hooks_of(spec: &oci_spec::runtime::Spec) -> Result<Hooks, PlanError> {
    hooks::compile(spec.hooks().as_ref())
}

impl Attributes {
    /// Nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Plan {
    /// Whether this plan adds a process to a running container.
    pub fn is_exec(&self) -> bool {
        !self.namespaces.of_target.is_empty()
    }
}
