//! Facts about the host that a plan depends on, probed once a daemon.

use std::fs;
use std::path::Path;

use crate::caps::CapabilitySet;
use crate::cgroup::{self, Layout};

/// What [`super::compile`] needs to know of the host.
#[derive(Debug, Clone)]
pub struct Host {
    pub layout: Layout,
    /// The bounding set of the process that starts containers: nothing beyond it can be given.
    pub bounding: CapabilitySet,
    /// Whether SELinux is on.
    pub selinux: bool,
    /// Whether AppArmor is on.
    pub apparmor: bool,
}

impl Host {
    /// Reads the facts from the kernel.
    pub fn probe() -> Self {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        Self {
            layout: cgroup::layout(),
            bounding: bounding(&status),
            selinux: Path::new("/sys/fs/selinux/enforce").exists(),
            apparmor: fs::read("/sys/module/apparmor/parameters/enabled")
                .is_ok_and(|enabled| enabled.starts_with(b"Y")),
        }
    }
}

/// The bounding set in the text of `/proc/<pid>/status`; proc_pid_status(5).
fn bounding(status: &str) -> CapabilitySet {
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapBnd:"))
        .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .map_or(CapabilitySet::EMPTY, CapabilitySet::from_bits)
        .intersection(CapabilitySet::ALL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounding_set() {
        let set = bounding("CapEff:\t0\nCapBnd:\t000001fffeffffff\n");
        assert_eq!(set, CapabilitySet::ALL.without(CapabilitySet::named("SYS_RESOURCE").unwrap()));
        assert!(bounding("").is_empty());
    }
}
