//! What a spec may ask for and this runtime or this kernel does not do: refused by name, never dropped.

use oci_spec::runtime::{Linux, Process, Spec};

use super::{Host, PlanError};

const NO_SELINUX: &str = "the kernel has no SELinux";

pub(super) fn unsupported(path: impl Into<String>, what: impl Into<String>) -> PlanError {
    PlanError::Unsupported { path: path.into(), what: what.into() }
}

/// A text that is there and not empty.
pub(super) fn says(text: &Option<String>) -> bool {
    text.as_ref().is_some_and(|text| !text.is_empty())
}

/// Fields of the spec's top level.
pub(super) fn spec(spec: &Spec) -> Result<(), PlanError> {
    let others = [
        ("solaris", spec.solaris().is_some()),
        ("windows", spec.windows().is_some()),
        ("vm", spec.vm().is_some()),
        ("zos", spec.zos().is_some()),
    ];
    first(&others, "another platform")
}

/// Fields of `linux`. Resources are judged by the control group plan.
pub(super) fn linux(linux: &Linux, host: &Host) -> Result<(), PlanError> {
    first(&[("linux.intelRdt", linux.intel_rdt().is_some())], "this setting")?;
    first(&[("linux.mountLabel", says(linux.mount_label()) && !host.selinux)], NO_SELINUX)
}

/// Fields of `process`; `at` is its path.
pub(super) fn process(process: &Process, host: &Host, at: &str) -> Result<(), PlanError> {
    let profile = says(process.apparmor_profile()) && !host.apparmor;
    let label = says(process.selinux_label()) && !host.selinux;
    first(&[("apparmorProfile", profile)], "the kernel has no AppArmor")
        .and_then(|()| first(&[("selinuxLabel", label)], NO_SELINUX))
        .and_then(|()| first(&[("commandLine", says(process.command_line()))], "this setting"))
        .map_err(|error| match error {
            PlanError::Unsupported { path, what } => unsupported(format!("{at}.{path}"), what),
            other => other,
        })
}

fn first(fields: &[(&str, bool)], what: &str) -> Result<(), PlanError> {
    match fields.iter().find(|(_, asked)| *asked) {
        Some((path, _)) => Err(unsupported(*path, what)),
        None => Ok(()),
    }
}
