//! A client's own seccomp profile: Docker's JSON form, which has conditions, → the OCI form, which has none.

use std::borrow::Cow;

use oci_spec::runtime::LinuxSeccomp;
use runtime::caps::CapabilitySet;
use serde::Deserialize;
use serde_json::{Value, json};

/// Largest profile that is read, in bytes.
const PROFILE_MAX: usize = 1024 * 1024;

/// Why a profile is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfileError {
    #[error("it is longer than {PROFILE_MAX} bytes")]
    TooLong,
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: Value,
    default_errno_ret: Option<Value>,
    #[serde(default)]
    architectures: Vec<Value>,
    #[serde(default)]
    arch_map: Vec<ArchMap>,
    flags: Option<Value>,
    listener_path: Option<Value>,
    listener_metadata: Option<Value>,
    #[serde(default)]
    syscalls: Option<Vec<Rule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchMap {
    architecture: String,
    #[serde(default)]
    sub_architectures: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    name: Option<String>,
    #[serde(default)]
    names: Vec<String>,
    action: Value,
    errno_ret: Option<Value>,
    args: Option<Vec<Value>>,
    #[serde(default)]
    includes: Condition,
    #[serde(default)]
    excludes: Condition,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(default)]
    caps: Vec<String>,
    #[serde(default)]
    arches: Vec<String>,
}

/// Reads a profile for a container that has these capabilities.
///
/// # Errors
/// What is wrong with the text.
pub(crate) fn seccomp_profile(
    text: &str,
    capabilities: CapabilitySet,
) -> Result<LinuxSeccomp, ProfileError> {
    if text.len() > PROFILE_MAX {
        return Err(ProfileError::TooLong);
    }
    let profile: Profile = serde_json::from_str(text)?;
    let mut syscalls = Vec::new();
    for rule in profile.syscalls.into_iter().flatten() {
        if !rule.includes.holds(capabilities) || rule.excludes.excludes(capabilities) {
            continue;
        }
        let names: Vec<String> = rule.names.into_iter().chain(rule.name).collect();
        let mut syscall = json!({ "names": names, "action": rule.action });
        if let Some(args) = rule.args.filter(|args| !args.is_empty()) {
            syscall["args"] = args.into();
        }
        if let Some(errno) = rule.errno_ret {
            syscall["errnoRet"] = errno;
        }
        syscalls.push(syscall);
    }
    let mut architectures = profile.architectures;
    let native = profile.arch_map.into_iter().filter(|map| map.architecture == native());
    for map in native {
        architectures.push(map.architecture.into());
        architectures.extend(map.sub_architectures.into_iter().flatten().map(Value::from));
    }
    let mut oci = json!({ "defaultAction": profile.default_action, "syscalls": syscalls });
    let optional = [
        ("defaultErrnoRet", profile.default_errno_ret),
        ("flags", profile.flags),
        ("listenerPath", profile.listener_path),
        ("listenerMetadata", profile.listener_metadata),
        ("architectures", (!architectures.is_empty()).then(|| architectures.into())),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            oci[name] = value;
        }
    }
    Ok(serde_json::from_value(oci)?)
}

impl Condition {
    /// All that is named is so: every capability, and one of the architectures.
    fn holds(&self, capabilities: CapabilitySet) -> bool {
        let arch = self.arches.is_empty() || self.arches.iter().any(|arch| is_native(arch));
        arch && self.caps.iter().all(|name| has(capabilities, name))
    }

    /// Anything that is named is so.
    fn excludes(&self, capabilities: CapabilitySet) -> bool {
        self.arches.iter().any(|arch| is_native(arch))
            || self.caps.iter().any(|name| has(capabilities, name))
    }
}

fn has(capabilities: CapabilitySet, name: &str) -> bool {
    CapabilitySet::named(name).is_some_and(|one| capabilities.contains(one))
}

fn native() -> Cow<'static, str> {
    match std::env::consts::ARCH {
        "x86_64" => "SCMP_ARCH_X86_64".into(),
        "aarch64" => "SCMP_ARCH_AARCH64".into(),
        other => format!("SCMP_ARCH_{}", other.to_ascii_uppercase()).into(),
    }
}

/// Architectures in conditions have Go's names.
fn is_native(arch: &str) -> bool {
    match std::env::consts::ARCH {
        "x86_64" => matches!(arch, "amd64" | "x32" | "x86"),
        "aarch64" => matches!(arch, "arm64" | "arm"),
        other => arch == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_decided_here() {
        let text = r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,
            "syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"},
            {"names":["mount"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},
            {"name":"clone","action":"SCMP_ACT_ALLOW","excludes":{"caps":["CAP_SYS_ADMIN"]}}]}"#;
        let names = |capabilities| -> Vec<String> {
            let profile = seccomp_profile(text, capabilities).unwrap();
            profile.syscalls().iter().flatten().flat_map(|rule| rule.names().clone()).collect()
        };
        assert_eq!(names(CapabilitySet::EMPTY), ["read", "clone"]);
        assert_eq!(names(CapabilitySet::ALL), ["read", "mount"]);
        assert!(seccomp_profile("{bad", CapabilitySet::EMPTY).is_err());
    }
}
