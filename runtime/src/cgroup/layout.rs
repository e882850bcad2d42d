//! Which control group hierarchies the host has, and where they are mounted.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Longest mount table that is read, in bytes.
const MOUNTINFO_MAX: usize = 4 << 20;

/// The hierarchies of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    /// Version 1, with or without a version 2 hierarchy beside it ("hybrid").
    V1 {
        hierarchies: Vec<Hierarchy>,
        /// Where version 2 is mounted on a hybrid host.
        unified: Option<PathBuf>,
        /// Controllers of the version 2 hierarchy on a hybrid host.
        unified_controllers: Vec<String>,
    },
    /// Version 2 only.
    V2 { mount: PathBuf, controllers: Vec<String> },
}

/// One version 1 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hierarchy {
    /// `["memory"]`, `["cpu", "cpuacct"]`; `["name=systemd"]` for one without a controller.
    pub controllers: Vec<String>,
    pub mount: PathBuf,
}

/// Reads the layout from `/proc/self/mountinfo`; proc_pid_mountinfo(5). A host without any control
/// groups has the layout of version 1 without hierarchies.
pub fn layout() -> Layout {
    let table = fs::read(Path::new("/proc/self/mountinfo")).unwrap_or_default();
    let table = String::from_utf8_lossy(&table[..table.len().min(MOUNTINFO_MAX)]);
    parse(&table, |mount| fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default())
}

impl Layout {
    /// The mount points that hold groups of a container: every hierarchy's.
    pub fn mounts(&self) -> Vec<&Path> {
        match self {
            Self::V1 { hierarchies, unified, .. } => hierarchies
                .iter()
                .map(|hierarchy| hierarchy.mount.as_path())
                .chain(unified.as_deref())
                .collect(),
            Self::V2 { mount, .. } => vec![mount],
        }
    }

    /// The version 1 hierarchy of a controller.
    pub fn hierarchy(&self, controller: &str) -> Option<&Hierarchy> {
        match self {
            Self::V1 { hierarchies, .. } => hierarchies
                .iter()
                .find(|hierarchy| hierarchy.controllers.iter().any(|name| name == controller)),
            Self::V2 { .. } => None,
        }
    }

    /// Where version 2 is mounted and has this controller.
    pub fn unified_with(&self, controller: &str) -> Option<&Path> {
        let (mount, controllers) = match self {
            Self::V1 { unified, unified_controllers, .. } => {
                (unified.as_deref()?, unified_controllers)
            }
            Self::V2 { mount, controllers } => (mount.as_path(), controllers),
        };
        controllers.iter().any(|name| name == controller).then_some(mount)
    }

    /// Whether groups can weight block I/O. No root group has the file, so the groups below tell.
    pub fn has_io_weight(&self) -> bool {
        let (mount, names) = match self {
            Self::V1 { .. } => (
                self.hierarchy("blkio").map(|hierarchy| hierarchy.mount.as_path()),
                ["blkio.weight", "blkio.bfq.weight"],
            ),
            Self::V2 { mount, .. } => (Some(mount.as_path()), ["io.weight", "io.bfq.weight"]),
        };
        let below =
            mount.and_then(|mount| fs::read_dir(mount).ok()).into_iter().flatten().flatten();
        below
            .map(|entry| entry.path())
            .any(|group| names.iter().any(|name| group.join(name).exists()))
    }
}

/// Reads a mount table. `controllers` gives the text of `cgroup.controllers` of a version 2 mount.
fn parse(table: &str, controllers: impl Fn(&Path) -> String) -> Layout {
    let mut hierarchies: Vec<Hierarchy> = Vec::new();
    let mut unified: Option<PathBuf> = None;
    let mounts: Vec<Mount<'_>> = table.lines().filter_map(Mount::parse).collect();
    for mount in &mounts {
        let Mount { kind, options, .. } = *mount;
        if !matches!(kind, "cgroup" | "cgroup2") || mount.is_covered(&mounts) {
            continue;
        }
        let mount = unescape(mount.point);
        if kind == "cgroup2" {
            unified.get_or_insert(mount);
            continue;
        }
        let names: Vec<String> =
            options.split(',').filter(|option| is_controller(option)).map(str::to_owned).collect();
        let known = hierarchies.iter().any(|hierarchy| hierarchy.controllers == names);
        if !names.is_empty() && !known {
            hierarchies.push(Hierarchy { controllers: names, mount });
        }
    }
    let names = |mount: &Path| -> Vec<String> {
        controllers(mount).split_whitespace().map(str::to_owned).collect()
    };
    match unified {
        Some(mount) if hierarchies.is_empty() => Layout::V2 { controllers: names(&mount), mount },
        unified => Layout::V1 {
            unified_controllers: unified.as_deref().map(names).unwrap_or_default(),
            hierarchies,
            unified,
        },
    }
}

/// A line of the mount table.
#[derive(Debug, Clone, Copy)]
struct Mount<'t> {
    id: &'t str,
    /// What it is mounted on.
    parent: &'t str,
    /// Still escaped.
    point: &'t str,
    kind: &'t str,
    /// Of the file system.
    options: &'t str,
}

