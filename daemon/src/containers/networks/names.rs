//! The names of a container in its networks, and what its name server is told. Pure.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};

use super::Attachment;
use crate::containers::prepare::host_resolv_conf;
use crate::containers::record::Definition;
use crate::networks::Client;
use crate::spec;

/// Digits of an id that are a name.
const SHORT_ID: usize = 12;
/// Where name servers listen.
const DNS: u16 = 53;

/// Docker's list: the container's name, its aliases, the beginning of its id, its hostname.
pub(super) fn of(id: &str, name: &str, hostname: &str, attachment: &Attachment) -> Vec<String> {
    let aliases = attachment.asked.aliases.iter().flatten().map(String::as_str);
    let short = id.get(..SHORT_ID).unwrap_or(id);
    let mut names: Vec<String> = Vec::new();
    for each in std::iter::once(name).chain(aliases).chain([short, hostname]) {
        if !each.is_empty() && !names.iter().any(|known| known == each) {
            names.push(each.to_owned());
        }
    }
    names
}

/// What the container's name server knows of it.
pub(super) fn client(definition: &Definition, attachments: &[Attachment]) -> Client {
    let leased = attachments.iter().filter(|attachment| attachment.lease.is_some());
    let mut sorted: Vec<_> = leased.filter(|attachment| attachment.names.is_some()).collect();
    sorted.sort_by(|a, b| a.network.cmp(&b.network));
    Client {
        networks: sorted.iter().map(|attachment| attachment.id.clone()).collect(),
        links: sorted.iter().flat_map(|attachment| aliases(attachment)).collect(),
        servers: servers(definition),
        sealed: super::attachment::way_out(attachments).is_none(),
    }
}

/// `target:alias` or `target`, by alias.
fn aliases(attachment: &Attachment) -> BTreeMap<String, String> {
    let links = attachment.asked.links.iter().flatten();
    let pair = |link: &String| {
        let (target, alias) = link.split_once(':').unwrap_or((link, link));
        (alias.to_ascii_lowercase(), target.to_owned())
    };
    links.map(pair).collect()
}

fn servers(definition: &Definition) -> Vec<SocketAddr> {
    let names = spec::nameservers(&host_resolv_conf(), &definition.host_config);
    let address = |text: &String| {
        let bare = text.split('%').next().unwrap_or(text);
        bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, DNS))
    };
    names.iter().filter_map(address).collect()
}

/// Puts the addresses that came into a container's `/etc/hosts` and takes those out that went. Nothing else in the
/// file changes: it is the container's.
pub(super) fn rewrite_hosts(
    path: &std::path::Path,
    names: &str,
    came: &[IpAddr],
    went: &[IpAddr],
) -> std::io::Result<()> {
    let text = fs::read_to_string(path)?;
    let line = |address: &IpAddr| format!("{address}\t{names}");
    let gone: Vec<String> = went.iter().map(line).collect();
    let new: Vec<String> = came.iter().map(line).collect();
    let kept = text.lines().filter(|line| !gone.iter().any(|gone| gone == line));
    let lines: Vec<&str> = kept.chain(new.iter().map(String::as_str)).collect();
    // Not by a new file: the container has this one.
    fs::write(path, lines.join("\n") + "\n")
}
