//! The control group of launcher and monitors, where systemd has started the daemon: not that of its unit.
//!
//! Monitors outlive the daemon. In the unit's group, `systemctl kill` would end them with it, and the unit's next start
//! would find processes of its last one.

use std::fs;
use std::path::{Path, PathBuf};

use super::{CgroupError, Layout, files};

/// Below the root of the hierarchy by which systemd finds a unit's processes.
const MONITORS: &str = "jocker/monitors";

/// Longest `/proc/self/cgroup` that is read, in bytes.
const OWN_MAX: usize = 64 << 10;

/// Moves the calling process, which has one thread, out of the group of a systemd service, if it is in one.
pub(crate) fn leave(layout: &Layout) -> Result<(), CgroupError> {
    let own = fs::read("/proc/self/cgroup").unwrap_or_default();
    let own = String::from_utf8_lossy(&own[..own.len().min(OWN_MAX)]);
    for group in groups(&own, layout) {
        fs::create_dir_all(&group)
            .map_err(|source| CgroupError::Create { path: group.clone(), source })?;
        files::write(&group.join("cgroup.procs"), "0")?;
    }
    Ok(())
}

/// Where to go, by the text of `/proc/self/cgroup` (cgroups(7)): on hybrid hosts in both hierarchies that are systemd's.
fn groups(own: &str, layout: &Layout) -> Vec<PathBuf> {
    let go = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let mount: &Path = match (layout, controllers) {
            (Layout::V2 { mount, .. }, "") => mount,
            (Layout::V1 { unified, .. }, "") => unified.as_deref()?,
            (Layout::V1 { .. }, "name=systemd") => &layout.hierarchy(controllers)?.mount,
            _ => return None,
        };
        path.ends_with(".service").then(|| mount.join(MONITORS))
    };
    own.lines().filter_map(go).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::Hierarchy;

    #[test]
    fn services_are_left() {
        let unified = Layout::V2 { mount: "/c".into(), controllers: Vec::new() };
        assert_eq!(
            groups("0::/system.slice/a.service\n", &unified),
            [PathBuf::from("/c/jocker/monitors")]
        );
        for other in ["0::/user.slice/session-1.scope\n", "0::/\n", "", "x"] {
            assert!(groups(other, &unified).is_empty(), "{other}");
        }
    }

    #[test]
    fn in_the_hierarchies_of_systemd() {
        let hierarchy = |name: &str| Hierarchy {
            controllers: vec![name.to_owned()],
            mount: format!("/c/{name}").into(),
        };
        let hybrid = Layout::V1 {
            hierarchies: vec![hierarchy("memory"), hierarchy("name=systemd")],
            unified: Some("/c/unified".into()),
            unified_controllers: Vec::new(),
        };
        let own = "3:memory:/a.service\n1:name=systemd:/a.service\n0::/a.service\n";
        let expected = ["/c/name=systemd/jocker/monitors", "/c/unified/jocker/monitors"];
        assert_eq!(groups(own, &hybrid), expected.map(PathBuf::from));
    }
}
