//! The launcher: one small process that forks a monitor for every container and every exec, and the
//! client by which the daemon speaks to it.
//!
//! ```text
//! daemon (threads) ── SEQPACKET, descriptors ──► spare monitor ── clone3 ──► init
//!                                                  ▲ fork
//!                                               launcher
//! ```
//!
//! The fork is done before there is a request: a spare monitor waits on the daemon's socket, takes the
//! request, and the launcher forks the next one.
//!
//! - [`Launcher`] starts the launcher process and sends it requests.
//! - [`launcher_main`] is that process; it never returns.
//! - [`handshake`] is what monitor and init say to each other.

mod client;
pub mod handshake;
pub(crate) mod image;
mod process;
pub(crate) mod wire;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use client::{LaunchError, Launcher, MonitorPid};
pub use process::launcher_main;
pub use wire::CLIENTS_MAX;

use crate::monitor::protocol::Role;
use crate::plan::Plan;
use crate::rootfs::Rootfs;
use crate::timeline::Timeline;

/// The argument with which the daemon's binary becomes the launcher.
pub const LAUNCHER_ARGUMENT: &str = "launcher";

/// One start of a container or of an exec.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LaunchRequest {
    /// Container id, or exec id; for messages and process titles.
    pub id: String,
    pub plan: Plan,
    /// What the root is made of; `None` for an exec.
    pub rootfs: Option<Rootfs>,
    pub stdio: StdioConfig,
    pub log: LogConfig,
    /// Where the [`crate::monitor::protocol::ExitRecord`] is to be written (atomically), if anywhere.
    pub record: Option<PathBuf>,
    pub kind: Kind,
    /// What was done for this start until now.
    pub timeline: Timeline,
}

/// What is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A container: the monitor makes its control group and removes it.
    Container,
    /// A further process in a running container, in that one's control group.
    Exec,
}

/// The standard streams of the program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StdioConfig {
    /// One pty instead of three pipes.
    pub tty: bool,
    /// Docker's OpenStdin: without it, standard input is `/dev/null` (or, with a tty, what clients
    /// type is thrown away).
    pub stdin: bool,
    /// Close standard input when the first client that fed it has closed its side. Without it, a
    /// client that closes its side is detached and the program goes on waiting for input.
    pub stdin_once: bool,
    /// Rows and columns of the terminal at the start.
    pub console_size: Option<(u16, u16)>,
}

/// Where the program's output is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogConfig {
    /// Nowhere.
    #[default]
    None,
    /// In files, of which the older ones are called `<path>.1`, `<path>.2`….
    File {
        form: LogForm,
        path: PathBuf,
        /// A file of this many bytes or more is rotated before the next entry.
        max_size: Option<u64>,
        /// Files that are kept, the current one among them; at least 1.
        max_file: u32,
        /// Older files are `<path>.<n>.gz`.
        compress: bool,
        /// Nothing waits for the disk: so many bytes of entries that are not written at once are kept, and what
        /// comes beyond them is lost. Without it, the container's output waits for the disk.
        buffer: Option<usize>,
    },
    /// In systemd's journal, which has to be there.
    Journal {
        /// Names and values that every entry has.
        fields: Vec<(String, String)>,
        /// Nothing waits for the journal: so many bytes of entries that it does not take at once are kept, and what
        /// comes beyond them is lost. Without it, the container's output waits for the journal.
        buffer: Option<usize>,
    },
}

/// How entries look in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogForm {
    /// Docker's json-file.
    Json {
        /// `attrs` of every entry.
        attributes: BTreeMap<String, String>,
    },
    /// Docker's `local`.
    Local,
}

/// Descriptors that go with a [`LaunchRequest`].
#[derive(Debug, Default)]
pub struct LaunchFds {
    /// Listening unix stream socket of the monitor (`monitor.sock`); `None` if nobody will come.
    pub listener: Option<OwnedFd>,
    /// The monitor's ends of connections that are there from the beginning, without a hello; at most
    /// [`CLIENTS_MAX`].
    pub clients: Vec<(Role, OwnedFd)>,
    /// Network namespace to join.
    pub netns: Option<OwnedFd>,
    /// Pidfd of the container's init, for an exec.
    pub target: Option<OwnedFd>,
}
