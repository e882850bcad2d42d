//! OCI spec in, plan out.

use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::{Linux, LinuxNamespaceType, LinuxResources, Spec};

use super::{
    Extras, Host, JoinByPath, Namespace, Namespaces, Plan, PlanError, Root, Sysctl, TimeOffset,
    affinity, devices, hooks, identity, memory_policy, mounts, net_devices, process, refuse,
    scheduling,
};
use crate::cgroup;

/// Group of a container whose spec names none, below the root of every hierarchy.
const CGROUP_DEFAULT: &str = "/jocker/default";

/// Compiles the plan of a container's first process.
pub fn compile(spec: &Spec, extras: &Extras, host: &Host) -> Result<Plan, PlanError> {
    let linux = linux(spec)?;
    refuse::spec(spec)?;
    refuse::linux(linux, host)?;
    let process = spec.process().as_ref().ok_or_else(|| missing("process"))?;
    let namespaces = namespaces(linux)?;
    let cgroup = cgroup_plan(linux, host)?;
    let (hostname, domainname) = names(spec, &namespaces)?;
    let sysctls = sysctls(linux, &namespaces)?;
    let differs = |sysctl: &Sysctl| {
        sysctl.path == Path::new("kernel/domainname") && Some(&sysctl.value) != domainname.as_ref()
    };
    if domainname.is_some() && sysctls.iter().any(differs) {
        return Err(invalid("linux.sysctl[\"kernel.domainname\"]", "domainname is another"));
    }
    let mut mounts = mounts::compile(spec, namespaces.user.as_ref(), &cgroup.path, host)?;
    mounts::take_parts(&mut mounts, &extras.parts)?;
    let mut process = process::compile(process, extras, host, "process")?;
    process.personality = scheduling::personality(linux)?;
    process.memory_policy = memory_policy::compile(linux)?;
    if let Some(init) = &extras.init {
        mounts.push(process::put_init_before(&mut process, init));
    }
    Ok(Plan {
        root: root(spec, linux)?,
        devices: devices::compile(linux, &mounts)?,
        masked_paths: inner_paths(linux.masked_paths(), "linux.maskedPaths")?,
        readonly_paths: inner_paths(linux.readonly_paths(), "linux.readonlyPaths")?,
        hostname,
        domainname,
        sysctls,
        seccomp: process::seccomp(linux)?,
        hooks: hooks::compile(spec.hooks().as_ref())?,
        namespaces,
        mounts,
        cgroup,
        process,
    })
}

/// Compiles the plan of a process added to the running container of `spec`.
pub fn compile_exec(
    spec: &Spec,
    process: &oci_spec::runtime::Process,
    extras: &Extras,
    host: &Host,
) -> Result<Plan, PlanError> {
    let linux = linux(spec)?;
    let of_container = namespaces(linux)?;
    let of_target = of_container
        .create
        .iter()
        .copied()
        .chain(of_container.join.iter().map(|join| join.kind))
        .collect();
    let mut cgroup = cgroup_plan(linux, host)?;
    cgroup.unit = None;
    cgroup.limits.clear();
    cgroup.devices.clear();
    let affinity = affinity::compile(process.exec_cpu_affinity().as_ref(), "process")?;
    let mut process = process::compile(process, extras, host, "process")?;
    process.personality = scheduling::personality(linux)?;
    process.memory_policy = memory_policy::compile(linux)?;
    process.affinity = affinity;
    Ok(Plan {
        namespaces: Namespaces { of_target, ..Namespaces::default() },
        root: Root::default(),
        mounts: Vec::new(),
        devices: Vec::new(),
        masked_paths: Vec::new(),
        readonly_paths: Vec::new(),
        hostname: None,
        domainname: None,
        sysctls: Vec::new(),
        seccomp: process::seccomp(linux)?,
        hooks: hooks::Hooks::default(),
        process,
        cgroup,
    })
}

pub(super) fn missing(path: &str) -> PlanError {
    PlanError::Missing { path: path.to_owned() }
}

