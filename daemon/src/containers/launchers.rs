//! The launcher, and another one when it has died or is stuck: whoever starts something does not notice. Blocking.

use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runtime::launch::{LaunchError, LaunchFds, LaunchRequest, Launcher, MonitorPid};

use super::error::Error;

/// Launchers that one launch may wear out.
const TRIES: u32 = 5;
/// How long a monitor may take to say its first word, if there is one.
const FIRST_WORD: Duration = Duration::from_secs(30);

/// The launcher of the daemon.
#[derive(Debug)]
pub(super) struct Launchers(Mutex<Arc<Launcher>>);

/// Connections to a monitor that is about to be: made before it, so that nothing is missed.
#[derive(Debug)]
pub(super) struct Connections {
    pub(super) control: UnixStream,
    pub(super) streams: Vec<UnixStream>,
    /// The monitor itself, unless it was made with a launcher's last breath.
    pub(super) monitor: Option<MonitorPid>,
}

impl Launchers {
    pub(super) fn new(launcher: Launcher) -> Self {
        Self(Mutex::new(Arc::new(launcher)))
    }

    /// Has a monitor made for `request`. `connect` makes the monitor's socket and connects to it; again for each
    /// try, because nobody else knows of the socket of a launch that came to nothing.
    pub(super) fn launch(
        &self,
        request: &LaunchRequest,
        connect: impl Fn() -> Result<(LaunchFds, Connections), Error>,
    ) -> Result<Connections, Error> {
        let mut tries = 0;
        loop {
            let launcher = self.current();
            let (fds, connections) = connect()?;
            let error = match launcher.launch(request, fds) {
                Ok(monitor) => return Ok(Connections { monitor: Some(monitor), ..connections }),
                Err(error @ LaunchError::Hand { .. }) => error,
                Err(error) => return Err(Error::internal(error)),
            };
            tracing::warn!(%error, launcher.pid = launcher.pid(), "another launcher is started");
            self.replace(&launcher).map_err(Error::internal)?;
            // It may have made the monitor with its last breath. If not, nobody has the other end any more.
            if has_answered(&connections.control) {
                return Ok(connections);
            }
            tries += 1;
            if tries == TRIES {
                return Err(Error::internal(error));
            }
        }
    }

    fn current(&self) -> Arc<Launcher> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends a launcher, and starts another one unless somebody else has done so.
    fn replace(&self, old: &Arc<Launcher>) -> Result<(), LaunchError> {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        old.end();
        if Arc::ptr_eq(&current, old) {
            *current = Arc::new(Launcher::spawn()?);
        }
        Ok(())
    }
}

/// Whether there is a monitor at the other end: it speaks first.
fn has_answered(control: &UnixStream) -> bool {
    let waits = |nonblocking| control.set_nonblocking(nonblocking);
    let peeked =
        waits(false).and_then(|()| control.set_read_timeout(Some(FIRST_WORD))).and_then(|()| {
            rustix::net::recv(control, &mut [0; 1], rustix::net::RecvFlags::PEEK)
                .map_err(Into::into)
        });
    let answered = peeked.is_ok_and(|(count, _)| count > 0);
    answered && control.set_read_timeout(None).and_then(|()| waits(true)).is_ok()
}
