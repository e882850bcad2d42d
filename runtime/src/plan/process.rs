//! The program of a plan: arguments, user, capabilities, limits.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{Linux, LinuxCapabilities, PosixRlimit, PosixRlimitType};

use super::compile::{inner_path, invalid, missing};
use super::{
    Attribute, Attributes, Capabilities, Extras, Host, Mount, MountKind, PlanError, Process,
    Rlimit, User, refuse, scheduling,
};
use crate::caps::CapabilitySet;
use crate::seccomp::{self, Program};

/// Where the program for `--init` is seen in the container.
const INIT_PATH: &str = "/sbin/docker-init";

/// Bounds of oom_score_adj; proc_pid_oom_score_adj(5).
const OOM_SCORES: std::ops::RangeInclusive<i32> = -1000..=1000;

/// Highest console size; ioctl_tty(2) counts in 16 bits.
const CONSOLE_MAX: u64 = u16::MAX as u64;

/// Compiles `process`; `at` is its JSON path.
pub(super) fn compile(
    process: &oci_spec::runtime::Process,
    extras: &Extras,
    host: &Host,
    at: &str,
) -> Result<Process, PlanError> {
    refuse::process(process, host, at)?;
    let label = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let args = process.args().clone().filter(|args| !args.is_empty());
    let oom_score_adj = process.oom_score_adj();
    if oom_score_adj.is_some_and(|score| !OOM_SCORES.contains(&score)) {
        return Err(invalid(format!("{at}.oomScoreAdj"), "not in the range -1000 to 1000"));
    }
    let console_size = process.console_size().filter(|size| size.height() + size.width() > 0);
    let console_size = console_size.map(|size| {
        let fit = |value: u64| u16::try_from(value.min(CONSOLE_MAX)).unwrap_or(u16::MAX);
        (fit(size.height()), fit(size.width()))
    });
    Ok(Process {
        args: args.ok_or_else(|| missing(&format!("{at}.args")))?,
        env: process.env().clone().unwrap_or_default(),
        cwd: inner_cwd(process.cwd(), at)?,
        make_cwd: extras.make_cwd,
        user: user(process.user(), extras),
        capabilities: capabilities(process.capabilities().as_ref(), host),
        no_new_privileges: process.no_new_privileges().unwrap_or(false),
        rlimits: rlimits(process.rlimits().as_deref().unwrap_or_default(), at)?,
        oom_score_adj,
        umask: process.user().umask(),
        terminal: process.terminal().unwrap_or(false),
        console_size,
        scheduler: scheduling::scheduler(process.scheduler().as_ref(), at)?,
        io_priority: scheduling::io_priority(process.io_priority().as_ref(), at)?,
        affinity: None,
        personality: None,
        memory_policy: None,
        selinux_label: label(process.selinux_label()),
        apparmor_profile: label(process.apparmor_profile()),
    })
}

/// Binds the host's init program and runs the container's program through it.
pub(super) fn put_init_before(process: &mut Process, program: &Path) -> Mount {
    let before = [INIT_PATH.to_owned(), "--".to_owned()];
    process.args.splice(0..0, before);
    let attributes = Attributes { set: vec![Attribute::ReadOnly], ..Attributes::default() };
    let what =
        MountKind::Bind { source: program.to_owned(), recursive: false, beneath: None, ids: None };
    Mount { target: PathBuf::from(INIT_PATH), what, attributes, propagation: None }
}

/// The filter of a container, compiled.
pub(super) fn seccomp(linux: &Linux) -> Result<Option<Program>, PlanError> {
    let Some(profile) = linux.seccomp() else {
        return Ok(None);
    };
    let program = seccomp::compile(profile)?;
    if program.notifies() && profile.listener_path().as_ref().is_none_or(|path| !path.is_absolute())
    {
        let why = "SCMP_ACT_NOTIFY needs an absolute path";
        return Err(invalid("linux.seccomp.listenerPath", why));
    }
    Ok(Some(program))
}

