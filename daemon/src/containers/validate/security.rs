//! Capabilities, security options, sysctls.

use api_spec::container::HostConfig;
use runtime::caps::CapabilitySet;

use super::{Error, invalid};
use crate::spec::{HostFacts, Mode, check_capability, mode, seccomp_profile};

pub(super) fn check(host_config: &HostConfig, _facts: &HostFacts) -> Result<(), Error> {
    let lists = [("CapAdd", &host_config.cap_add), ("CapDrop", &host_config.cap_drop)];
    for (field, list) in lists {
        for name in list.iter().flatten() {
            if check_capability(name).is_none() {
                let upper = name.to_ascii_uppercase();
                let full = if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
                return invalid(format!("invalid {field}: unknown capability: {full:?}"));
            }
        }
    }
    for option in host_config.security_opt.iter().flatten() {
        security_option(option)?;
    }
    let mut sysctls = host_config.sysctls.iter().flatten();
    let shares_network = matches!(mode(&host_config.network_mode), Mode::Host | Mode::Container(_));
    if let Some((key, _)) = sysctls.find(|(key, _)| shares_network && key.starts_with("net.")) {
        return invalid(format!("sysctl '{key}' is not allowed in a shared network namespace"));
    }
    Ok(())
}

fn security_option(option: &str) -> Result<(), Error> {
    if option == "no-new-privileges" || option == "disable" {
        return Ok(());
    }
    let Some((key, value)) = option.split_once(['=', ':']) else {
        return invalid(format!("invalid --security-opt 1: {option:?}"));
    };
    match (key, value) {
        ("no-new-privileges", "true" | "false") => Ok(()),
        ("seccomp", "unconfined" | "builtin") => Ok(()),
        ("seccomp", profile) => seccomp_profile(profile, CapabilitySet::EMPTY)
            .map(drop)
            .map_err(|error| Error::Invalid(format!("Decoding seccomp profile failed: {error}"))),
        // There are no labels and no profiles here to switch off.
        ("label", "disable") | ("apparmor", "unconfined") => Ok(()),
        ("label" | "apparmor", _) => {
            Err(Error::Unsupported { field: "HostConfig.SecurityOpt", what: option.to_owned() })
        }
        _ => invalid(format!("invalid --security-opt 2: {option:?}")),
    }
}
