//! Mounts: the ones every container has, the three files in `/etc`, tmpfs, binds, volumes.

use std::path::{Component, Path, PathBuf};

use api_spec::container::{HostConfig, Mount as Asked, TmpfsOptions};
use oci_spec::runtime::Mount;

use super::{Mode, Source, mode};

/// A volume or an image as it is mounted: `bind`, `tmpfs` or `overlay`, with the options of an OCI mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VolumeMount {
    pub(crate) target: String,
    pub(crate) kind: &'static str,
    pub(crate) source: PathBuf,
    pub(crate) options: Vec<String>,
    /// The volume or image, and the path inside of it that is mounted.
    pub(crate) part: Option<(PathBuf, PathBuf)>,
}

/// A bind of the host, from `Binds` (`/src:/dst:ro`) or `Mounts`; or a volume (`name:/dst`, `/dst`) from `Binds`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bind {
    /// A path of the host, the name of a volume, or empty for one without a name.
    pub(crate) source: PathBuf,
    pub(crate) target: String,
    pub(crate) readonly: bool,
    pub(crate) recursive: bool,
    /// `rprivate`, `rslave`…
    pub(crate) propagation: String,
    /// An empty volume is filled with what the image has there.
    pub(crate) copy: bool,
    /// Options as the client wrote them, for inspect.
    pub(crate) mode: String,
}

impl Bind {
    pub(crate) fn is_volume(&self) -> bool {
        !self.source.is_absolute()
    }
}

const PROPAGATIONS: [&str; 6] = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];

/// Reads one of `Binds`. `Err` is Docker's text.
pub(crate) fn parse_bind(text: &str) -> Result<Bind, String> {
    let invalid = || format!("invalid volume specification: '{text}'");
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts[..] {
        [target] => ("", target, ""),
        [source, target] if !source.is_empty() => (source, target, ""),
        [source, target, options] if !source.is_empty() => (source, target, options),
        _ => return Err(invalid()),
    };
    if target.is_empty() {
        return Err(invalid());
    }
    let kind = if source.starts_with('/') { "bind" } else { "volume" };
    let mut bind = Bind {
        source: PathBuf::from(source),
        target: clean(target),
        readonly: false,
        recursive: true,
        propagation: "rprivate".to_owned(),
        copy: true,
        mode: options.to_owned(),
    };
    if !target.starts_with('/') {
        let why = format!("invalid mount path: '{target}' mount path must be absolute");
        return Err(format!("{}: invalid mount config for type {kind:?}: {why}", invalid()));
    }
    if bind.target == "/" {
        let why = "invalid specification: destination can't be '/'";
        return Err(format!("{}: invalid mount config for type {kind:?}: {why}", invalid()));
    }
    let mut kinds = [0_u8; 4];
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let kind = match option {
            "ro" | "rw" => Some(0),
            "z" | "Z" => Some(1),
            "nocopy" => Some(2),
            option if PROPAGATIONS.contains(&option) => Some(3),
            _ => None,
        };
        if let Some(kind) = kind {
            kinds[kind] += 1;
        }
        if kinds.iter().any(|count| *count > 1) {
            return Err(format!("invalid mode: {options}"));
        }
        match option {
            "nocopy" if !bind.is_volume() => {
                let why = "invalid mount config for type \"bind\": field VolumeOptions must not be specified";
                return Err(format!("{}: {why}", invalid()));
            }
            "ro" => bind.readonly = true,
            "nocopy" => bind.copy = false,
            "rw" | "z" | "Z" | "consistent" | "cached" | "delegated" => {}
            "bind" => bind.recursive = false,
            "rbind" => bind.recursive = true,
            option if PROPAGATIONS.contains(&option) && bind.is_volume() => {
                let why = "invalid mount config for type \"volume\": field BindOptions must not be specified";
                return Err(format!("{}: {why}", invalid()));
            }
            option if PROPAGATIONS.contains(&option) => bind.propagation = option.to_owned(),
            _ => return Err(format!("invalid mode: {options}")),
        }
    }
    Ok(bind)
}

/// `Binds`, read.
pub(crate) fn binds(host_config: &HostConfig) -> impl Iterator<Item = Bind> {
    host_config.binds.iter().flatten().filter_map(|text| parse_bind(text).ok())
}

/// Where binds, mounts and tmpfs of a configuration are mounted.
pub(crate) fn targets(host_config: &HostConfig) -> Vec<String> {
    let binds = binds(host_config);
    let tmpfs = host_config.tmpfs.iter().flatten().map(|(target, _)| clean(target));
    let mounts = host_config.mounts.iter().flatten().map(|mount| clean(&mount.target));
    binds.map(|bind| bind.target).chain(tmpfs).chain(mounts).collect()
}

/// Directories of the host that are made if they are missing: sources of `Binds`, and of `Mounts` that ask for it.
pub(crate) fn bind_sources(host_config: &HostConfig) -> Vec<PathBuf> {
    let binds = binds(host_config).filter(|bind| !bind.is_volume());
    let wanted = |mount: &&Asked| {
        mount.bind_options.as_ref().is_some_and(|options| options.create_mountpoint)
    };
    let mounts = host_config.mounts.iter().flatten().filter(wanted);
    binds.map(|bind| bind.source).chain(mounts.map(|mount| PathBuf::from(&mount.source))).collect()
}

