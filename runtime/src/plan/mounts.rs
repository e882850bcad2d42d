//! OCI mounts in, mount operations out: fstab options sorted into attributes, propagation and
//! parameters; config.md "Mounts".

use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;

use super::compile::{inner_path, invalid};
use super::refuse::unsupported;
use super::{
    Attribute, Attributes, CgroupBind, Host, Mount, MountIds, MountKind, Part, PlanError,
    Propagation, PropagationKind, UserNamespace, identity,
};
use crate::cgroup::Layout;

/// Files below `/proc` that a mount may cover: what lxcfs and its kin provide.
const PROCFS_COVERABLE: [&str; 11] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/net/dev",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
];

/// File systems whose super block is never made read-only: the mount's attribute is enough, and they
/// may be shared.
const ATTRIBUTE_ONLY: [&str; 6] = ["tmpfs", "proc", "sysfs", "mqueue", "devpts", "cgroup2"];

/// File systems that take no label when they are mounted: their files have labels of their own.
const LABELLED_BY_THEMSELVES: [&str; 3] = ["proc", "sysfs", "mqueue"];

/// What the options of one mount ask for.
#[derive(Debug, Default)]
struct Options {
    attributes: Attributes,
    propagation: Option<Propagation>,
    bind: Option<bool>,
    parameters: Vec<(String, Option<String>)>,
    copy_up: bool,
    /// `idmap`, and `true` for `ridmap`.
    id_mapped: Option<bool>,
}

/// The mounts of a spec in its order; control groups and what lies below them come last, because
/// they have to wait until the process is in its groups.
pub(super) fn compile(
    spec: &Spec,
    user: Option<&UserNamespace>,
    cgroup: &str,
    host: &Host,
) -> Result<Vec<Mount>, PlanError> {
    let label = spec.linux().as_ref().and_then(|linux| linux.mount_label().as_deref());
    let label = label.filter(|label| !label.is_empty());
    let listed = spec.mounts().as_deref().unwrap_or_default();
    let mut mounts = listed
        .iter()
        .enumerate()
        .map(|(at, mount)| one(mount, &format!("mounts[{at}]"), user, cgroup, host))
        .map(|mount| mount.map(|mount| labelled(mount, label)))
        .collect::<Result<Vec<_>, _>>()?;
    let group = mounts.iter().find(|mount| matches!(mount.what, MountKind::Cgroup { .. }));
    if let Some(group) = group.map(|mount| mount.target.clone()) {
        mounts.sort_by_key(|mount| mount.target.starts_with(&group));
    }
    Ok(mounts)
}

/// Has mounts begin at parts of what they are of, not at what a path leads to.
pub(super) fn take_parts(mounts: &mut [Mount], parts: &[Part]) -> Result<(), PlanError> {
    for part in parts {
        let target = inner_path(&part.target, "extras.parts")?;
        // The last mount on a place is the one that is seen there.
        let mut of_target = mounts.iter_mut().rev().filter(|mount| mount.target == target);
        match of_target.next().map(|mount| &mut mount.what) {
            Some(MountKind::Bind { source, beneath, .. }) => {
                source.clone_from(&part.root);
                *beneath = Some(part.beneath.clone());
            }
            Some(MountKind::Filesystem { fstype, beneath, .. }) if fstype == "overlay" => {
                *beneath = Some(part.beneath.clone());
            }
            _ => return Err(invalid("extras.parts", "a part belongs to a bind or an overlay")),
        }
    }
    Ok(())
}

/// Whether a mount on this path may lie on a procfs.
pub(crate) fn may_cover_procfs(target: &Path) -> bool {
    target == Path::new("/proc") || PROCFS_COVERABLE.iter().any(|path| target == Path::new(path))
}

/// `rprivate` and its kin.
pub(super) fn propagation(name: &str) -> Option<Propagation> {
    let (recursive, kind) = match name.strip_prefix('r') {
        Some(kind) => (true, kind),
        None => (false, name),
    };
    let kind = match kind {
        "shared" => PropagationKind::Shared,
        "slave" => PropagationKind::Slave,
        "private" => PropagationKind::Private,
        "unbindable" => PropagationKind::Unbindable,
        _ => return None,
    };
    Some(Propagation { kind, recursive })
}

