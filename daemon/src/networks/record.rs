//! What is stored of a network, and the three that every daemon has.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use api_spec::network::{Ipam, IpamConfig};
use runtime::network::BridgeConfig;
use runtime::network::ipam::{Subnet, Subnet6};
use serde::{Deserialize, Serialize};
use store::Records;

use super::Error;
use super::macvlan::Macvlan;

/// The records' kind in the store.
const KIND: &str = "network";
/// Version of the stored form.
const VERSION: u32 = 1;
/// What Docker calls its own address management.
pub(super) const IPAM_DRIVER: &str = "default";

pub(super) type Texts = BTreeMap<String, String>;

/// What makes a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Driver {
    Bridge,
    Macvlan,
    Host,
    Null,
}

impl Driver {
    /// Docker's word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Macvlan => "macvlan",
            Self::Host => "host",
            Self::Null => "null",
        }
    }
}

/// A network; nothing here changes after its creation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Network {
    /// 64 hexadecimal digits.
    pub(crate) id: String,
    pub(crate) name: String,
    /// RFC 3339.
    pub(crate) created: String,
    pub(crate) driver: Driver,
    pub(crate) scope: String,
    pub(crate) internal: bool,
    pub(crate) attachable: bool,
    pub(crate) config_only: bool,
    /// Name of the network whose configuration this one has; empty if its own.
    #[serde(default)]
    pub(crate) config_from: String,
    pub(crate) ipv6: bool,
    /// As it is shown.
    pub(crate) ipam: Ipam,
    pub(crate) options: Texts,
    pub(crate) labels: Texts,
    /// Of networks whose containers have addresses.
    pub(crate) bridge: Option<Bridge>,
    /// Of networks that have an interface of the host in the bridge's place.
    #[serde(default)]
    pub(crate) macvlan: Option<Macvlan>,
}

/// The bridge of a network, or what stands in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bridge {
    pub(crate) name: String,
    pub(crate) gateway: Ipv4Addr,
    pub(crate) prefix: u8,
    /// What containers get their addresses from, if not from the whole subnet.
    pub(crate) range: Option<(Ipv4Addr, u8)>,
    /// Addresses that no container gets.
    pub(crate) reserved: Vec<Ipv4Addr>,
    /// A client chose the subnet, so containers may ask for addresses.
    pub(crate) chosen: bool,
    /// Largest packet, in bytes.
    pub(crate) mtu: u32,
    pub(crate) masquerade: bool,
    pub(crate) icc: bool,
    /// Where ports are published whose container names no address of the host.
    pub(crate) publish_on: Option<Ipv4Addr>,
    /// What names of interfaces in containers begin with.
    pub(crate) interface_prefix: String,
    /// Where the network has IPv6.
    #[serde(default)]
    pub(crate) v6: Option<BridgeV6>,
}

/// The IPv6 part of a [`Bridge`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BridgeV6 {
    pub(crate) gateway: Ipv6Addr,
    pub(crate) prefix: u8,
    pub(crate) range: Option<(Ipv6Addr, u8)>,
    pub(crate) reserved: Vec<Ipv6Addr>,
    pub(crate) chosen: bool,
}

impl Network {
    /// Every daemon has it; nobody removes it.
    pub(crate) fn is_predefined(&self) -> bool {
        matches!(self.name.as_str(), "bridge" | "host" | "none")
    }

    /// How the kernel's bridge is to be, of networks that have one.
    pub(super) fn config(&self) -> Option<BridgeConfig> {
        let bridge = self.bridge.as_ref().filter(|_| self.macvlan.is_none())?;
        Some(BridgeConfig {
            name: bridge.name.clone(),
            gateway: bridge.gateway,
            prefix: bridge.prefix,
            mtu: bridge.mtu,
            masquerade: bridge.masquerade && !self.internal,
            icc: bridge.icc,
            internal: self.internal,
            v6: bridge.v6.as_ref().map(|v6| (v6.gateway, v6.prefix)),
        })
    }

