//! Networks of macvlan: which interface of the host their containers' interfaces hang on, and how. The texts are dockerd's.

use std::sync::Arc;

use runtime::network::{self, MacvlanMode, MadeParent, NetworkError};
use serde::{Deserialize, Serialize};

use super::record::{Driver, Network, Texts};
use super::{Error, short_id};

/// Numbers of virtual LANs (IEEE 802.1Q).
const LANS: std::ops::RangeInclusive<u16> = 1..=4094;

/// What a network of macvlan has beyond its addresses. Its parent is where others have their bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Macvlan {
    pub(super) mode: MacvlanMode,
    /// Of parents that go with the network.
    pub(super) made: Option<MadeParent>,
}

impl Macvlan {
    /// Whether no packet leaves the host.
    pub(super) fn leads_nowhere(&self) -> bool {
        self.made == Some(MadeParent::Dummy)
    }
}

/// The parent's name, and the rest.
pub(super) fn plan(network: &Network, others: &[Arc<Network>]) -> Result<(String, Macvlan), Error> {
    let mode = mode(&network.options)?;
    let Some(parent) = network.options.get("parent").filter(|parent| !parent.is_empty()) else {
        let macvlan = Macvlan { mode, made: Some(MadeParent::Dummy) };
        return Ok((format!("dm-{}", short_id(&network.id)), macvlan));
    };
    let failed = |why: &str| Err(Error::Failed(why.to_owned()));
    let has_it = |other: &&Arc<Network>| {
        other.driver == Driver::Macvlan
            && other.bridge.as_ref().is_some_and(|theirs| theirs.name == *parent)
    };
    if let Some(other) = others.iter().find(has_it) {
        let id = short_id(&other.id);
        return failed(&format!("network dm-{id} is already using parent interface {parent}"));
    }
    if parent == "lo" {
        return failed("loopback interface is not a valid macvlan parent link");
    }
    let exists = |name: &str| network::link_exists(name);
    let made = if exists(parent)? { None } else { Some(lan(parent, &exists)?) };
    Ok((parent.clone(), Macvlan { mode, made }))
}

fn mode(options: &Texts) -> Result<MacvlanMode, Error> {
    match options.get("macvlan_mode").map_or("", String::as_str) {
        "" | "bridge" => Ok(MacvlanMode::Bridge),
        "private" => Ok(MacvlanMode::Private),
        "vepa" => Ok(MacvlanMode::Vepa),
        "passthru" => Ok(MacvlanMode::Passthru),
        other => Err(Error::Failed(format!(
            "requested macvlan mode '{other}' is not valid, 'bridge' mode is the macvlan driver default"
        ))),
    }
}

/// `eth0.10`: number 10 of `eth0`.
fn lan(
    name: &str,
    exists: &dyn Fn(&str) -> Result<bool, NetworkError>,
) -> Result<MadeParent, Error> {
    let failed = |why: String| Err(Error::Failed(why));
    let Some((of, number)) = name.split_once('.') else {
        let why = format!("invalid subinterface vlan name {name}, example formatting is eth0.10");
        return failed(why);
    };
    let Ok(number) = number.parse::<u16>() else {
        return failed(format!(
            "unable to parse a valid vlan id from: {number} (ex. eth0.10 for vlan 10)"
        ));
    };
    if !exists(of)? {
        return failed(format!("-o parent interface was not found on the host: {of}"));
    }
    if !LANS.contains(&number) {
        let (first, last) = (LANS.start(), LANS.end());
        return failed(format!("vlan id must be between {first}-{last}, received: {number}"));
    }
    Ok(MadeParent::Vlan { of: of.to_owned(), number })
}

/// Makes the parent, where it is the network's own.
pub(super) fn make(network: &Network) -> Result<(), Error> {
    let Some((parent, made)) = made(network) else { return Ok(()) };
    network::make_parent(parent, made).map_err(|error| {
        Error::Failed(match made {
            MadeParent::Dummy => format!("failed to create {parent} dummy link: {error}"),
            MadeParent::Vlan { .. } => format!("failed to create {parent} vlan link: {error}"),
        })
    })
}

/// Removes the parent, where it is the network's own.
pub(super) fn remove(network: &Network) -> Result<(), NetworkError> {
    made(network).map_or(Ok(()), |(parent, _)| network::remove_parent(parent))
}

fn made(network: &Network) -> Option<(&str, &MadeParent)> {
    Some((&network.bridge.as_ref()?.name, network.macvlan.as_ref()?.made.as_ref()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_virtual_lans_by_their_names() {
        let exists = |name: &str| Ok(name == "eth0");
        let made = MadeParent::Vlan { of: "eth0".to_owned(), number: 50 };
        assert_eq!(lan("eth0.50", &exists).unwrap(), made);
        for (name, why) in [
            ("eth9", "invalid subinterface vlan name eth9, example formatting is eth0.10"),
            ("eth0.x", "unable to parse a valid vlan id from: x (ex. eth0.10 for vlan 10)"),
            ("eth9.5000", "-o parent interface was not found on the host: eth9"),
            ("eth0.4095", "vlan id must be between 1-4094, received: 4095"),
        ] {
            assert_eq!(lan(name, &exists).unwrap_err().to_string(), why);
        }
    }
}
