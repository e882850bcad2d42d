//! OCI spec in, plan out.

use oci_spec::runtime::Spec;

use super::{Extras, Host, Plan, PlanError};

/// Compiles the plan of a container's first process.
pub fn compile(spec: &Spec, extras: &Extras, host: &Host) -> Result<Plan, PlanError> {
    let _ = (spec, extras, host);
    Err(PlanError::Missing { path: "linux".to_owned() })
}

/// Compiles the plan of a process added to the running container of `spec`.
pub fn compile_exec(
    spec: &Spec,
    process: &oci_spec::runtime::Process,
    extras: &Extras,
    host: &Host,
) -> Result<Plan, PlanError> {
    let _ = (spec, process, extras, host);
    Err(PlanError::Missing { path: "linux".to_owned() })
}
