//! The daemon's side of the launcher: starts it, sends requests.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::wire;
use super::{LaunchFds, LaunchRequest, image};

/// How long the launcher may take to answer a request, in seconds.
const ANSWER_LIMIT_SECONDS: i64 = 30;

/// Process id of a monitor. Monitors are not children of the daemon: nothing can be waited for
/// here; the monitor's socket says how it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonitorPid(pub i32);

/// Why the launcher could not be started or could not start a monitor.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The launcher process could not be made.
    #[error("start of the launcher: {step}: {source}")]
    Spawn { step: &'static str, source: io::Error },
    /// The request could not be written down.
    #[error("launch request of {id}: {source}")]
    Request { id: String, source: serde_json::Error },
    /// The request could not be handed over; the launcher is gone or stuck. If it was stuck it is let
    /// go: start another one.
    #[error("launch of {id}: {call}: {source}")]
    Hand { id: String, call: &'static str, source: io::Error },
    /// The launcher could not fork the monitor.
    #[error("launch of {id}: the launcher could not make a monitor: {source}")]
    Refused { id: String, source: io::Error },
}

/// The launcher process, seen from the daemon. Dropping it ends the launcher, not the monitors.
#[derive(Debug)]
pub struct Launcher {
    /// One request and its answer at a time.
    socket: Mutex<Option<OwnedFd>>,
    pidfd: OwnedFd,
    process: Child,
}

impl Launcher {
    /// Starts this program's own binary once more, as the launcher.
    pub fn spawn() -> Result<Self, LaunchError> {
        Self::spawn_from(Path::new("/proc/self/exe"), &[OsString::from(super::LAUNCHER_ARGUMENT)])
    }

    /// Starts `program` as the launcher: with these arguments it has to call
    /// [`super::launcher_main`] first thing. What is executed is a read-only image of the program:
    /// nobody who gets hold of the running file can write to it.
    pub fn spawn_from(
        program: &Path,
        arguments: &[impl AsRef<OsStr>],
    ) -> Result<Self, LaunchError> {
        let failed = |step| move |source: io::Error| LaunchError::Spawn { step, source };
        let image = image::read_only(program).map_err(failed("read-only image of the program"))?;
        let (ours, theirs) = wire::pair().map_err(|errno| failed("socketpair")(errno.into()))?;
        let name = std::env::args_os().next().unwrap_or_else(|| OsString::from("jockerd"));
        let process = Command::new(image::path(&image))
            .arg0(name)
            .args(arguments)
            .env_clear()
            .stdin(theirs)
            .stdout(Stdio::null())
            .spawn()
            .map_err(failed("exec"))?;
        let pid = i32::try_from(process.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| failed("process id")(io::Error::from_raw_os_error(libc::EINVAL)))?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty())
            .map_err(|errno| failed("pidfd_open")(errno.into()))?;
        Ok(Self { socket: Mutex::new(Some(ours)), pidfd, process })
    }

    /// Process id of the launcher.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Whether the launcher still runs.
    pub fn is_alive(&self) -> bool {
        let mut ended = [PollFd::new(&self.pidfd, PollFlags::IN)];
        rustix::event::poll(&mut ended, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) == Ok(0)
    }

    /// Ends the launcher; returns when it holds no descriptor of any request any more. Its monitors go on.
    pub fn end(&self) {
        // Both fail only if it has ended before.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        let mut ended = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let _ = rustix::io::retry_on_intr(|| rustix::event::poll(&mut ended, None));
    }

    /// Has a monitor forked for `request`. Short and blocking: returns when the monitor exists, not
    /// when the container runs. Concurrent calls wait for each other.
    pub fn launch(
        &self,
        request: &LaunchRequest,
        fds: LaunchFds,
    ) -> Result<MonitorPid, LaunchError> {
        let id = || request.id.clone();
        let hand = |call| {
            move |errno: rustix::io::Errno| LaunchError::Hand {
                id: request.id.clone(),
                call,
                source: errno.into(),
            }
        };
        let text = serde_json::to_vec(request)
            .map_err(|source| LaunchError::Request { id: id(), source })?;
        let text = wire::Text::of(text).map_err(hand("memfd_create"))?;
        let packet = wire::packet(&text, &fds);
        let descriptors = wire::descriptors(&text, &fds);

        let mut guard = self.lock();
        let socket = guard.as_ref().ok_or_else(|| hand("socket")(rustix::io::Errno::PIPE))?;
        wire::send(socket, &packet, &descriptors).map_err(hand("sendmsg"))?;
        // From here on the sockets are the monitor's alone: they are to close when that one ends.
        drop(descriptors);
        drop(fds);
        let answer = await_answer(socket);
        if answer.is_err() {
            // An answer that comes later must not be taken for that to another request.
            *guard = None;
        }
        match answer.map_err(hand("answer"))? {
            Ok(pid) => Ok(MonitorPid(pid)),
            Err(source) => Err(LaunchError::Refused { id: id(), source: source.into() }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<OwnedFd>> {
        // A panic while it was held can not have left a half-sent packet behind.
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn await_answer(socket: &OwnedFd) -> rustix::io::Result<Result<i32, rustix::io::Errno>> {
    let mut ready = [PollFd::new(socket, PollFlags::IN)];
    let limit = Timespec { tv_sec: ANSWER_LIMIT_SECONDS, tv_nsec: 0 };
    if rustix::io::retry_on_intr(|| rustix::event::poll(&mut ready, Some(&limit)))? == 0 {
        return Err(rustix::io::Errno::TIMEDOUT);
    }
    wire::receive_answer(socket)
}

impl Drop for Launcher {
    fn drop(&mut self) {
        // End of file on its socket is the launcher's signal to end; it holds nothing up.
        drop(self.lock().take());
        let _ = self.process.wait();
    }
}
