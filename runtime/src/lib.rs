//! Processes: takes an OCI runtime spec, compiles it to a plan (pure data) and carries the plan out.
//!
//! The rooms:
//! - [`plan`]: OCI spec in, [`plan::Plan`] out; no system call is made here.
//! - [`rootfs`]: a container's root as a detached mount.
//! - [`view`]: a container's files, for whoever copies into and out of it.
//! - [`init`]: the code between `clone3` and `execve`, inside the container's namespaces.
//! - [`seccomp`], [`caps`]: Docker's defaults and the filter compiler.
//! - [`process`]: what the kernel tells of a process, and signals to it.
//! - [`socket`]: what the other end of a socket has read.
//! - [`memory`]: what a process that lives long gives back.
//! - `start`: everything up to `clone3`, for monitors and for the command line.
//! - `userns`: the maps of user namespaces, of containers and of mounts.
//! - [`hooks`]: the OCI hooks.
//! - [`command`]: the command line of an OCI runtime; no monitor, the caller supervises.
//! - [`launch`]: the launcher process and the handshake with init.
//! - [`monitor`]: one process a container; stdio, log, exit record.
//! - [`cgroup`]: control groups, both versions.
//! - [`timeline`]: when each step of a start was done.
//! - [`network`]: bridge, veth, addresses, nftables over netlink.
//! - `sys`: one thin function a system call; the only room that may be unsafe.
//!
//! Nothing here knows Docker's JSON or the store.

pub mod caps;
pub mod cgroup;
pub mod command;
pub mod error;
pub mod hooks;
pub mod init;
pub mod launch;
pub mod memory;
pub mod monitor;
pub mod network;
pub mod plan;
pub mod process;
pub mod rootfs;
pub mod seccomp;
pub mod socket;
mod start;
#[expect(unsafe_code, reason = "system calls live here and nowhere else")]
mod sys;
pub mod timeline;
mod userns;
pub mod view;

pub use error::{StepError, StepErrorKind};