pub(super) fn invalid(path: impl Into<String>, why: impl Into<String>) -> PlanError {
    PlanError::Invalid { path: path.into(), why: why.into() }
}

/// A path inside the container: absolute, without `..`.
pub(super) fn inner_path(path: &Path, field: &str) -> Result<PathBuf, PlanError> {
    if !path.is_absolute() {
        return Err(invalid(field, format!("{path:?} is not absolute")));
    }
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(invalid(field, format!("{path:?} has \"..\" in it")));
    }
    // Collecting the components drops "." and repeated slashes.
    Ok(path.components().collect())
}

fn inner_paths(paths: &Option<Vec<String>>, field: &str) -> Result<Vec<PathBuf>, PlanError> {
    let paths = paths.as_deref().unwrap_or_default();
    paths
        .iter()
        .enumerate()
        .map(|(at, path)| inner_path(Path::new(path), &format!("{field}[{at}]")))
        .collect()
}

fn linux(spec: &Spec) -> Result<&Linux, PlanError> {
    spec.linux().as_ref().ok_or_else(|| missing("linux"))
}

fn namespaces(linux: &Linux) -> Result<Namespaces, PlanError> {
    let mut all = Namespaces::default();
    let listed = linux.namespaces().as_deref().unwrap_or_default();
    for (at, namespace) in listed.iter().enumerate() {
        let field = format!("linux.namespaces[{at}]");
        let kind = match namespace.typ() {
            LinuxNamespaceType::Mount => Namespace::Mount,
            LinuxNamespaceType::Pid => Namespace::Pid,
            LinuxNamespaceType::Network => Namespace::Network,
            LinuxNamespaceType::Ipc => Namespace::Ipc,
            LinuxNamespaceType::Uts => Namespace::Uts,
            LinuxNamespaceType::Cgroup => Namespace::Cgroup,
            LinuxNamespaceType::User => Namespace::User,
            LinuxNamespaceType::Time => Namespace::Time,
        };
        if all.has(kind) {
            return Err(invalid(field, "the kind is listed twice"));
        }
        match namespace.path() {
            None => all.create.push(kind),
            Some(path) if path.as_os_str().is_empty() => all.create.push(kind),
            Some(path) => all.join.push(JoinByPath { kind, path: path.clone() }),
        }
    }
    if !all.has(Namespace::Mount) {
        return Err(invalid("linux.namespaces", "a container needs a mount namespace of its own"));
    }
    // The last, because the paths of the others are not for there.
    all.join.sort_by_key(|join| join.kind == Namespace::Mount);
    all.user = identity::user_namespace(linux, &all)?;
    all.time_offsets = time_offsets(linux, &all)?;
    all.net_devices = net_devices::compile(linux, &all)?;
    Ok(all)
}

fn time_offsets(linux: &Linux, namespaces: &Namespaces) -> Result<Vec<TimeOffset>, PlanError> {
    let listed = linux.time_offsets().iter().flatten();
    let mut all = listed
        .map(|(clock, offset)| match clock.as_str() {
            "monotonic" | "boottime" => Ok(TimeOffset {
                clock: clock.clone(),
                seconds: offset.secs().unwrap_or(0),
                nanoseconds: offset.nanosecs().unwrap_or(0),
            }),
            _ => Err(invalid(format!("linux.timeOffsets.{clock}"), "there is no such clock")),
        })
        .collect::<Result<Vec<_>, _>>()?;
    if !all.is_empty() && !namespaces.create.contains(&Namespace::Time) {
        return Err(invalid("linux.timeOffsets", "the container has no time namespace of its own"));
    }
    all.sort_by(|one, other| one.clock.cmp(&other.clock));
    Ok(all)
}

fn cgroup_plan(linux: &Linux, host: &Host) -> Result<cgroup::CgroupPlan, PlanError> {
    let path = match linux.cgroups_path() {
        Some(path) => path.to_str().ok_or_else(|| invalid("linux.cgroupsPath", "not UTF-8"))?,
        None => CGROUP_DEFAULT,
    };
    let none = LinuxResources::default();
    cgroup::plan(linux.resources().as_ref().unwrap_or(&none), path, &host.layout)
}

