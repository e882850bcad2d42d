//! Makes a container, up to the point where its init waits for the word to run the program; shared by
//! `create` and `run`. And the driving of init's handshake, which `exec` shares too.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{MemfdFlags, memfd_create};

use super::Globals;
use super::arguments::{Flag, Parsed};
use super::bundle::Bundle;
use super::directory::{self, Directory};
use super::error::CommandError;
use super::notify::Listener;
use super::record::{Record, VERSION};
use super::terminal;
use crate::cgroup::Layout;
use crate::error::{Attempt, StepError, StepErrorKind};
use crate::hooks::{self, ContainerState, Status};
use crate::init::{Go, Stdio};
use crate::launch::handshake::{self, FromInit, HandshakeError, ToInit};
use crate::launch::{Kind, image};
use crate::plan::{Hooks, Host};
use crate::process;
use crate::start::{self, OwnCgroup, Request};
use crate::sys;
use crate::timeline::Timeline;

/// The first descriptor that is not one of the three streams.
const FIRST: u32 = 3;

pub(super) const BUNDLE: Flag =
    Flag::with("bundle", "DIR", "the bundle [current directory]").short('b');
pub(super) const CONFIG: Flag =
    Flag::with("config", "FILE", "another file than the bundle's config.json").short('f');
pub(super) const PID_FILE: Flag =
    Flag::with("pid-file", "FILE", "where the process's id is written to");
pub(super) const CONSOLE: Flag =
    Flag::with("console-socket", "PATH", "socket that gets the terminal's master");
pub(super) const PRESERVE: Flag =
    Flag::with("preserve-fds", "N", "how many descriptors from 3 on are passed");
pub(super) const NO_PIVOT: Flag = Flag::plain("no-pivot", "refused: the root is always pivoted to");
pub(super) const NO_KEYRING: Flag =
    Flag::plain("no-new-keyring", "keep the caller's session keyring");

/// A container whose init waits.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) directory: Directory,
    pub(super) record: Record,
    pub(super) launched: Launched,
}

/// A process that is ready but for its program.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) pid: i32,
    pub(super) pidfd: OwnedFd,
    pub(super) sync: OwnedFd,
    pub(super) cgroup: OwnCgroup,
    /// The master of its terminal.
    pub(super) terminal: Option<OwnedFd>,
}

/// Executes this program again, from an image that nobody can write to: init is a copy of this
/// process, and a container may get hold of its `/proc/<pid>/exe` (CVE-2019-5736).
pub(super) fn protect() -> Result<(), CommandError> {
    if image::is_own() {
        return Ok(());
    }
    let failed = || CommandError::io("execute a read-only image of this program");
    let own = fs::read_link("/proc/self/exe").map_err(failed())?;
    let image = image::read_only(&own).map_err(failed())?;
    let mut words = std::env::args_os();
    let mut again = std::process::Command::new(image::path(&image));
    again.arg0(words.next().unwrap_or_default()).args(words);
    Err(failed()(again.exec()))
}

/// How many descriptors from 3 on the program gets, those of socket activation among them. All must
/// be there: a gap would be filled by one of ours.
pub(super) fn preserved(parsed: &Parsed) -> Result<u32, CommandError> {
    let count: u32 = parsed.number("preserve-fds")?.unwrap_or(0);
    let listening = std::env::var("LISTEN_FDS").ok().and_then(|text| text.parse().ok());
    let count = count.saturating_add(listening.unwrap_or(0));
    for at in FIRST..FIRST.saturating_add(count) {
        if fs::symlink_metadata(format!("/proc/self/fd/{at}")).is_err() {
            let why = format!("please check that preserved-fd {at} (of {count}) is present");
            return Err(CommandError::Usage(why));
        }
    }
    sys::process::close_on_exec_from(FIRST).map_err(CommandError::io("close_range"))?;
    Ok(count)
}

