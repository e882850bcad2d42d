//! Capabilities: Docker's default set, `CapAdd`, `CapDrop`, `Privileged`.

use std::collections::BTreeSet;

use api_spec::container::HostConfig;
use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities};
use runtime::caps::CapabilitySet;

/// The name with `CAP_`, in capitals, if there is such a capability (`ALL` counts).
pub(crate) fn check_capability(name: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    if upper == "ALL" {
        return Some(upper);
    }
    let full = match upper.starts_with("CAP_") {
        true => upper,
        false => format!("CAP_{upper}"),
    };
    CapabilitySet::named(&full).is_some().then_some(full)
}

/// The set that a container gets: bounding, permitted and effective. `bounding` is all that there is to give.
pub(crate) fn capabilities(host_config: &HostConfig, bounding: &[String]) -> BTreeSet<String> {
    let available = || bounding.iter().cloned().collect::<BTreeSet<_>>();
    if host_config.privileged {
        return available();
    }
    let names = |list: &Option<Vec<String>>| -> BTreeSet<String> {
        list.iter().flatten().filter_map(|name| check_capability(name)).collect()
    };
    let (add, drop) = (names(&host_config.cap_add), names(&host_config.cap_drop));
    let mut set: BTreeSet<String> = CapabilitySet::docker_default().names().collect();
    if add.contains("ALL") {
        set = available();
    }
    if drop.contains("ALL") {
        set.clear();
    }
    // An explicit name wins over `ALL` of the other list, and `CapDrop` over the same name in `CapAdd`.
    set.extend(add.iter().filter(|name| *name != "ALL").cloned());
    set.retain(|name| !drop.contains(name));
    set.retain(|name| bounding.contains(name));
    set
}

/// `process.capabilities`: inheritable and ambient stay empty.
pub(super) fn sets(names: &BTreeSet<String>) -> LinuxCapabilities {
    let set: Capabilities = names.iter().filter_map(|name| parse(name)).collect();
    let mut sets = LinuxCapabilities::default();
    sets.set_bounding(Some(set.clone()))
        .set_effective(Some(set.clone()))
        .set_permitted(Some(set))
        .set_inheritable(Some(Capabilities::default()))
        .set_ambient(Some(Capabilities::default()));
    sets
}

fn parse(name: &str) -> Option<Capability> {
    name.strip_prefix("CAP_").unwrap_or(name).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(add: &[&str], drop: &[&str]) -> BTreeSet<String> {
        let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        let host_config =
            HostConfig { cap_add: list(add), cap_drop: list(drop), ..HostConfig::default() };
        let bounding: Vec<String> = CapabilitySet::ALL
            .without(CapabilitySet::named("SYS_RESOURCE").unwrap())
            .names()
            .collect();
        capabilities(&host_config, &bounding)
    }

    #[test]
    fn adds_and_drops() {
        let default = result(&[], &[]);
        assert_eq!(default.len(), 14);
        assert!(result(&["net_admin"], &[]).contains("CAP_NET_ADMIN"));
        assert!(!result(&[], &["CAP_CHOWN"]).contains("CAP_CHOWN"));
        assert_eq!(result(&["CHOWN"], &["all"]), BTreeSet::from(["CAP_CHOWN".to_owned()]));
        let all = result(&["ALL"], &["CHOWN"]);
        assert!(all.contains("CAP_SYS_ADMIN") && !all.contains("CAP_CHOWN"));
        assert!(!all.contains("CAP_SYS_RESOURCE"), "only what the daemon has can be given");
    }

    #[test]
    fn every_name_parses() {
        for name in CapabilitySet::ALL.names() {
            assert!(parse(&name).is_some(), "{name}");
        }
        assert_eq!(check_capability("chown").as_deref(), Some("CAP_CHOWN"));
        assert_eq!(check_capability("nope"), None);
    }
}
