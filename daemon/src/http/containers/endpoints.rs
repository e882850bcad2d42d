//! A container's networks as the API version has them that a client speaks.

use std::collections::BTreeMap;

use api_spec::container::ContainerInspect;
use api_spec::network::EndpointSettings;

use crate::http::extract::Api;

const PRIORITY_SINCE: u32 = 48;
/// Before 1.45 the container's short id and host name were aliases; since then they are in `DNSNames` alone.
const NAMES_SINCE: u32 = 45;
/// Before 1.52 the default bridge's endpoint was shown twice, and the main one's hardware address too.
const ONCE_SINCE: u32 = 52;
const SHORT_ID: usize = 12;

/// As inspect shows them.
pub(super) fn inspected(inspect: &mut ContainerInspect, api: Api) {
    if api.since(ONCE_SINCE) {
        inspect.network_settings.default_bridge = None;
        inspect.config.mac_address.clear();
    }
    let short = inspect.id.chars().take(SHORT_ID).collect::<String>();
    let names = [short, inspect.config.hostname.clone()];
    for (network, endpoint) in &mut inspect.network_settings.networks {
        let has_names = !matches!(network.as_str(), "bridge" | "host" | "none");
        if has_names && !api.since(NAMES_SINCE) {
            let aliases = endpoint.aliases.get_or_insert_default();
            for name in &names {
                if !aliases.contains(name) {
                    aliases.push(name.clone());
                }
            }
        }
        priority(endpoint, api);
    }
}

/// As lists show them: where the container is, not what it is called there.
pub(super) fn listed(networks: &mut BTreeMap<String, EndpointSettings>, api: Api) {
    for endpoint in networks.values_mut() {
        endpoint.aliases = None;
        endpoint.links = None;
        endpoint.dns_names = None;
        priority(endpoint, api);
    }
}

fn priority(endpoint: &mut EndpointSettings, api: Api) {
    endpoint.gw_priority = endpoint.gw_priority.filter(|_| api.since(PRIORITY_SINCE));
}

#[cfg(test)]
mod tests {
    use api_spec::version::ApiVersion;

    use super::*;

    #[test]
    fn older_versions_have_more_aliases() {
        let of = |minor| {
            let endpoint = EndpointSettings { gw_priority: Some(0), ..EndpointSettings::default() };
            let mut inspect = ContainerInspect {
                id: "0123456789abcdef".to_owned(),
                ..ContainerInspect::default()
            };
            inspect.config.hostname = "web".to_owned();
            inspect.network_settings.networks =
                ["bridge", "own"].map(|name| (name.to_owned(), endpoint.clone())).into();
            inspected(&mut inspect, Api(ApiVersion::new(1, minor)));
            let networks = inspect.network_settings.networks;
            assert_eq!(networks["bridge"].aliases, None);
            (
                networks["own"].aliases.clone().unwrap_or_default().join(" "),
                networks["own"].gw_priority,
            )
        };
        assert_eq!(of(44), ("0123456789ab web".to_owned(), None));
        assert_eq!(of(45), (String::new(), None));
        assert_eq!(of(48), (String::new(), Some(0)));
    }
}