fn root(spec: &Spec, linux: &Linux) -> Result<Root, PlanError> {
    let root = spec.root().as_ref();
    let propagation = linux
        .rootfs_propagation()
        .as_deref()
        .filter(|name| !name.is_empty())
        .map(|name| {
            mounts::propagation(name)
                .ok_or_else(|| invalid("linux.rootfsPropagation", format!("{name:?} is unknown")))
        })
        .transpose()?;
    Ok(Root {
        path: root.map(|root| root.path().clone()).filter(|path| !path.as_os_str().is_empty()),
        readonly: root.and_then(oci_spec::runtime::Root::readonly).unwrap_or(false),
        propagation,
    })
}

fn names(
    spec: &Spec,
    namespaces: &Namespaces,
) -> Result<(Option<String>, Option<String>), PlanError> {
    let own = namespaces.has(Namespace::Uts);
    let check = |name: &Option<String>, field: &str| match name.as_deref() {
        None | Some("") => Ok(None),
        Some(_) if !own => Err(invalid(field, "the container has no uts namespace of its own")),
        Some(name) => Ok(Some(name.to_owned())),
    };
    Ok((check(spec.hostname(), "hostname")?, check(spec.domainname(), "domainname")?))
}

fn sysctls(linux: &Linux, namespaces: &Namespaces) -> Result<Vec<Sysctl>, PlanError> {
    let Some(listed) = linux.sysctl() else {
        return Ok(Vec::new());
    };
    let mut all = listed
        .iter()
        .map(|(key, value)| {
            let field = format!("linux.sysctl[{key:?}]");
            let path = PathBuf::from(sysctl_path(key));
            if path.components().any(|part| !matches!(part, Component::Normal(_))) {
                return Err(invalid(field, "not the name of a kernel parameter"));
            }
            if !namespaces.owns_sysctl(&path) {
                return Err(invalid(field, "not in a namespace of the container's own"));
            }
            Ok(Sysctl { path, value: value.clone() })
        })
        .collect::<Result<Vec<_>, _>>()?;
    all.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(all)
}

/// `a.b.c` and `a/b/c` name the same parameter; in the first form a `/` stands for a dot of the
/// name, in the second a dot; sysctl.d(5).
fn sysctl_path(key: &str) -> String {
    let separator = key.find(['.', '/']).map_or('.', |at| char::from(key.as_bytes()[at]));
    if separator == '/' {
        return key.to_owned();
    }
    key.chars()
        .map(|character| match character {
            '.' => '/',
            '/' => '.',
            other => other,
        })
        .collect()
}

impl Namespaces {
    pub(super) fn has(&self, kind: Namespace) -> bool {
        self.create.contains(&kind) || self.join.iter().any(|join| join.kind == kind)
    }

    /// Whether a kernel parameter belongs to a namespace that the container does not share with the
    /// host; namespaces(7).
    fn owns_sysctl(&self, path: &Path) -> bool {
        const IPC: [&str; 9] = [
            "kernel/msgmax",
            "kernel/msgmnb",
            "kernel/msgmni",
            "kernel/sem",
            "kernel/shmall",
            "kernel/shmmax",
            "kernel/shmmni",
            "kernel/shm_rmid_forced",
            "kernel/auto_msgmni",
        ];
        // The host name has a field of its own in the spec.
        const UTS: [&str; 1] = ["kernel/domainname"];
        let is = |names: &[&str]| names.iter().any(|name| path == Path::new(name));
        if path.starts_with("net") {
            self.has(Namespace::Network)
        } else if path.starts_with("fs/mqueue") || is(&IPC) {
            self.has(Namespace::Ipc)
        } else {
            is(&UTS) && self.has(Namespace::Uts)
        }
    }
}

#[cfg(test)]
mod tests;