/// Every bind of the host that a container has: inherited ones, `Binds`, and `Mounts` of that type.
pub(crate) fn host_binds(host_config: &HostConfig, inherited: &[Asked]) -> Vec<Bind> {
    let mounts = host_config.mounts.iter().flatten().filter(|mount| mount.r#type == "bind");
    let own = binds(host_config).filter(|bind| !bind.is_volume());
    inherited.iter().map(asked_bind).chain(own).chain(mounts.map(asked_bind)).collect()
}

/// A `Mounts` entry of type bind as the same thing.
pub(super) fn asked_bind(asked: &Asked) -> Bind {
    let options = asked.bind_options.clone().unwrap_or_default();
    Bind {
        source: PathBuf::from(&asked.source),
        target: clean(&asked.target),
        readonly: asked.read_only,
        recursive: !options.non_recursive,
        propagation: match options.propagation.as_str() {
            "" => "rprivate".to_owned(),
            propagation => propagation.to_owned(),
        },
        copy: false,
        mode: String::new(),
    }
}

/// A path inside the container without `.`, `..` and doubled slashes, resolved by name only.
pub(crate) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(part) => parts.extend(part.to_str()),
            Component::ParentDir => drop(parts.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    format!("/{}", parts.join("/"))
}

/// Options of a `Tmpfs` value (`rw,noexec,size=64k`) as mount options, with Docker's defaults first.
pub(crate) fn parse_tmpfs(options: &str) -> Result<Vec<String>, String> {
    const FLAGS: [&str; 23] = [
        "rw",
        "ro",
        "suid",
        "nosuid",
        "dev",
        "nodev",
        "exec",
        "noexec",
        "sync",
        "async",
        "dirsync",
        "remount",
        "mand",
        "nomand",
        "atime",
        "noatime",
        "diratime",
        "nodiratime",
        "bind",
        "rbind",
        "relatime",
        "norelatime",
        "strictatime",
    ];
    const VALUES: [&str; 7] = ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"];
    let mut list: Vec<String> = ["noexec", "nosuid", "nodev"].map(str::to_owned).to_vec();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let known = match option.split_once('=') {
            Some((key, _)) => VALUES.contains(&key),
            None => FLAGS.contains(&option) || PROPAGATIONS.contains(&option),
        };
        if !known {
            return Err(format!("invalid tmpfs option {option:?}"));
        }
        let opposite = match option {
            "rw" => "ro",
            "ro" => "rw",
            "suid" | "dev" | "exec" => &format!("no{option}"),
            other => other.strip_prefix("no").unwrap_or(other),
        };
        list.retain(|set| set != opposite && set != option);
        list.push(option.to_owned());
    }
    Ok(list)
}

fn tmpfs_options(asked: Option<&TmpfsOptions>, readonly: bool) -> Vec<String> {
    let options = asked.cloned().unwrap_or_default();
    let mut list: Vec<String> = ["noexec", "nosuid", "nodev"].map(str::to_owned).to_vec();
    if options.size_bytes > 0 {
        list.push(format!("size={}", options.size_bytes));
    }
    if options.mode > 0 {
        list.push(format!("mode={:o}", options.mode));
    }
    for option in options.options.iter().flatten() {
        let option = option.join("=");
        list.retain(|set| *set != format!("no{option}"));
        list.push(option);
    }
    if readonly {
        list.push("ro".to_owned());
    }
    list
}

/// All mounts, in the order in which they are made: parents before children.
pub(super) fn build(source: &Source<'_>) -> Vec<Mount> {
    let own = asked(source);
    let taken = |target: &Path| own.iter().any(|mount| mount.destination() == target);
    let mut mounts: Vec<Mount> =
        defaults(source).into_iter().filter(|mount| !taken(mount.destination())).collect();
    // A tmpfs or bind over /dev brings the nodes below it along: nothing may be mounted under it first.
    mounts.retain(|mount| {
        let below = |mount: &Mount| mount.destination().starts_with("/dev");
        !(taken(Path::new("/dev")) && below(mount))
    });
    mounts.extend(own);
    // Stable: mounts of one depth stay in the order in which they were asked for.
    mounts.sort_by_key(|mount| mount.destination().components().count());
    mounts
}