impl<'t> Mount<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let (fields, rest) = line.split_once(" - ")?;
        let (mut fields, mut rest) = (fields.split(' '), rest.split(' '));
        let (id, parent, point) = (fields.next()?, fields.next()?, fields.nth(2)?);
        Some(Self { id, parent, point, kind: rest.next()?, options: rest.nth(1)? })
    }

    /// Whether its mount point leads elsewhere: something is mounted on it, or over the way to it.
    fn is_covered(&self, all: &[Self]) -> bool {
        let on_it = |other: &&Self| other.parent == self.id && other.point == self.point;
        if all.iter().any(|other| on_it(&other)) {
            return true;
        }
        let mut place = *self;
        // No deeper than there are mounts, whatever the table says.
        for _ in all {
            // The first of all mounts is its own parent.
            let first = |other: &Self| other.id == other.parent;
            let beside = |other: &Self| other.parent == place.parent && other.id != place.id;
            let beside = |other: &Self| beside(other) && !first(other);
            if all.iter().any(|other| beside(other) && is_below(place.point, other.point)) {
                return true;
            }
            match all.iter().find(|other| other.id == place.parent) {
                Some(parent) if parent.id != place.id => place = *parent,
                _ => return false,
            }
        }
        false
    }
}

/// Whether a path is this one or below it.
fn is_below(path: &str, top: &str) -> bool {
    let rest = path.strip_prefix(top);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || top == "/")
}

/// Options of a version 1 mount that are not the name of a controller; cgroups(7).
fn is_controller(option: &str) -> bool {
    const OTHERS: [&str; 9] = [
        "rw",
        "ro",
        "none",
        "all",
        "noprefix",
        "xattr",
        "clone_children",
        "cpuset_v2_mode",
        "favordynmods",
    ];
    !(option.is_empty() || OTHERS.contains(&option) || option.starts_with("release_agent="))
}

/// Undoes the octal escapes of mount points: `\040` is a space.
fn unescape(text: &str) -> PathBuf {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|code| u8::from_str_radix(code, 8).ok());
        let (character, length) = code.map_or(('\\', 1), |code| (char::from(code), 4));
        plain.push(character);
        rest = &rest[at + length..];
    }
    plain.push_str(rest);
    PathBuf::from(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hybrid() {
        let table = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
            32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
            35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:3 - cgroup cgroup rw,memory\n\
            36 31 0:32 / /mnt/me\\040mory rw,relatime - cgroup cgroup rw,memory\n\
            40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let layout = parse(table, |_| "hugetlb\n".to_owned());
        assert_eq!(layout.mounts().len(), 4);
        let cpu = layout.hierarchy("cpuacct").unwrap();
        assert_eq!(cpu.controllers, ["cpu", "cpuacct"]);
        assert!(layout.hierarchy("name=systemd").is_some());
        assert_eq!(layout.unified_with("hugetlb"), Some(Path::new("/sys/fs/cgroup/unified")));
        assert_eq!(layout.unified_with("memory"), None);
    }

    #[test]
    fn version_2() {
        let table =
            "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
        let layout = parse(table, |_| "cpuset cpu io memory pids\n".to_owned());
        let Layout::V2 { mount, controllers } = layout else { panic!("{layout:?}") };
        assert_eq!((mount.to_str(), controllers.len()), (Some("/sys/fs/cgroup"), 5));
    }

    #[test]
    fn what_is_covered_does_not_count() {
        let own = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
            35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
            36 31 0:33 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let unified = |more: &str| match parse(&format!("{own}{more}"), |_| String::new()) {
            Layout::V1 { hierarchies, unified, .. } => (hierarchies.len(), unified.is_some()),
            Layout::V2 { .. } => panic!("version 1 is there"),
        };
        assert_eq!(unified(""), (2, true));
        // On the mount itself; on its neighbour; on a directory of it.
        assert_eq!(unified("99 41 0:70 / /sys/fs/cgroup/unified rw - tmpfs none rw\n"), (2, false));
        assert_eq!(unified("99 35 0:70 / /sys/fs/cgroup/memory rw - tmpfs none rw\n"), (1, true));
        assert_eq!(
            unified("99 41 0:70 / /sys/fs/cgroup/unified/a rw - tmpfs none rw\n"),
            (2, true)
        );
        // Over the way to all of them.
        assert_eq!(unified("99 31 0:70 / /sys/fs/cgroup rw - tmpfs none rw\n"), (0, false));
        assert_eq!(unified("99 23 0:70 / /sys/fs rw - tmpfs none rw\n"), (0, false));
        assert_eq!(unified("99 23 0:70 / /sys/f rw - tmpfs none rw\n"), (2, true));
        // The one on top counts, with a table that goes in circles too.
        let again = "99 41 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        assert_eq!(unified(again), (2, true));
        assert_eq!(unified("23 23 0:1 / / rw - ext4 /dev/vda rw\n"), (2, true));
    }

    #[test]
    fn nothing() {
        let layout = parse("garbage\n1 2 - cgroup\n", |_| String::new());
        assert!(layout.mounts().is_empty());
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape("/a\\040b\\134c"), PathBuf::from("/a b\\c"));
        assert_eq!(unescape("/a\\"), PathBuf::from("/a\\"));
    }
}
