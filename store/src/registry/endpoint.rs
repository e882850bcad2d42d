//! From a registry's name to the addresses to try, in order.
//!
//! As dockerd: mirrors first (docker.io only), then the registry itself; a loopback or insecure
//! one by https without verification, then by http. Only the match of a host name against
//! configured blocks asks the resolver.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use reqwest::Url;

use super::mirror::Mirror;
use crate::reference::DEFAULT_DOMAIN;

/// Where docker.io's images really are.
const DEFAULT_REGISTRY_HOST: &str = "registry-1.docker.io";
/// How long the resolver may take to tell whether a host is in an insecure block.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a configured registry is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A bad `--registry-mirror`.
    #[error("invalid mirror: {mirror:?}: {reason}")]
    Mirror {
        /// As configured.
        mirror: String,
        /// What is wrong.
        reason: String,
    },
    /// A bad `--insecure-registry`.
    #[error("insecure registry {registry} is not valid: {reason}")]
    Insecure {
        /// As configured.
        registry: String,
        /// What is wrong.
        reason: String,
    },
}

/// One address of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `http[s]://host[:port]/`
    pub(crate) base: Url,
    /// Certificates are verified; always so where the configuration does not say otherwise.
    pub(crate) verify: bool,
    /// A mirror: tried once, without the user's credentials, and given up for any reason.
    pub(crate) mirror: bool,
}

/// A CIDR block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    address: IpAddr,
    prefix: u8,
}

impl Block {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let prefix: u8 = prefix.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= bits).then_some(Self { address, prefix })
    }

    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(block), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                block.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(block), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                block.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        }
    }
}

/// The registries that need no verified TLS.
#[derive(Debug, Clone)]
pub(crate) struct Insecure {
    blocks: Vec<Block>,
    hosts: Vec<String>,
}

impl Insecure {
    /// Reads host names and blocks; the loopback blocks are always there.
    pub(crate) fn parse(registries: &[String]) -> Result<Self, ConfigError> {
        let mut insecure = Self {
            blocks: vec![
                Block { address: IpAddr::V6(Ipv6Addr::LOCALHOST), prefix: 128 },
                Block { address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), prefix: 8 },
            ],
            hosts: Vec::new(),
        };
        for registry in registries {
            let invalid = |reason: &str| ConfigError::Insecure {
                registry: registry.clone(),
                reason: reason.to_owned(),
            };
            let bare = registry
                .strip_prefix("http://")
                .or_else(|| registry.strip_prefix("https://"))
                .unwrap_or(registry);
            if let Some(block) = Block::parse(bare) {
                insecure.blocks.push(block);
                continue;
            }
            if bare.contains("://") {
                return Err(invalid("should not contain '://'"));
            }
            if bare.is_empty() || bare.contains('/') || host_of(bare).is_none() {
                return Err(invalid("must be a host, host:port or CIDR block"));
            }
            insecure.hosts.push(bare.to_owned());
        }
        Ok(insecure)
    }

    pub(crate) fn blocks(&self) -> Vec<String> {
        self.blocks.iter().map(|block| format!("{}/{}", block.address, block.prefix)).collect()
    }

    pub(crate) fn hosts(&self) -> Vec<String> {
        self.hosts.clone()
    }

    /// Whether the name alone (`host` or `host:port`) is listed, loopback, or an address in a block.
    pub(crate) fn matches_name(&self, domain: &str) -> bool {
        let host = host_of(domain).unwrap_or(domain);
        let listed = |name: &String| name == domain || name == host;
        is_localhost(host)
            || self.hosts.iter().any(listed)
            || host.parse().is_ok_and(|address| self.matches_address(address))
    }

    fn matches_address(&self, address: IpAddr) -> bool {
        self.blocks.iter().any(|block| block.contains(address))
    }

    /// As `matches_name`; a host name is resolved where blocks besides loopback are configured.
    async fn matches(&self, domain: &str) -> bool {
        const LOOPBACK_BLOCKS: usize = 2;
        if self.matches_name(domain) {
            return true;
        }
        if self.blocks.len() == LOOPBACK_BLOCKS {
            return false;
        }
        let host = host_of(domain).unwrap_or(domain);
        let lookup = tokio::net::lookup_host((host, 443));
        match tokio::time::timeout(RESOLVE_TIMEOUT, lookup).await {
            Ok(Ok(mut found)) => found.any(|address| self.matches_address(address.ip())),
            _ => false,
        }
    }
}