/// Makes a container of a bundle. With `gated`, its init waits in the state directory.
pub(super) fn make(globals: &Globals, parsed: &Parsed, gated: bool) -> Result<Made, CommandError> {
    if parsed.has("no-pivot") {
        return Err(CommandError::Usage("--no-pivot is not supported".to_owned()));
    }
    let id = parsed.id();
    directory::check_id(id)?;
    let preserved = preserved(parsed)?;
    // Before the working directory becomes the bundle.
    let pid_file = absolute(parsed.value("pid-file"))?;
    let console = absolute(parsed.value("console-socket"))?;
    let host = Host::probe();
    let mut bundle = Bundle::load(globals, parsed, id, &host)?;
    let terminal = bundle.plan.process.terminal;
    if terminal && gated && console.is_none() {
        let why = "cannot allocate tty in the background without a console socket";
        return Err(CommandError::Usage(why.to_owned()));
    }
    if !terminal && console.is_some() {
        let why = "cannot use console socket if the process has no terminal";
        return Err(CommandError::Usage(why.to_owned()));
    }
    if preserved > 0 && std::env::var_os("LISTEN_FDS").is_some() {
        let own = std::env::var("LISTEN_FDS").unwrap_or_default();
        bundle.plan.process.env.extend([format!("LISTEN_FDS={own}"), "LISTEN_PID=1".to_owned()]);
    }
    let directory = Directory::create(&globals.root, id)?;
    let gate = gated.then(|| directory.gate()).transpose();
    let mut record = record(id, &bundle);
    let made = gate.and_then(|gate| {
        let request = Request {
            plan: bundle.plan,
            kind: Kind::Container,
            rootfs: None,
            netns: None,
            target: None,
            stdio: if terminal { Stdio::Terminal } else { Stdio::Inherited },
            go: gate.map_or(Go::Told, Go::Gate),
            preserved,
            keeps_keyring: parsed.has("no-new-keyring"),
            timeline: Timeline::default(),
        };
        let mut launched =
            launch(request, &host.layout, |pid| hooks_before_root(&directory, &mut record, pid))?;
        finish(&directory, &mut record, &mut launched, console.as_deref(), pid_file.as_deref())
            .inspect_err(|_| undo(&launched))?;
        Ok(launched)
    });
    match made {
        Ok(launched) => Ok(Made { directory, record, launched }),
        Err(error) => {
            // What went wrong before counts; these are told of a container that is no more.
            let _ = directory.remove();
            hooks::run_all("poststop", &record.hooks.poststop, &record.state(Status::Stopped));
            Err(error)
        }
    }
}

/// Ends a process that was not yet let go.
pub(super) fn undo(launched: &Launched) {
    start::kill(&launched.pidfd);
    launched.cgroup.remove();
}

/// Starts a process and goes through init's handshake until it is ready. `on_hooks` is called with
/// the pid when it is time for the host's hooks.
pub(super) fn launch(
    request: Request,
    layout: &Layout,
    on_hooks: impl FnOnce(i32) -> Result<ContainerState, StepError>,
) -> Result<Launched, StepError> {
    let start::Started { pid, pidfd, sync, cgroup, rootfs } = start::start(request, layout)?;
    let mut launched = Launched { pid, pidfd, sync, cgroup, terminal: None };
    let mut on_hooks = Some(on_hooks);
    loop {
        let heard = handshake::receive::<FromInit>(&launched.sync);
        let next = match heard.map_err(|error| start::broken(&error)) {
            Ok(Some((FromInit::HooksDue, _))) => match on_hooks.take() {
                Some(run) => run(pid).and_then(|state| tell(&launched.sync, &state)),
                None => Ok(()),
            },
            Ok(Some((FromInit::Terminal, master))) => {
                launched.terminal = master;
                Ok(())
            }
            Ok(Some((FromInit::Ready(_), _))) => {
                drop(rootfs);
                return Ok(launched);
            }
            Ok(Some((FromInit::Failed(error), _))) => Err(error),
            Ok(Some((message @ FromInit::Listening(_), _))) => {
                let why = format!("{message:?} before it was ready");
                Err(StepError::refused("init", why, StepErrorKind::Other))
            }
            Ok(None) => {
                Err(StepError::refused("init", "ended before it was ready", StepErrorKind::Other))
            }
            Err(error) => Err(error),
        };
        if let Err(error) = next {
            undo(&launched);
            return Err(error);
        }
    }
}

/// Gives the word to run the program; returns when it runs. `listener` gets what its filter notifies of.
pub(super) fn release(
    sync: &OwnedFd,
    pidfd: BorrowedFd<'_>,
    listener: Option<&Listener>,
) -> Result<(), StepError> {
    let refused =
        |why: String| StepError::refused("handshake with init", why, StepErrorKind::Other);
    let broken = |error: HandshakeError| start::broken(&error);
    handshake::send(sync, &ToInit::Exec, None).map_err(broken)?;
    loop {
        match handshake::receive::<FromInit>(sync).map_err(broken)? {
            None => return Ok(()),
            Some((FromInit::Failed(error), _)) => return Err(error),
            Some((FromInit::Listening(number), _)) => {
                let nobody = || refused("nobody is to have its notifications".to_owned());
                listener.ok_or_else(nobody)?.hand(pidfd, number)?;
                handshake::send(sync, &ToInit::ListenerTaken, None).map_err(broken)?;
            }
            Some((message, _)) => {
                return Err(refused(format!("{message:?} came in place of the program")));
            }
        }
    }
}