fn one(
    mount: &oci_spec::runtime::Mount,
    field: &str,
    user: Option<&UserNamespace>,
    cgroup: &str,
    host: &Host,
) -> Result<Mount, PlanError> {
    let target = inner_path(mount.destination(), &format!("{field}.destination"))?;
    let fstype = mount.typ().as_deref().unwrap_or_default();
    let mut options = Options::default();
    for option in mount.options().as_deref().unwrap_or_default() {
        options.take(option, field)?;
    }
    let ids = mount_ids(mount, options.id_mapped, user, field)?;
    let source = mount.source().as_ref();
    let bind = options.bind.or((fstype == "bind").then_some(false));
    let what = match bind {
        Some(recursive) => {
            let source = source.filter(|source| source.is_absolute()).ok_or_else(|| {
                invalid(format!("{field}.source"), "a bind needs an absolute path")
            })?;
            MountKind::Bind { source: source.clone(), recursive, beneath: None, ids }
        }
        None if ids.is_some() => {
            let why = "only what is bound can have other owners";
            return Err(unsupported(format!("{field}.uidMappings"), why));
        }
        None if fstype == "cgroup" || fstype == "cgroup2" => {
            MountKind::Cgroup { groups: groups(cgroup, &host.layout) }
        }
        None if fstype.is_empty() || fstype == "none" => {
            return Err(invalid(format!("{field}.type"), "neither a file system nor a bind"));
        }
        None => filesystem(fstype, source, &mut options),
    };
    if options.copy_up && fstype != "tmpfs" {
        return Err(invalid(format!("{field}.options"), "\"tmpcopyup\" is for a tmpfs"));
    }
    check_target(&target, &what, field)?;
    Ok(Mount { target, what, attributes: options.attributes, propagation: options.propagation })
}

/// Has new files of a file system labelled; `linux.mountLabel`, and "mounting with a context" of SELinux.
fn labelled(mut mount: Mount, label: Option<&str>) -> Mount {
    if let (MountKind::Filesystem { fstype, parameters, .. }, Some(label)) =
        (&mut mount.what, label)
        && !LABELLED_BY_THEMSELVES.contains(&fstype.as_str())
        && !parameters.iter().any(|(key, _)| key == "context")
    {
        parameters.push(("context".to_owned(), Some(label.to_owned())));
    }
    mount
}

/// The owners of a mount: by its own maps, or by those of the container's user namespace; config.md "Mounts".
fn mount_ids(
    mount: &oci_spec::runtime::Mount,
    asked: Option<bool>,
    user: Option<&UserNamespace>,
    field: &str,
) -> Result<Option<MountIds>, PlanError> {
    let own = identity::of_mount(mount, field)?;
    let maps = match (own, asked, user) {
        (Some(own), ..) => own,
        (None, None, _) => return Ok(None),
        (None, Some(_), Some(user)) => user.clone(),
        (None, Some(_), None) => {
            let why = "an id-mapped mount without maps, and the container has none";
            return Err(invalid(format!("{field}.options"), why));
        }
    };
    Ok(Some(MountIds { maps, recursive: asked.unwrap_or(false) }))
}

fn filesystem(fstype: &str, source: Option<&PathBuf>, options: &mut Options) -> MountKind {
    if options.attributes.set.contains(&Attribute::ReadOnly) && !ATTRIBUTE_ONLY.contains(&fstype) {
        options.parameters.push(("ro".to_owned(), None));
    }
    MountKind::Filesystem {
        fstype: fstype.to_owned(),
        source: source.map(|source| source.to_string_lossy().into_owned()),
        parameters: std::mem::take(&mut options.parameters),
        copy_up: options.copy_up,
        beneath: None,
    }
}

/// Mounts over procfs hide its masks and deceive those who read or write it: only procfs itself, or
/// a bind of a host's, may be at `/proc`, and only known files may be covered.
fn check_target(target: &Path, what: &MountKind, field: &str) -> Result<(), PlanError> {
    if target == Path::new("/") {
        return Err(invalid(format!("{field}.destination"), "the root can not be mounted over"));
    }
    if !target.starts_with("/proc") {
        return Ok(());
    }
    let allowed = match what {
        MountKind::Filesystem { fstype, .. } => fstype == "proc" && target == Path::new("/proc"),
        MountKind::Bind { source, .. } => {
            may_cover_procfs(target) && (target != Path::new("/proc") || source == target)
        }
        MountKind::Cgroup { .. } => false,
    };
    if allowed {
        return Ok(());
    }
    let why = format!("{target:?} is inside /proc, which may not be covered");
    Err(invalid(format!("{field}.destination"), why))
}

