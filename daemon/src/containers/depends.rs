//! Which other containers a container cannot run without: those whose namespaces it shares, and those that it is
//! linked to. They are started before it and stopped after it.

use std::collections::BTreeSet;

use api_spec::container::HostConfig;

use super::Service;
use super::record::Definition;
use crate::spec::{Mode, mode};

impl Service {
    /// Ids of the containers that this one needs, of those that are there.
    pub(super) fn needs(&self, definition: &Definition) -> BTreeSet<String> {
        let host_config = &definition.host_config;
        let modes = [&host_config.network_mode, &host_config.ipc_mode, &host_config.pid_mode];
        let shared = modes.into_iter().filter_map(|text| match mode(text) {
            Mode::Container(name) => Some(name),
            _ => None,
        });
        let linked = definition.links.iter().map(|link| link.container.as_str());
        let found = shared.chain(linked).filter_map(|name| self.resolve(name).ok());
        found.map(|peer| peer.id().to_owned()).filter(|id| *id != definition.id).collect()
    }

    /// Calls the containers whose namespaces are shared by their ids: names may change hands.
    pub(super) fn identify_peers(&self, host_config: &mut HostConfig) {
        let HostConfig { network_mode, ipc_mode, pid_mode, .. } = host_config;
        for text in [network_mode, ipc_mode, pid_mode] {
            if let Mode::Container(name) = mode(text)
                && let Ok(peer) = self.resolve(name)
            {
                *text = format!("container:{}", peer.id());
            }
        }
    }
}
