//! A network that a container is in, or will be when it runs. Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use api_spec::network::{EndpointSettings, NetworkContainer};
use serde::{Deserialize, Serialize};

use crate::networks::{Asked, Lease};

/// A network of a container: what was asked for, and what it got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attachment {
    /// The network's name.
    pub(crate) network: String,
    /// Its id, from the first start on.
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) asked: Asked,
    /// Names of the container there, from the first start on, where there are names.
    pub(crate) names: Option<Vec<String>>,
    /// While it runs.
    pub(crate) lease: Option<Lease>,
}

impl Attachment {
    pub(super) fn new(network: &str, asked: Asked) -> Self {
        Self { network: network.to_owned(), asked, ..Self::default() }
    }
}

/// Which attachment the default route and the published ports belong to: that of the highest priority, among equals
/// one that leads out by IPv6 too, and then the one whose network's name comes first.
pub(super) fn way_out(attachments: &[Attachment]) -> Option<usize> {
    let leads = |at: &usize| {
        let lease: Option<&Lease> = attachments[*at].lease.as_ref();
        lease.is_some_and(|lease| lease.gateway.is_some())
    };
    let rank = |at: &usize| {
        let Attachment { asked, lease, network, .. } = &attachments[*at];
        let leads_by_v6 =
            lease.as_ref().and_then(|lease| lease.v6).is_some_and(|v6| v6.gateway.is_some());
        (Reverse(asked.priority), Reverse(leads_by_v6), network)
    };
    (0..attachments.len()).filter(leads).min_by_key(rank)
}

/// The id of a container's place in a network: the same for ever.
pub(crate) fn endpoint_id(container: &str, network: &str) -> String {
    store::Digest::of(format!("endpoint {container} {network}").as_bytes()).hex()
}

/// The attachments as inspect shows them.
pub(crate) fn endpoints(
    container: &str,
    attachments: &[Attachment],
) -> BTreeMap<String, EndpointSettings> {
    attachments.iter().map(|it| (it.network.clone(), settings(container, it))).collect()
}

fn settings(container: &str, attachment: &Attachment) -> EndpointSettings {
    let Attachment { id, asked, names, lease, .. } = attachment;
    let mut settings = EndpointSettings {
        ipam_config: asked.ipam.clone(),
        links: asked.links.clone(),
        aliases: asked.aliases.clone(),
        mac_address: asked.mac.clone(),
        driver_opts: asked.driver_opts.clone(),
        gw_priority: Some(asked.priority),
        network_id: id.clone(),
        dns_names: names.clone(),
        ..EndpointSettings::default()
    };
    if let Some(lease) = lease {
        settings.endpoint_id = endpoint_id(container, id);
        settings.gateway = lease.gateway.map(|gateway| gateway.to_string()).unwrap_or_default();
        settings.ip_address = lease.address.to_string();
        settings.ip_prefix_len = lease.prefix;
        settings.mac_address = mac_text(&lease.mac);
        if let Some(v6) = lease.v6 {
            settings.ipv6_gateway =
                v6.gateway.map(|gateway| gateway.to_string()).unwrap_or_default();
            settings.global_ipv6_address = v6.address.to_string();
            settings.global_ipv6_prefix_len = v6.prefix;
        }
    }
    settings
}

/// The container as the network shows it, while it runs.
pub(crate) fn shown_in_network(
    container: &str,
    name: &str,
    attachment: &Attachment,
) -> Option<NetworkContainer> {
    let lease = attachment.lease.as_ref()?;
    Some(NetworkContainer {
        name: name.to_owned(),
        endpoint_id: endpoint_id(container, &attachment.id),
        mac_address: mac_text(&lease.mac),
        ipv4_address: format!("{}/{}", lease.address, lease.prefix),
        ipv6_address: lease
            .v6
            .map(|v6| format!("{}/{}", v6.address, v6.prefix))
            .unwrap_or_default(),
    })
}

fn mac_text(mac: &[u8; 6]) -> String {
    let pairs: Vec<String> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}
