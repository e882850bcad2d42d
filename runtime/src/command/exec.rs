//! `exec`: a further process in a running container.

use std::fs;
use std::os::fd::AsFd;
use std::process::ExitCode;

use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities, Process, Spec};

use super::arguments::{Flag, Parsed};
use super::bundle;
use super::directory::Directory;
use super::error::CommandError;
use super::make::{self, Launched};
use super::notify::Listener;
use super::record::Record;
use super::supervise::{self, Signals};
use super::{Globals, Verb, terminal};
use crate::error::{StepError, StepErrorKind};
use crate::hooks::Status;
use crate::init::{Go, Stdio};
use crate::launch::Kind;
use crate::plan::{self, Extras, Host};
use crate::start::Request;
use crate::timeline::Timeline;

pub(super) const VERB: Verb = Verb {
    name: "exec",
    operands: "<container-id> <command> [arguments]",
    about: "run a further process in a container",
    flags: &[
        make::CONSOLE,
        make::PID_FILE,
        make::PRESERVE,
        Flag::with("cwd", "DIR", "working directory"),
        Flag::with("env", "NAME=VALUE", "a further variable; may be repeated").short('e'),
        Flag::plain("tty", "give it a terminal").short('t'),
        Flag::with("user", "UID[:GID]", "who it runs as").short('u'),
        Flag::with("additional-gids", "GID", "a further group; may be repeated").short('g'),
        Flag::with("process", "FILE", "the process as the spec writes it").short('p'),
        Flag::plain("detach", "do not wait for it").short('d'),
        Flag::with("process-label", "LABEL", "SELinux label"),
        Flag::with("apparmor", "PROFILE", "AppArmor profile"),
        Flag::with("cgroup", "PATH", "a group below the container's own"),
        Flag::plain("no-new-privs", "no privileges by an exec"),
        Flag::with("cap", "NAME", "a further capability; may be repeated").short('c'),
        Flag::plain("ignore-paused", "allow it in a paused container"),
        Flag::plain("no-subreaper", "accepted for runc's sake"),
    ],
    count: (1, usize::MAX),
    ends_at_operand: true,
    failure: 255,
    run,
};

