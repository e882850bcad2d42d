//! `--publish [[IP:]HOST:]PORT[/PROTOCOL]` and `--expose`, each with ranges.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use api_spec::container::Empty;
use api_spec::network::{PortBinding, PortMap};

use super::OptionsError;
use crate::args::ContainerOptions;

type Ports = RangeInclusive<u16>;

/// Every port that is exposed or published.
pub(super) fn exposed(options: &ContainerOptions) -> Result<BTreeMap<String, Empty>, OptionsError> {
    let mut ports = BTreeMap::new();
    for text in &options.expose {
        let invalid = || OptionsError::invalid("--expose", text, "not a port such as 80/tcp");
        let (range, protocol) = protocol(text).ok_or_else(invalid)?;
        for port in parse_range(range).ok_or_else(invalid)? {
            ports.insert(format!("{port}/{protocol}"), Empty {});
        }
    }
    for text in &options.publish {
        ports.extend(publish(text)?.into_iter().map(|(port, _)| (port, Empty {})));
    }
    Ok(ports)
}

/// Every published port with the places on the host.
pub(super) fn bindings(options: &ContainerOptions) -> Result<PortMap, OptionsError> {
    let mut map = PortMap::new();
    for text in &options.publish {
        for (port, binding) in publish(text)? {
            map.entry(port).or_default().get_or_insert_default().push(binding);
        }
    }
    Ok(map)
}

fn publish(text: &str) -> Result<Vec<(String, PortBinding)>, OptionsError> {
    let invalid =
        || OptionsError::invalid("--publish", text, "expected [[IP:]HOST:]PORT[/PROTOCOL]");
    let (place, protocol) = protocol(text).ok_or_else(invalid)?;
    let (rest, inner) = place.rsplit_once(':').unwrap_or(("", place));
    let inner = parse_range(inner).ok_or_else(invalid)?;
    let (address, outer) = rest.rsplit_once(':').unwrap_or(("", rest));
    let address = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
    if !address.is_empty() && address.parse::<std::net::IpAddr>().is_err() {
        return Err(invalid());
    }
    let bound = |port: u16, host_port: String| {
        let binding = PortBinding { host_ip: address.to_owned(), host_port };
        (format!("{port}/{protocol}"), binding)
    };
    if outer.is_empty() {
        return Ok(inner.map(|port| bound(port, String::new())).collect());
    }
    let outer_range = parse_range(outer).ok_or_else(invalid)?;
    match (inner.len(), outer_range.len()) {
        (a, b) if a == b => {
            Ok(inner.zip(outer_range).map(|(port, host)| bound(port, host.to_string())).collect())
        }
        // The daemon chooses one of the range.
        (1, _) => Ok(inner.map(|port| bound(port, outer.to_owned())).collect()),
        _ => Err(invalid()),
    }
}

fn protocol(text: &str) -> Option<(&str, String)> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_lowercase();
    matches!(protocol.as_str(), "tcp" | "udp" | "sctp").then_some((ports, protocol))
}

fn parse_range(text: &str) -> Option<Ports> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && first > 0).then_some(first..=last)
}
