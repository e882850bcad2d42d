//! What a container's network leaves in its files and sysctls: `/etc/hosts`, `/etc/resolv.conf`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use api_spec::container::HostConfig;

use super::{Mode, Source, mode};

/// Name servers of last resort, as dockerd has them, for a host whose only ones are on its loopback.
const FALLBACK_NAMESERVERS: [&str; 2] = ["8.8.8.8", "8.8.4.4"];

/// `linux.sysctl`: two defaults of a private network namespace, then the client's.
pub(super) fn sysctls(source: &Source<'_>) -> HashMap<String, String> {
    let mut sysctls = HashMap::new();
    let mode = mode(&source.host_config.network_mode);
    if !matches!(mode, Mode::Host | Mode::Container(_)) {
        sysctls.insert("net.ipv4.ping_group_range".to_owned(), "0 2147483647".to_owned());
        sysctls.insert("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned());
    }
    for (key, value) in source.host_config.sysctls.iter().flatten() {
        sysctls.insert(key.clone(), value.clone());
    }
    sysctls
}

/// `/etc/hosts` of a container with this address, if it has one. `gateway` is what `host-gateway` means.
pub(crate) fn etc_hosts(
    host_config: &HostConfig,
    hostname: &str,
    domainname: &str,
    address: Option<IpAddr>,
    gateway: Option<IpAddr>,
) -> String {
    let mut text = String::from(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n\
         ff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n",
    );
    for entry in host_config.extra_hosts.iter().flatten() {
        // Docker takes `name:address` and `name=address`.
        let Some((name, address)) = entry.split_once(['=', ':']) else { continue };
        match (address, gateway) {
            ("host-gateway", Some(gateway)) => _ = writeln!(text, "{gateway}\t{name}"),
            ("host-gateway", None) => {}
            (address, _) => _ = writeln!(text, "{}\t{name}", address.trim_matches(['[', ']'])),
        }
    }
    if let Some(address) = address {
        let dot = if domainname.is_empty() { "" } else { "." };
        let full = format!("{hostname}{dot}{domainname}");
        // The whole name first, then its first label, as Docker has it.
        _ = match full.split_once('.') {
            Some((short, _)) => writeln!(text, "{address}\t{full} {short}"),
            None => writeln!(text, "{address}\t{full}"),
        };
    }
    text
}

/// `/etc/resolv.conf` made from the host's. `own_namespace`: the host's loopback can not be reached.
pub(crate) fn etc_resolv_conf(host: &str, host_config: &HostConfig, own_namespace: bool) -> String {
    let list = |list: &Option<Vec<String>>| {
        list.as_deref().filter(|list| !list.is_empty()).map(<[String]>::to_vec)
    };
    let lines = |key: &str| -> Vec<String> {
        let values = host.lines().filter_map(|line| {
            let (first, rest) = line.trim().split_once(char::is_whitespace)?;
            (first == key).then(|| rest.trim().to_owned())
        });
        values.collect()
    };
    let last_words = |key: &str| -> Vec<String> {
        let words = lines(key).pop().unwrap_or_default();
        words.split_whitespace().map(str::to_owned).collect()
    };
    let mut text = String::new();
    let nameservers = list(&host_config.dns).unwrap_or_else(|| {
        let reachable = |server: &String| !own_namespace || !is_loopback(server);
        let servers: Vec<String> = lines("nameserver").into_iter().filter(reachable).collect();
        match servers.is_empty() && own_namespace {
            true => FALLBACK_NAMESERVERS.map(str::to_owned).to_vec(),
            false => servers,
        }
    });
    for server in nameservers {
        _ = writeln!(text, "nameserver {server}");
    }
    let search = list(&host_config.dns_search).unwrap_or_else(|| last_words("search"));
    if !search.is_empty() && search != ["."] {
        _ = writeln!(text, "search {}", search.join(" "));
    }
    let options = list(&host_config.dns_options).unwrap_or_else(|| last_words("options"));
    if !options.is_empty() {
        _ = writeln!(text, "options {}", options.join(" "));
    }
    text
}

fn is_loopback(server: &str) -> bool {
    let address = server.split('%').next().unwrap_or(server);
    address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_servers_do_not_reach_a_container() {
        let host = "# c\nnameserver 127.0.0.53\nnameserver 10.0.0.2\nsearch a b\noptions edns0\n";
        let text = etc_resolv_conf(host, &HostConfig::default(), true);
        assert_eq!(text, "nameserver 10.0.0.2\nsearch a b\noptions edns0\n");
        let text = etc_resolv_conf(host, &HostConfig::default(), false);
        assert!(text.starts_with("nameserver 127.0.0.53\n"));
        let text = etc_resolv_conf("", &HostConfig::default(), true);
        assert_eq!(text, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
        let own = HostConfig {
            dns: Some(vec!["1.1.1.1".into()]),
            dns_search: Some(vec![".".into()]),
            dns_options: Some(vec![]),
            ..HostConfig::default()
        };
        assert_eq!(etc_resolv_conf(host, &own, true), "nameserver 1.1.1.1\noptions edns0\n");
    }

    #[test]
    fn hosts_end_with_the_container_itself() {
        let host_config = HostConfig {
            extra_hosts: Some(vec!["a:10.1.1.1".into(), "h:host-gateway".into()]),
            ..HostConfig::default()
        };
        let address = "172.17.0.2".parse().ok();
        let gateway = "172.17.0.1".parse().ok();
        let text = etc_hosts(&host_config, "web", "x.org", address, gateway);
        assert!(
            text.ends_with("10.1.1.1\ta\n172.17.0.1\th\n172.17.0.2\tweb.x.org web\n"),
            "{text}"
        );
    }
}
