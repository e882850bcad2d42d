//! Facts about the host that a plan depends on, probed once a daemon.

use crate::caps::CapabilitySet;
use crate::cgroup::{self, Layout};

/// What [`super::compile`] needs to know of the host.
#[derive(Debug, Clone)]
pub struct Host {
    pub layout: Layout,
    /// The bounding set of the process that starts containers: nothing beyond it can be given.
    pub bounding: CapabilitySet,
}

impl Host {
    /// Reads the facts from the kernel.
    pub fn probe() -> Self {
        Self { layout: cgroup::layout(), bounding: CapabilitySet::EMPTY }
    }
}