/// The container's group in each hierarchy, and its place below the mount.
fn groups(path: &str, layout: &Layout) -> Vec<CgroupBind> {
    let below = |mount: &Path| mount.join(path.trim_start_matches('/'));
    match layout {
        Layout::V2 { mount, .. } => {
            vec![CgroupBind { name: String::new(), source: below(mount), links: Vec::new() }]
        }
        Layout::V1 { hierarchies, unified, .. } => {
            let named = |mount: &Path, controllers: &[String]| {
                let name = mount.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let links = controllers.iter().filter(|other| **other != name).cloned();
                let links = if controllers.len() > 1 { links.collect() } else { Vec::new() };
                CgroupBind { name, source: below(mount), links }
            };
            hierarchies
                .iter()
                .map(|hierarchy| named(&hierarchy.mount, &hierarchy.controllers))
                .chain(unified.iter().map(|mount| named(mount, &[])))
                .collect()
        }
    }
}

impl Options {
    fn take(&mut self, option: &str, field: &str) -> Result<(), PlanError> {
        use Attribute::{NoAtime, NoDev, NoDirAtime, NoExec, NoSuid, NoSymFollow, ReadOnly};
        if let Some(propagation) = propagation(option) {
            self.propagation = Some(propagation);
            return Ok(());
        }
        if let Some(known) = recursive_attribute(option) {
            self.take_recursive(known);
            return Ok(());
        }
        match option {
            "" | "defaults" | "async" | "nomand" | "loud" => {}
            "bind" => self.bind = Some(self.bind.unwrap_or(false)),
            "rbind" => self.bind = Some(true),
            "ro" => self.set(ReadOnly),
            "rw" => self.clear(ReadOnly),
            "nosuid" => self.set(NoSuid),
            "suid" => self.clear(NoSuid),
            "nodev" => self.set(NoDev),
            "dev" => self.clear(NoDev),
            "noexec" => self.set(NoExec),
            "exec" => self.clear(NoExec),
            "noatime" => self.set(NoAtime),
            "atime" | "norelatime" | "nostrictatime" => self.clear(NoAtime),
            "relatime" => self.set(Attribute::RelAtime),
            "strictatime" => self.set(Attribute::StrictAtime),
            "nodiratime" => self.set(NoDirAtime),
            "diratime" => self.clear(NoDirAtime),
            "nosymfollow" => self.set(NoSymFollow),
            "symfollow" => self.clear(NoSymFollow),
            "tmpcopyup" => self.copy_up = true,
            "idmap" => self.id_mapped = Some(self.id_mapped.unwrap_or(false)),
            "ridmap" => self.id_mapped = Some(true),
            "remount" => {
                return Err(unsupported(format!("{field}.options"), format!("{option:?}")));
            }
            other => self.parameters.push(match other.split_once('=') {
                Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                None => (other.to_owned(), None),
            }),
        }
        Ok(())
    }

    fn take_recursive(&mut self, (attribute, on): (Attribute, bool)) {
        let Attributes { set_recursive, clear_recursive, .. } = &mut self.attributes;
        let (add, remove) =
            if on { (set_recursive, clear_recursive) } else { (clear_recursive, set_recursive) };
        remove.retain(|other| *other != attribute);
        add.push(attribute);
    }

    fn set(&mut self, attribute: Attribute) {
        self.attributes.clear.retain(|other| *other != attribute);
        self.attributes.set.retain(|other| *other != attribute);
        self.attributes.set.push(attribute);
    }

    fn clear(&mut self, attribute: Attribute) {
        self.attributes.set.retain(|other| *other != attribute);
        self.attributes.clear.retain(|other| *other != attribute);
        self.attributes.clear.push(attribute);
    }
}

/// `rro`, `rnosuid` and their kin, and whether the attribute is set or cleared.
fn recursive_attribute(option: &str) -> Option<(Attribute, bool)> {
    let plain = option.strip_prefix('r')?;
    Some(match plain {
        "ro" => (Attribute::ReadOnly, true),
        "rw" => (Attribute::ReadOnly, false),
        "nosuid" => (Attribute::NoSuid, true),
        "suid" => (Attribute::NoSuid, false),
        "nodev" => (Attribute::NoDev, true),
        "dev" => (Attribute::NoDev, false),
        "noexec" => (Attribute::NoExec, true),
        "exec" => (Attribute::NoExec, false),
        "noatime" => (Attribute::NoAtime, true),
        "atime" => (Attribute::NoAtime, false),
        "relatime" => (Attribute::RelAtime, true),
        "strictatime" => (Attribute::StrictAtime, true),
        "nodiratime" => (Attribute::NoDirAtime, true),
        "diratime" => (Attribute::NoDirAtime, false),
        "nosymfollow" => (Attribute::NoSymFollow, true),
        "symfollow" => (Attribute::NoSymFollow, false),
        _ => return None,
    })
}