fn asked(source: &Source<'_>) -> Vec<Mount> {
    let host_config = source.host_config;
    let mut mounts = Vec::new();
    for each in source.volumes {
        mounts.push(mount(&each.target, each.kind, &each.source, each.options.clone()));
    }
    mounts.extend(source.inherited.iter().map(|each| bind(&asked_bind(each))));
    mounts.extend(binds(host_config).filter(|each| !each.is_volume()).map(|each| bind(&each)));
    for (target, options) in host_config.tmpfs.iter().flatten() {
        let options = parse_tmpfs(options).unwrap_or_default();
        mounts.push(mount(&clean(target), "tmpfs", Path::new("tmpfs"), options));
    }
    for each in host_config.mounts.iter().flatten() {
        match each.r#type.as_str() {
            "bind" => mounts.push(bind(&asked_bind(each))),
            "tmpfs" => {
                let options = tmpfs_options(each.tmpfs_options.as_ref(), each.read_only);
                mounts.push(mount(&clean(&each.target), "tmpfs", Path::new("tmpfs"), options));
            }
            _ => {}
        }
    }
    let taken = |target: &str| mounts.iter().any(|mount| mount.destination() == Path::new(target));
    let files = [
        ("/etc/resolv.conf", &source.files.resolv_conf),
        ("/etc/hostname", &source.files.hostname),
        ("/etc/hosts", &source.files.hosts),
    ];
    let files =
        files.into_iter().filter(|(target, path)| !path.as_os_str().is_empty() && !taken(target));
    let files: Vec<Mount> = files
        .map(|(target, path)| {
            let mut options = ["rbind", "rprivate"].map(str::to_owned).to_vec();
            options.extend(host_config.readonly_rootfs.then(|| "ro".to_owned()));
            mount(target, "bind", path, options)
        })
        .collect();
    mounts.extend(files);
    mounts
}

fn bind(bind: &Bind) -> Mount {
    let mut options = vec![if bind.recursive { "rbind" } else { "bind" }.to_owned()];
    options.extend(bind.readonly.then(|| "ro".to_owned()));
    options.push(bind.propagation.clone());
    mount(&bind.target, "bind", &bind.source, options)
}

fn mount(target: &str, kind: &str, source: &Path, options: Vec<String>) -> Mount {
    let mut mount = Mount::default();
    mount
        .set_destination(PathBuf::from(target))
        .set_typ(Some(kind.to_owned()))
        .set_source(Some(source.to_owned()))
        .set_options(Some(options));
    mount
}

fn defaults(source: &Source<'_>) -> Vec<Mount> {
    let host_config = source.host_config;
    let writable = host_config.privileged;
    let access = if writable { "rw" } else { "ro" };
    let text = |options: &[&str]| options.iter().map(|option| (*option).to_owned()).collect();
    let new = |target: &str, kind: &str, options: &[&str]| {
        mount(target, kind, Path::new(kind), text(options))
    };
    let private = ["nosuid", "noexec", "nodev"];
    let [nosuid, noexec, nodev] = private;
    let mut mounts = vec![
        new("/proc", "proc", &private),
        new("/dev", "tmpfs", &[nosuid, "strictatime", "mode=755", "size=65536k"]),
        new(
            "/dev/pts",
            "devpts",
            &[nosuid, noexec, "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        new("/sys", "sysfs", &[nosuid, noexec, nodev, access]),
        new("/sys/fs/cgroup", "cgroup", &[access, nosuid, noexec, nodev]),
    ];
    let ipc = mode(&host_config.ipc_mode);
    if ipc == Mode::Host {
        for path in &source.host.ipc_mounts {
            let options = text(&["rbind", nosuid, noexec, nodev]);
            mounts.push(mount(&path.to_string_lossy(), "bind", path, options));
        }
    } else {
        mounts.push(new("/dev/mqueue", "mqueue", &private));
        if let Some(pid) = source.joined.ipc {
            // What the other one has there, in its mount namespace.
            let theirs = PathBuf::from(format!("/proc/{pid}/root/dev/shm"));
            mounts.push(mount("/dev/shm", "bind", &theirs, text(&["bind", nosuid, noexec, nodev])));
        } else if host_config.ipc_mode != "none" {
            let size = format!("size={}", host_config.shm_size);
            let options = text(&[nosuid, noexec, nodev, "mode=1777", &size]);
            mounts.push(mount("/dev/shm", "tmpfs", Path::new("shm"), options));
        }
    }
    mounts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_as_docker_reads_them() {
        let bind = parse_bind("/a:/b/../c:ro,rslave").unwrap();
        assert_eq!((bind.target.as_str(), bind.readonly), ("/c", true));
        assert_eq!(bind.propagation, "rslave");
        assert!(!bind.is_volume() && parse_bind("name:/a").unwrap().is_volume());
        assert!(parse_bind("/a").unwrap().is_volume() && !parse_bind("n:/a:nocopy").unwrap().copy);
        assert!(parse_bind("n:/a:rslave").unwrap_err().contains("field BindOptions must not"));
        assert!(parse_bind(":/a").is_err() && parse_bind("a").is_err());
        assert!(parse_bind("/a:b").unwrap_err().contains("mount path must be absolute"));
        assert!(parse_bind("/a:/").unwrap_err().contains("destination can't be '/'"));
        assert_eq!(parse_bind("/a:/b:nope").unwrap_err(), "invalid mode: nope");
    }

    #[test]
    fn tmpfs_options_override_the_defaults() {
        assert_eq!(parse_tmpfs("").unwrap(), ["noexec", "nosuid", "nodev"]);
        assert_eq!(parse_tmpfs("exec,size=64k").unwrap(), ["nosuid", "nodev", "exec", "size=64k"]);
        assert!(parse_tmpfs("nope").is_err());
    }
}