/// The host of `host[:port]`, without the brackets of an IPv6 address.
pub(crate) fn host_of(domain: &str) -> Option<&str> {
    let (host, port) = match domain.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => domain.split_at(domain.find(':').unwrap_or(domain.len())),
    };
    let port_is_valid =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    port_is_valid.then_some(host)
}

/// `localhost`, and names below it, never leave the machine (RFC 6761 section 6.3).
fn is_localhost(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

/// Whether a host is this machine by its name or address.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    is_localhost(host) || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// The addresses to try for a registry's name, in order; none if no URL can be made of it.
pub(crate) async fn endpoints(
    domain: &str,
    mirrors: &[Mirror],
    insecure: &Insecure,
) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    if domain == DEFAULT_DOMAIN {
        for mirror in mirrors {
            let base = mirror.base().clone();
            let authority = authority(&base);
            let verify = !insecure.matches(&authority).await;
            endpoints.push(Endpoint { base, verify, mirror: true });
        }
    }
    let host = if domain == DEFAULT_DOMAIN { DEFAULT_REGISTRY_HOST } else { domain };
    let is_insecure = insecure.matches(host).await;
    let schemes: &[&str] = if is_insecure { &["https", "http"] } else { &["https"] };
    for scheme in schemes {
        if let Ok(base) = Url::parse(&format!("{scheme}://{host}/")) {
            endpoints.push(Endpoint { base, verify: !is_insecure, mirror: false });
        }
    }
    endpoints
}

/// `host[:port]` of a URL as users write it.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insecure(registries: &[&str]) -> Insecure {
        let registries: Vec<String> = registries.iter().map(|&text| text.to_owned()).collect();
        Insecure::parse(&registries).expect("insecure registries")
    }

    async fn urls(domain: &str, insecure: &Insecure) -> Vec<(String, bool)> {
        let mirrors = [Mirror::parse("http://mirror.example").expect("mirror")];
        let endpoints = endpoints(domain, &mirrors, insecure).await;
        endpoints.into_iter().map(|e| (e.base.to_string(), e.verify)).collect()
    }

    #[tokio::test]
    async fn the_default_domain_has_mirrors_and_another_host() {
        let expected = vec![
            ("http://mirror.example/".to_owned(), true),
            ("https://registry-1.docker.io/".to_owned(), true),
        ];
        assert_eq!(urls("docker.io", &insecure(&[])).await, expected);
        let expected = vec![("https://quay.io/".to_owned(), true)];
        assert_eq!(urls("quay.io", &insecure(&[])).await, expected);
    }

    #[tokio::test]
    async fn loopback_and_insecure_hosts_fall_back_to_http() {
        let insecure = insecure(&["reg.example:5000", "10.1.0.0/16", "fd00::/8"]);
        for domain in [
            "localhost",
            "localhost:5000",
            "127.0.0.9:1",
            "[::1]:5000",
            "reg.example:5000",
            "10.1.2.3",
            "[fd12::1]:5000",
        ] {
            let expected =
                vec![(format!("https://{domain}/"), false), (format!("http://{domain}/"), false)];
            assert_eq!(urls(domain, &insecure).await, expected);
        }
        for domain in ["10.2.0.1", "[fe80::1]:5000", "128.0.0.1"] {
            let expected = vec![(format!("https://{domain}/"), true)];
            assert_eq!(urls(domain, &insecure).await, expected);
        }
        assert!(!insecure.matches_name("reg.example:5001"));
    }

    #[test]
    fn malformed_insecure_registries_are_refused() {
        for registry in ["", "ftp://x", "a/b", "x:port", "1.2.3.4/40"] {
            assert!(Insecure::parse(&[registry.to_owned()]).is_err(), "{registry}");
        }
    }
}
