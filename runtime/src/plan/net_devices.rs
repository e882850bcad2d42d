//! Interfaces of the host that a container gets; config-linux.md "Network Devices".

use std::collections::HashSet;

use oci_spec::runtime::Linux;
use serde::{Deserialize, Serialize};

use super::compile::invalid;
use super::{Namespace, Namespaces, PlanError};
use crate::network;

/// An interface of the host, and what it is called in the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetDevice {
    pub name: String,
    /// With `%d` in it, the first number that is free takes its place.
    pub inside: String,
}

pub(super) fn compile(linux: &Linux, namespaces: &Namespaces) -> Result<Vec<NetDevice>, PlanError> {
    let Some(listed) = linux.net_devices().as_ref().filter(|listed| !listed.is_empty()) else {
        return Ok(Vec::new());
    };
    if !namespaces.has(Namespace::Network) {
        let why = "the container has no network namespace of its own";
        return Err(invalid("linux.netDevices", why));
    }
    let mut all = listed
        .iter()
        .map(|(name, device)| {
            let field = format!("linux.netDevices[{name:?}]");
            let inside = device.name().as_ref().filter(|inside| !inside.is_empty()).unwrap_or(name);
            let plain = inside.replacen("%d", "0", 1);
            if !network::is_link_name(name) {
                return Err(invalid(field, "not the name of an interface"));
            }
            if !network::is_link_name(&plain) {
                let why = format!("{inside:?} is not the name of an interface");
                return Err(invalid(format!("{field}.name"), why));
            }
            Ok(NetDevice { name: name.clone(), inside: inside.clone() })
        })
        .collect::<Result<Vec<_>, _>>()?;
    all.sort_by(|one, other| one.name.cmp(&other.name));
    let mut names = HashSet::new();
    for NetDevice { name, inside } in &all {
        if !inside.contains('%') && !names.insert(inside) {
            let field = format!("linux.netDevices[{name:?}].name");
            return Err(invalid(field, format!("{inside:?} is another's name, too")));
        }
    }
    Ok(all)
}
