//! Links of the default bridge: another container's address under a name of one's own, in `/etc/hosts`, and what it
//! offers, in the environment. On other networks links are names that the name server knows.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::containers::Service;
use crate::containers::actor::Actor;
use crate::containers::error::Error;
use crate::containers::handle::{Command, Handle, Outcome};
use crate::containers::record::Definition;
use crate::containers::state::Request;
use crate::networks::BRIDGE;

/// A link to another container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    /// The other one's id.
    pub(crate) container: String,
    pub(crate) alias: String,
}

/// A link whose other end runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::containers) struct Linked {
    pub(in crate::containers) address: IpAddr,
    /// The names in `/etc/hosts`.
    pub(in crate::containers) names: String,
    pub(in crate::containers) environment: Vec<String>,
}

impl Handle {
    /// Takes the link with this alias away. A container that runs knows of it until its end.
    pub(crate) async fn unlink(&self, alias: &str) -> Result<Outcome, Error> {
        let alias = alias.to_owned();
        self.ask(|reply| Command::Unlink { alias, reply }).await
    }
}

impl Actor {
    pub(in crate::containers) fn unlink(&mut self, alias: &str) -> Result<Outcome, Error> {
        self.admit(Request::Change)?;
        let mut links = self.definition.links.clone();
        links.retain(|link| link.alias != alias);
        if links.len() == self.definition.links.len() {
            return Err(Error::NoContainer(format!("{}/{alias}", self.name)));
        }
        self.redefine(Definition { links, ..Definition::clone(&self.definition) })?;
        Ok(Outcome::Done)
    }
}

impl Service {
    /// The links of a container called `name`, all of whose other ends run.
    pub(in crate::containers) fn linked(
        &self,
        definition: &Definition,
        name: &str,
    ) -> Result<Vec<Linked>, Error> {
        let linked = |link: &Link| {
            let Ok(peer) = self.resolve(&link.container) else { return None };
            let address = address(&peer, &format!("/{name}/{}", link.alias));
            Some(address.map(|address| to(link, &peer, name, address)))
        };
        definition.links.iter().filter_map(linked).collect()
    }

    /// Links as `HostConfig.Links` of inspect shows them.
    pub(in crate::containers) fn shown_links(
        &self,
        definition: &Definition,
        name: &str,
    ) -> Option<Vec<String>> {
        let shown = |link: &Link| {
            let peer = self.resolve(&link.container).ok()?;
            Some(format!("/{}:/{name}/{}", peer.snapshot().name, link.alias))
        };
        let list: Vec<_> = definition.links.iter().filter_map(shown).collect();
        (!list.is_empty()).then_some(list)
    }
}

/// Where a container that is linked to as `alias` is reached.
fn address(peer: &Handle, alias: &str) -> Result<IpAddr, Error> {
    let seen = peer.snapshot();
    let name = &seen.name;
    if seen.progress.state.running().is_none() {
        let why = format!("Cannot link to a non running container: /{name} AS {alias}");
        return Err(Error::Internal(why));
    }
    let networks = seen.progress.networks.iter();
    let mut bridges = networks.filter(|attachment| attachment.network == BRIDGE);
    bridges.find_map(|attachment| Some(IpAddr::V4(attachment.lease.as_ref()?.address))).ok_or_else(
        || {
            let why = "as it does not belong to the default network";
            Error::Internal(format!("Cannot link to /{name}, {why}"))
        },
    )
}

fn to(link: &Link, peer: &Handle, name: &str, address: IpAddr) -> Linked {
    let config = &peer.definition.config;
    let seen = peer.snapshot();
    let mut names: Vec<&str> = Vec::new();
    for each in [link.alias.as_str(), &config.hostname, &seen.name] {
        if !names.contains(&each) {
            names.push(each);
        }
    }
    let exposed = config.exposed_ports.iter().flatten().map(|(port, _)| port.as_str());
    let mut ports: Vec<(u32, &str)> = exposed
        .filter_map(|port| {
            let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
            Some((number.parse().ok()?, protocol))
        })
        .collect();
    ports.sort_unstable();
    let own: Vec<_> = config.env.iter().flatten().map(String::as_str).collect();
    let environment = environment(&link.alias, name, address, &ports, &own);
    Linked { address, names: names.join(" "), environment }
}

/// The variables that tell of a linked container. `own`: its environment.
fn environment(
    alias: &str,
    name: &str,
    address: IpAddr,
    ports: &[(u32, &str)],
    own: &[&str],
) -> Vec<String> {
    let prefix = alias.to_ascii_uppercase().replace('-', "_");
    let mut list = Vec::new();
    if let Some((port, protocol)) = ports.first() {
        list.push(format!("{prefix}_PORT={protocol}://{address}:{port}"));
    }
    for (port, protocol) in ports {
        let key = format!("{prefix}_PORT_{port}_{}", protocol.to_ascii_uppercase());
        list.push(format!("{key}={protocol}://{address}:{port}"));
        list.push(format!("{key}_ADDR={address}"));
        list.push(format!("{key}_PORT={port}"));
        list.push(format!("{key}_PROTO={protocol}"));
    }
    list.push(format!("{prefix}_NAME=/{name}/{alias}"));
    let known = |variable: &&&str| {
        // What every container has says nothing.
        !matches!(variable.split_once('='), None | Some(("HOME" | "PATH", _)))
    };
    list.extend(own.iter().filter(known).map(|variable| format!("{prefix}_ENV_{variable}")));
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_tells_of_every_port() {
        let address = "172.17.0.3".parse().unwrap();
        let list = environment(
            "my-db",
            "web",
            address,
            &[(53, "udp"), (80, "tcp")],
            &["FOO=bar", "PATH=/bin", "X"],
        );
        assert_eq!(
            list,
            [
                "MY_DB_PORT=udp://172.17.0.3:53",
                "MY_DB_PORT_53_UDP=udp://172.17.0.3:53",
                "MY_DB_PORT_53_UDP_ADDR=172.17.0.3",
                "MY_DB_PORT_53_UDP_PORT=53",
                "MY_DB_PORT_53_UDP_PROTO=udp",
                "MY_DB_PORT_80_TCP=tcp://172.17.0.3:80",
                "MY_DB_PORT_80_TCP_ADDR=172.17.0.3",
                "MY_DB_PORT_80_TCP_PORT=80",
                "MY_DB_PORT_80_TCP_PROTO=tcp",
                "MY_DB_NAME=/web/my-db",
                "MY_DB_ENV_FOO=bar",
            ]
        );
    }
}
