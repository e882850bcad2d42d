//! Runs hooks: programs that get the container's state on their standard input; config.md
//! "POSIX-platform Hooks", runtime.md "State".

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

use crate::error::{StepError, StepErrorKind};
use crate::plan::Hook;
use crate::process;

/// How long a hook without a timeout of its own may run.
const LIMIT_DEFAULT: Duration = Duration::from_secs(24 * 3600);

/// What is told about a container; the answer of `state` too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerState {
    pub oci_version: String,
    pub id: String,
    pub status: Status,
    /// On the host; 0 once it is stopped.
    pub pid: i32,
    /// Absolute.
    pub bundle: PathBuf,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Where a container is in its life; runtime.md "State". `Paused` is of the command lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Creating,
    Created,
    Running,
    Paused,
    Stopped,
}

impl Status {
    /// As the spec writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

/// Runs the hooks of one moment in their order; the first that fails ends it.
pub fn run(name: &str, hooks: &[Hook], state: &ContainerState) -> Result<(), StepError> {
    for (at, hook) in hooks.iter().enumerate() {
        one(hook, state).map_err(|why| {
            let step = format!("{name} hook #{at}");
            StepError::refused(
                &step,
                format!("{}: {why}", hook.path.display()),
                StepErrorKind::Other,
            )
        })?;
    }
    Ok(())
}

/// Runs all hooks of one moment, whatever comes of each; the errors in their order.
pub fn run_all(name: &str, hooks: &[Hook], state: &ContainerState) -> Vec<StepError> {
    hooks.iter().filter_map(|hook| run(name, std::slice::from_ref(hook), state).err()).collect()
}

fn one(hook: &Hook, state: &ContainerState) -> Result<(), String> {
    let mut command = Command::new(&hook.path);
    if let Some((name, arguments)) = hook.args.split_first() {
        command.arg0(name).args(arguments);
    }
    if let Some(env) = &hook.env {
        let variables = env.iter().filter_map(|variable| variable.split_once('='));
        command.env_clear().envs(variables);
    }
    command.stdin(input(state)?);
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let limit = hook.timeout.map_or(LIMIT_DEFAULT, Duration::from_secs);
    match wait(&mut child, limit).map_err(|error| error.to_string())? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(status.to_string()),
        None => Err(format!("timed out after {} s", limit.as_secs())),
    }
}

/// The state as a file. A hook does not have to read it: in a pipe, a long one would be in the way of the timeout.
fn input(state: &ContainerState) -> Result<Stdio, String> {
    let memory = memfd_create("state", MemfdFlags::CLOEXEC)
        .map_err(|errno| format!("memfd_create: {errno}"))?;
    let mut file = File::from(memory);
    serde_json::to_vec(state)
        .map_err(io::Error::from)
        .and_then(|text| file.write_all(&text))
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .map_err(|error| format!("write(memfd): {error}"))?;
    Ok(file.into())
}

/// Waits for the end, or kills when the limit is over.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    if process::wait_for_end(&pidfd, limit)? {
        return child.wait().map(Some);
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}