fn inner_cwd(cwd: &Path, at: &str) -> Result<PathBuf, PlanError> {
    if cwd.as_os_str().is_empty() {
        return Ok(PathBuf::from("/"));
    }
    inner_path(cwd, &format!("{at}.cwd"))
}

fn user(user: &oci_spec::runtime::User, extras: &Extras) -> User {
    let (uid, gid) = (user.uid(), user.gid());
    match &extras.user {
        Some(name) => User::Name { user: name.clone(), group_add: extras.group_add.clone() },
        None if extras.group_add.is_empty() => {
            let groups = user.additional_gids().clone().unwrap_or_default();
            User::Id { uid, gid, groups }
        }
        None => User::Name { user: format!("{uid}:{gid}"), group_add: extras.group_add.clone() },
    }
}

/// The sets that the spec names, within what the host's processes themselves have. The ambient set
/// is what permitted and inheritable allow; capabilities(7).
fn capabilities(wanted: Option<&LinuxCapabilities>, host: &Host) -> Capabilities {
    let Some(wanted) = wanted else {
        return Capabilities::default();
    };
    let set = |listed: &Option<oci_spec::runtime::Capabilities>| {
        listed
            .iter()
            .flatten()
            .filter_map(|capability| CapabilitySet::named(&capability.to_string()))
            .fold(CapabilitySet::EMPTY, CapabilitySet::union)
            .intersection(host.bounding)
    };
    let permitted = set(wanted.permitted());
    let inheritable = set(wanted.inheritable());
    Capabilities {
        bounding: set(wanted.bounding()),
        permitted,
        effective: set(wanted.effective()).intersection(permitted),
        inheritable,
        ambient: set(wanted.ambient()).intersection(permitted).intersection(inheritable),
    }
}

fn rlimits(limits: &[PosixRlimit], at: &str) -> Result<Vec<Rlimit>, PlanError> {
    let mut all: Vec<Rlimit> = Vec::new();
    for (index, limit) in limits.iter().enumerate() {
        let field = format!("{at}.rlimits[{index}]");
        let resource = rlimit_number(limit.typ());
        if limit.soft() > limit.hard() {
            return Err(invalid(field, "the soft limit is above the hard limit"));
        }
        if all.iter().any(|other| other.resource == resource) {
            return Err(invalid(field, "the resource is listed twice"));
        }
        all.push(Rlimit { resource, soft: limit.soft(), hard: limit.hard() });
    }
    Ok(all)
}

fn rlimit_number(kind: PosixRlimitType) -> u32 {
    match kind {
        PosixRlimitType::RlimitCpu => libc::RLIMIT_CPU,
        PosixRlimitType::RlimitFsize => libc::RLIMIT_FSIZE,
        PosixRlimitType::RlimitData => libc::RLIMIT_DATA,
        PosixRlimitType::RlimitStack => libc::RLIMIT_STACK,
        PosixRlimitType::RlimitCore => libc::RLIMIT_CORE,
        PosixRlimitType::RlimitRss => libc::RLIMIT_RSS,
        PosixRlimitType::RlimitNproc => libc::RLIMIT_NPROC,
        PosixRlimitType::RlimitNofile => libc::RLIMIT_NOFILE,
        PosixRlimitType::RlimitMemlock => libc::RLIMIT_MEMLOCK,
        PosixRlimitType::RlimitAs => libc::RLIMIT_AS,
        PosixRlimitType::RlimitLocks => libc::RLIMIT_LOCKS,
        PosixRlimitType::RlimitSigpending => libc::RLIMIT_SIGPENDING,
        PosixRlimitType::RlimitMsgqueue => libc::RLIMIT_MSGQUEUE,
        PosixRlimitType::RlimitNice => libc::RLIMIT_NICE,
        PosixRlimitType::RlimitRtprio => libc::RLIMIT_RTPRIO,
        PosixRlimitType::RlimitRttime => libc::RLIMIT_RTTIME,
    }
}