/// Writes the process's id for those who wait for the file.
pub(super) fn write_pid(path: &Path, pid: i32) -> Result<(), CommandError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    fs::write(&temporary, pid.to_string())
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(CommandError::io(format!("write {path:?}")))
}

/// An absolute form of a path that was given.
pub(super) fn absolute(path: Option<&str>) -> Result<Option<PathBuf>, CommandError> {
    path.map(|path| std::path::absolute(path).map_err(CommandError::io(format!("path {path:?}"))))
        .transpose()
}

fn record(id: &str, bundle: &Bundle) -> Record {
    let Bundle { path, config, spec, plan } = bundle;
    let annotations = spec.annotations().iter().flatten();
    Record {
        version: VERSION,
        oci_version: spec.version().clone(),
        id: id.to_owned(),
        bundle: path.clone(),
        rootfs: plan.root.path.clone().unwrap_or_default(),
        pid: 0,
        start_ticks: 0,
        created: Timestamp::now().to_string(),
        owner: owner(),
        cgroup: plan.cgroup.path.clone(),
        unit: plan.cgroup.unit.clone(),
        creating: true,
        annotations: annotations.map(|(key, value)| (key.clone(), value.clone())).collect(),
        hooks: Hooks {
            poststart: plan.hooks.poststart.clone(),
            poststop: plan.hooks.poststop.clone(),
            ..Hooks::default()
        },
        config: config.clone(),
    }
}

/// The name of the user who calls; the number if there is no name.
fn owner() -> String {
    let uid = rustix::process::getuid().as_raw();
    if uid == 0 {
        return "root".to_owned();
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| uid.to_string())
}

/// The hooks of the host's side, in the moment before init enters the root.
fn hooks_before_root(
    directory: &Directory,
    record: &mut Record,
    pid: i32,
) -> Result<ContainerState, StepError> {
    let spec = record.spec().map_err(|error| refused(&error))?;
    let hooks = crate::plan::hooks_of(&spec)
        .map_err(|error| StepError::refused("hooks", error.to_string(), StepErrorKind::Other))?;
    record.pid = pid;
    record.start_ticks = process::start_ticks(pid);
    // Hooks may ask for the state.
    directory.write(record).map_err(|error| refused(&error))?;
    let state = record.state(Status::Creating);
    hooks::run("prestart", &hooks.prestart, &state)?;
    hooks::run("createRuntime", &hooks.create_runtime, &state)?;
    Ok(state)
}

fn refused(error: &CommandError) -> StepError {
    StepError::refused("state directory", error.to_string(), StepErrorKind::Other)
}

/// Answers init with the state, in a file because annotations may be long.
fn tell(sync: &OwnedFd, state: &ContainerState) -> Result<(), StepError> {
    const STEP: &str = "hooks";
    let memory =
        memfd_create("state", MemfdFlags::CLOEXEC).attempt(STEP, || "memfd_create".to_owned())?;
    let mut file = fs::File::from(memory);
    let text = serde_json::to_vec(state)
        .map_err(|error| StepError::refused(STEP, error.to_string(), StepErrorKind::Other))?;
    file.write_all(&text)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .attempt(STEP, || "write(memfd)".to_owned())?;
    handshake::send(sync, &ToInit::HooksDone, Some(file.as_fd()))
        .map_err(|error| start::broken(&error))
}

/// What has to be in place before the caller hears that the container is made.
fn finish(
    directory: &Directory,
    record: &mut Record,
    launched: &mut Launched,
    console: Option<&Path>,
    pid_file: Option<&Path>,
) -> Result<(), CommandError> {
    if let (Some(console), Some(master)) =
        (console, launched.terminal.take_if(|_| console.is_some()))
    {
        terminal::send(console, &master)?;
    }
    record.pid = launched.pid;
    record.start_ticks = process::start_ticks(launched.pid);
    record.creating = false;
    directory.write(record)?;
    pid_file.map_or(Ok(()), |path| write_pid(path, launched.pid))
}
