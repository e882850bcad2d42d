//! What a spec may ask for and this runtime does not do yet: refused by name, never dropped.

use oci_spec::runtime::{Linux, Process, Spec};

use super::PlanError;

pub(super) fn unsupported(path: impl Into<String>, what: impl Into<String>) -> PlanError {
    PlanError::Unsupported { path: path.into(), what: what.into() }
}

/// A text that is there and not empty.
fn says(text: &Option<String>) -> bool {
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
pub(super) fn linux(linux: &Linux) -> Result<(), PlanError> {
    let no_devices = linux.net_devices().as_ref().is_none_or(|devices| devices.is_empty());
    first(
        &[
            ("linux.netDevices", !no_devices),
            ("linux.mountLabel", says(linux.mount_label())),
            ("linux.intelRdt", linux.intel_rdt().is_some()),
            ("linux.memoryPolicy", linux.memory_policy().is_some()),
        ],
        "this setting",
    )
}

/// Fields of `process`; `at` is its path.
pub(super) fn process(process: &Process, at: &str) -> Result<(), PlanError> {
    let all = [
        ("apparmorProfile", says(process.apparmor_profile())),
        ("selinuxLabel", says(process.selinux_label())),
        ("commandLine", says(process.command_line())),
    ];
    first(&all, "this setting").map_err(|error| match error {
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