    /// One of the two that have no bridge.
    pub(super) fn plain(name: &str, driver: Driver, created: &str) -> Self {
        Self {
            id: network_id(name),
            name: name.to_owned(),
            created: created.to_owned(),
            driver,
            scope: "local".to_owned(),
            internal: false,
            attachable: false,
            config_only: false,
            config_from: String::new(),
            ipv6: false,
            ipam: Ipam { driver: IPAM_DRIVER.to_owned(), ..Ipam::default() },
            options: Texts::new(),
            labels: Texts::new(),
            bridge: None,
            macvlan: None,
        }
    }

    /// Whether nobody in it gets a default route.
    pub(super) fn leads_nowhere(&self) -> bool {
        self.internal || self.macvlan.as_ref().is_some_and(Macvlan::leads_nowhere)
    }

    /// The default bridge.
    pub(super) fn default_bridge(bridge: Bridge, created: &str) -> Self {
        let publish_on = bridge.publish_on.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let options = [
            ("bridge.default_bridge", "true".to_owned()),
            ("bridge.enable_icc", bridge.icc.to_string()),
            ("bridge.enable_ip_masquerade", bridge.masquerade.to_string()),
            ("bridge.host_binding_ipv4", publish_on.to_string()),
            ("bridge.name", bridge.name.clone()),
            ("driver.mtu", bridge.mtu.to_string()),
        ];
        let subnet = Subnet::of(bridge.gateway, bridge.prefix);
        let config = IpamConfig {
            subnet: subnet.map(|subnet| subnet.to_string()).unwrap_or_default(),
            gateway: bridge.gateway.to_string(),
            ..IpamConfig::default()
        };
        let mut configs = vec![config];
        configs.extend(bridge.v6.as_ref().map(|v6| {
            IpamConfig {
                subnet: Subnet6::of(v6.gateway, v6.prefix)
                    .map(|subnet| subnet.to_string())
                    .unwrap_or_default(),
                gateway: v6.gateway.to_string(),
                ..IpamConfig::default()
            }
        }));
        let option = |(key, value)| (format!("com.docker.network.{key}"), value);
        Self {
            driver: Driver::Bridge,
            ipv6: bridge.v6.is_some(),
            ipam: Ipam { driver: IPAM_DRIVER.to_owned(), config: Some(configs), ..Ipam::default() },
            options: options.into_iter().map(option).collect(),
            bridge: Some(bridge),
            ..Self::plain(super::BRIDGE, Driver::Bridge, created)
        }
    }
}

/// Ids of the standard networks: the same for ever, made from their names.
fn network_id(name: &str) -> String {
    store::Digest::of(format!("network {name}").as_bytes()).hex()
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    #[serde(flatten)]
    network: Network,
}

pub(super) fn insert(records: &Records, network: &Network) -> Result<(), Error> {
    let document = Document { version: VERSION, network: network.clone() };
    let json = serde_json::to_string(&document).map_err(Error::failed)?;
    records.insert(KIND, &network.id, Some(&network.name), &json).map_err(|error| match error {
        store::RecordError::NameTaken { name, .. } => Error::NameTaken(name),
        error => Error::failed(error),
    })
}

pub(super) fn delete(records: &Records, id: &str) -> Result<(), Error> {
    records.delete(KIND, id).map(drop).map_err(Error::failed)
}

/// Every stored network; those that can not be read are told and left alone.
pub(super) fn load(records: &Records) -> Result<Vec<Network>, Error> {
    let mut networks = Vec::new();
    for record in records.list(KIND).map_err(Error::failed)? {
        match serde_json::from_str::<Document>(&record.json) {
            Ok(document) if document.version == VERSION => networks.push(document.network),
            Ok(document) => tracing::error!(
                network.id = record.id,
                record.version = document.version,
                "the network's record is of an unknown version; it is left alone"
            ),
            Err(error) => tracing::error!(
                network.id = record.id,
                %error,
                "the network's record can not be read; it is left alone"
            ),
        }
    }
    Ok(networks)
}
