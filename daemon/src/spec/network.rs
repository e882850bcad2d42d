//! What a container's network leaves in its files and sysctls: `/etc/hosts`, `/etc/resolv.conf`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use api_spec::container::HostConfig;

use super::{Mode, Source, mode};

/// Name servers of last resort, as dockerd has them, for a host whose only ones are on its loopback.
const FALLBACK_NAMESERVERS: [&str; 2] = ["8.8.8.8", "8.8.4.4"];

/// Names without a dot are containers': they are asked for as they are.
const NDOTS: &str = "ndots:0";

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

/// What `/etc/hosts` is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hosts<'a> {
    pub(crate) host_config: &'a HostConfig,
    /// The container's names: see [`host_names`].
    pub(crate) names: &'a str,
    pub(crate) addresses: &'a [IpAddr],
    /// Other containers, and the names that this one has for them.
    pub(crate) linked: &'a [(IpAddr, &'a str)],
    /// What `host-gateway` means.
    pub(crate) gateway: Option<IpAddr>,
}

/// The names of a container in its own `/etc/hosts`: the whole name first, then its first label, as Docker has it.
pub(crate) fn host_names(hostname: &str, domainname: &str) -> String {
    let dot = if domainname.is_empty() { "" } else { "." };
    let full = format!("{hostname}{dot}{domainname}");
    match full.split_once('.') {
        Some((short, _)) => format!("{full} {short}"),
        None => full,
    }
}

/// `/etc/hosts`.
pub(crate) fn etc_hosts(hosts: &Hosts<'_>) -> String {
    let mut text = String::from(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n\
         ff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n",
    );
    for entry in hosts.host_config.extra_hosts.iter().flatten() {
        // Docker takes `name:address` and `name=address`.
        let Some((name, address)) = entry.split_once(['=', ':']) else { continue };
        match (address, hosts.gateway) {
            ("host-gateway", Some(gateway)) => _ = writeln!(text, "{gateway}\t{name}"),
            ("host-gateway", None) => {}
            (address, _) => _ = writeln!(text, "{}\t{name}", address.trim_matches(['[', ']'])),
        }
    }
    for (address, names) in hosts.linked {
        _ = writeln!(text, "{address}\t{names}");
    }
    for address in hosts.addresses {
        _ = writeln!(text, "{address}\t{}", hosts.names);
    }
    text
}

/// Whom a container asks for names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolver {
    /// Whom the host asks.
    Host,
    /// As the host, but for servers on the host's loopback, which are out of reach.
    Reachable,
    /// Its own name server.
    Own,
}

/// The name servers that answer for a container's own one: the client's, or the host's.
pub(crate) fn nameservers(host: &str, host_config: &HostConfig) -> Vec<String> {
    given(host_config.dns.as_ref()).unwrap_or_else(|| lines(host, "nameserver"))
}

fn given(list: Option<&Vec<String>>) -> Option<Vec<String>> {
    list.filter(|list| !list.is_empty()).cloned()
}

/// The values of a key of a `resolv.conf`.
fn lines(host: &str, key: &str) -> Vec<String> {
    let values = host.lines().filter_map(|line| {
        let (first, rest) = line.trim().split_once(char::is_whitespace)?;
        (first == key).then(|| rest.trim().to_owned())
    });
    values.collect()
}

/// `/etc/resolv.conf` made from the host's.
pub(crate) fn etc_resolv_conf(host: &str, host_config: &HostConfig, resolver: Resolver) -> String {
    let list = |list: &Option<Vec<String>>| given(list.as_ref());
    let lines = |key: &str| lines(host, key);
    let own_namespace = resolver != Resolver::Host;
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
    let nameservers = match resolver {
        Resolver::Own => vec![runtime::network::RESOLVER.to_string()],
        _ => nameservers,
    };
    for server in nameservers {
        _ = writeln!(text, "nameserver {server}");
    }
    let search = list(&host_config.dns_search).unwrap_or_else(|| last_words("search"));
    if !search.is_empty() && search != ["."] {
        _ = writeln!(text, "search {}", search.join(" "));
    }
    let mut options = list(&host_config.dns_options).unwrap_or_else(|| last_words("options"));
    if resolver == Resolver::Own && !options.iter().any(|option| option.starts_with("ndots:")) {
        options.push(NDOTS.to_owned());
    }
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
        let text = etc_resolv_conf(host, &HostConfig::default(), Resolver::Reachable);
        assert_eq!(text, "nameserver 10.0.0.2\nsearch a b\noptions edns0\n");
        let text = etc_resolv_conf(host, &HostConfig::default(), Resolver::Host);
        assert!(text.starts_with("nameserver 127.0.0.53\n"));
        let text = etc_resolv_conf("", &HostConfig::default(), Resolver::Reachable);
        assert_eq!(text, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
        let own = HostConfig {
            dns: Some(vec!["1.1.1.1".into()]),
            dns_search: Some(vec![".".into()]),
            dns_options: Some(vec![]),
            ..HostConfig::default()
        };
        assert_eq!(
            etc_resolv_conf(host, &own, Resolver::Reachable),
            "nameserver 1.1.1.1\noptions edns0\n"
        );
        assert_eq!(
            etc_resolv_conf(host, &own, Resolver::Own),
            "nameserver 127.0.0.11\noptions edns0 ndots:0\n"
        );
    }

    #[test]
    fn hosts_end_with_the_container_itself() {
        let host_config = HostConfig {
            extra_hosts: Some(vec!["a:10.1.1.1".into(), "h:host-gateway".into()]),
            ..HostConfig::default()
        };
        let text = etc_hosts(&Hosts {
            host_config: &host_config,
            names: &host_names("web", "x.org"),
            addresses: &["172.17.0.2".parse().unwrap()],
            linked: &[],
            gateway: "172.17.0.1".parse().ok(),
        });
        assert!(
            text.ends_with("10.1.1.1\ta\n172.17.0.1\th\n172.17.0.2\tweb.x.org web\n"),
            "{text}"
        );
    }
}
