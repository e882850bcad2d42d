//! The monitor: one small process a container (and an exec) that holds the standard streams, writes
//! the log, waits for the program, records its exit, and serves clients on a socket of its own. It
//! outlives the daemon.
//!
//! ```text
//! Starting ── Exec, end of file ──► Running ── pidfd ──► Exited: record written, output drained
//!     └─ Failed, timeout ──► Failed                         └─► clients served, groups removed, end
//! ```
//!
//! - [`protocol`]: what clients say and hear.
//! - `start`: everything up to `clone3`.
//! - `serve`: the loop; the only room that waits. `client`, `input`, `output`, `log`, `record` are
//!   what it serves.
//!
//! One thread, no heap growth while the program runs: a monitor stays within a few hundred
//! kilobytes of private memory.

mod client;
mod input;
mod log;
mod output;
pub mod protocol;
mod record;
mod serve;
mod start;

use std::time::SystemTime;

use crate::cgroup::Layout;
use crate::error::{Attempt, StepError, StepErrorKind};
use crate::launch::wire::{Received, Text};
use crate::launch::{LaunchFds, LaunchRequest};
use crate::sys;
use crate::timeline::Step;

/// The whole life of a monitor, from its request on. `prepared` is how [`detach`] went.
pub(crate) fn run(received: Received, prepared: Result<(), StepError>, layout: &Layout) {
    let Received { text, fds } = received;
    let when = SystemTime::now();
    let LaunchFds { listener, clients, netns, target } = fds;
    let clients = match client::Clients::new(listener, clients) {
        Ok(clients) => clients,
        // Without the sockets there is nobody to tell; the daemon sees them close.
        Err(_) => return,
    };
    let request = prepared.and_then(|()| read_request(text));
    match request {
        Ok(mut request) => {
            request.timeline.mark_at(Step::Received, when);
            request.timeline.mark(Step::Read);
            serve::run(clients, request, netns, target, layout);
        }
        Err(error) => serve::fail(clients, error),
    }
}

/// Leaves the launcher's session and what else ties this process to it.
pub(crate) fn detach() -> Result<(), StepError> {
    const STEP: &str = "monitor";
    rustix::process::setsid().attempt(STEP, || "setsid()".to_owned())?;
    // The launcher ignores it; here it would reap the container's process behind our back.
    sys::clone::ignore_signal(libc::SIGCHLD, false)
        .attempt(STEP, || "sigaction(SIGCHLD)".to_owned())?;
    // Standard input is /dev/null. The daemon's standard error must not be held open by us.
    rustix::stdio::dup2_stderr(rustix::stdio::stdin()).attempt(STEP, || "dup2(0, 2)".to_owned())
}

fn read_request(text: Text) -> Result<LaunchRequest, StepError> {
    const STEP: &str = "launch request";
    let text = text.read().attempt(STEP, || "pread(memfd)".to_owned())?;
    serde_json::from_slice(&text)
        .map_err(|error| StepError::refused(STEP, error.to_string(), StepErrorKind::Other))
}