fn run(globals: &Globals, parsed: &Parsed) -> Result<ExitCode, CommandError> {
    make::protect()?;
    let id = parsed.id();
    let preserved = make::preserved(parsed)?;
    let pid_file = make::absolute(parsed.value("pid-file"))?;
    let console = make::absolute(parsed.value("console-socket"))?;
    let directory = Directory::open(&globals.root, id)?;
    let record = directory.read(id)?;
    let host = Host::probe();
    match record.status(&directory, &host.layout) {
        Status::Created | Status::Running => {}
        Status::Paused if parsed.has("ignore-paused") => {}
        Status::Paused => {
            let why = "cannot exec in a paused container (use --ignore-paused to override)";
            return Err(CommandError::State(why.to_owned()));
        }
        _ => return Err(CommandError::State("cannot exec in a stopped container".to_owned())),
    }
    let detach = parsed.has("detach");
    let request = request(&record, parsed, &host, preserved)?;
    let has_terminal = request.plan.process.terminal;
    if has_terminal && detach && console.is_none() {
        let why = "cannot allocate tty in the background without a console socket";
        return Err(CommandError::Usage(why.to_owned()));
    }
    if console.is_some() && !(has_terminal && detach) {
        let why = "a console socket is for a tty in the background";
        return Err(CommandError::Usage(why.to_owned()));
    }
    let signals = if detach { None } else { Some(Signals::block()?) };
    let mut launched = make::launch(request, &host.layout, |_| {
        Err(StepError::refused("hooks", "an exec has none", StepErrorKind::Other))
    })
    .map_err(CommandError::Exec)?;
    let run = |launched: &mut Launched| {
        if let (Some(console), Some(master)) = (&console, launched.terminal.take_if(|_| detach)) {
            terminal::send(console, &master)?;
        }
        pid_file.as_deref().map_or(Ok(()), |path| make::write_pid(path, launched.pid))?;
        let listener = Listener::of(&record, launched.pid, Status::Running);
        let released = make::release(&launched.sync, launched.pidfd.as_fd(), listener.as_ref());
        released.map_err(CommandError::Exec)
    };
    run(&mut launched).inspect_err(|_| make::undo(&launched))?;
    match signals {
        Some(signals) => supervise::wait(&launched, &signals),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn request(
    record: &Record,
    parsed: &Parsed,
    host: &Host,
    preserved: u32,
) -> Result<Request, CommandError> {
    let mut spec = record.spec()?;
    if let Some(linux) = spec.linux_mut() {
        let below = parsed.value("cgroup").unwrap_or_default();
        let path = format!("{}/{below}", record.cgroup);
        linux.set_cgroups_path(Some(path.trim_end_matches('/').into()));
    }
    let process = process(&spec, parsed)?;
    let plan = plan::compile_exec(&spec, &process, &Extras::default(), host)?;
    let terminal = plan.process.terminal;
    Ok(Request {
        plan,
        kind: Kind::Exec,
        rootfs: None,
        netns: None,
        target: Some(record.pidfd()?),
        stdio: if terminal { Stdio::Terminal } else { Stdio::Inherited },
        go: Go::Told,
        preserved,
        keeps_keyring: false,
        timeline: Timeline::default(),
    })
}

/// The process of a file, or the container's own with what the flags change.
fn process(spec: &Spec, parsed: &Parsed) -> Result<Process, CommandError> {
    if let Some(path) = parsed.value("process") {
        let text = fs::read_to_string(path).map_err(CommandError::io(format!("open {path:?}")))?;
        return bundle::parse(&text)
            .map_err(|what| CommandError::Config { path: path.into(), what });
    }
    let mut process = spec.process().clone().unwrap_or_default();
    let args = parsed.operands[1..].to_vec();
    if args.is_empty() {
        return Err(CommandError::Usage("process args cannot be empty".to_owned()));
    }
    process.set_args(Some(args));
    process.set_terminal(Some(parsed.has("tty")));
    process.set_console_size(None);
    if let Some(cwd) = parsed.value("cwd") {
        process.set_cwd(cwd.into());
    }
    if let Some(label) = parsed.value("process-label") {
        process.set_selinux_label(Some(label.to_owned()));
    }
    if let Some(profile) = parsed.value("apparmor") {
        process.set_apparmor_profile(Some(profile.to_owned()));
    }
    if parsed.has("no-new-privs") {
        process.set_no_new_privileges(Some(true));
    }
    let mut env = process.env().clone().unwrap_or_default();
    for variable in parsed.all("env") {
        let name = variable.split_once('=').map_or(variable, |(name, _)| name);
        env.retain(|other| other.split_once('=').is_none_or(|(other, _)| other != name));
        env.push(variable.to_owned());
    }
    process.set_env(Some(env));
    add_capabilities(&mut process, parsed)?;
    set_user(&mut process, parsed)?;
    Ok(process)
}

fn add_capabilities(process: &mut Process, parsed: &Parsed) -> Result<(), CommandError> {
    let named = |name: &str| {
        serde_json::from_str::<Capability>(&format!("{:?}", name.to_ascii_uppercase()))
            .map_err(|_| CommandError::Usage(format!("unknown capability {name:?}")))
    };
    let wanted: Vec<Capability> = parsed.all("cap").map(named).collect::<Result<_, _>>()?;
    if wanted.is_empty() {
        return Ok(());
    }
    let mut all = process.capabilities().clone().unwrap_or_else(|| {
        let mut none = LinuxCapabilities::default();
        let empty = || Some(Capabilities::default());
        none.set_bounding(empty()).set_effective(empty()).set_permitted(empty());
        none.set_inheritable(empty()).set_ambient(empty());
        none
    });
    let with = |set: &Option<Capabilities>| {
        let mut set = set.clone().unwrap_or_default();
        set.extend(wanted.iter().copied());
        Some(set)
    };
    let (bounding, effective) = (with(all.bounding()), with(all.effective()));
    let permitted = with(all.permitted());
    all.set_bounding(bounding).set_effective(effective).set_permitted(permitted);
    process.set_capabilities(Some(all));
    Ok(())
}

fn set_user(process: &mut Process, parsed: &Parsed) -> Result<(), CommandError> {
    let number = |text: &str| {
        text.parse::<u32>().map_err(|_| {
            CommandError::Usage(format!("parsing {text} as a user or group id failed"))
        })
    };
    let mut user = process.user().clone();
    if let Some(wanted) = parsed.value("user") {
        let (uid, gid) = wanted.split_once(':').map_or((wanted, None), |(u, g)| (u, Some(g)));
        user.set_uid(number(uid)?);
        if let Some(gid) = gid {
            user.set_gid(number(gid)?);
        }
    }
    let more = parsed.all("additional-gids").map(number).collect::<Result<Vec<_>, _>>()?;
    if !more.is_empty() {
        let mut groups = user.additional_gids().clone().unwrap_or_default();
        groups.extend(more);
        user.set_additional_gids(Some(groups));
    }
    process.set_user(user);
    Ok(())
}
