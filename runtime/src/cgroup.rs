//! Control groups.

use oci_spec::runtime::LinuxResources;
use serde::{Deserialize, Serialize};

use crate::plan::PlanError;

/// What to write where, for one container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CgroupPlan {
    pub path: String,
}

/// The hierarchies of the host.
#[derive(Debug, Clone)]
pub struct Layout {}

pub fn layout() -> Layout {
    Layout {}
}

pub fn plan(
    _resources: &LinuxResources,
    path: &str,
    _layout: &Layout,
) -> Result<CgroupPlan, PlanError> {
    Ok(CgroupPlan { path: path.to_owned() })
}
