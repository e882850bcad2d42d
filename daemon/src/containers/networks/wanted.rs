//! Which networks and links a create asks for, checked.

use api_spec::container::CreateRequest;

use super::{Attachment, Link};
use crate::containers::Service;
use crate::containers::error::Error;
use crate::networks::{self, Asked, BRIDGE};
use crate::spec::{Mode, mode};

/// What the daemon warns of.
pub(crate) const OLD_MAC: &str = "The container-wide MacAddress field is now deprecated. It should be specified in \
                       EndpointsConfig instead.";

/// The networks of a new container, its main one first. Networks that are not there are a matter of its start.
pub(in crate::containers) fn attachments(
    service: &Service,
    request: &CreateRequest,
    warnings: &mut Vec<String>,
) -> Result<Vec<Attachment>, Error> {
    let own_mode = request.host_config.network_mode.as_str();
    let endpoints = request.networking_config.endpoints_config.iter().flatten();
    let mut list: Vec<Attachment> = Vec::new();
    for (name, settings) in endpoints {
        let asked = Asked::from(settings.clone());
        let name = known_as(service, name);
        let network = service.networks.get(&name).ok();
        networks::check_endpoint(&name, network.as_deref(), &asked).map_err(of(&name))?;
        list.push(Attachment::new(&name, asked));
    }
    if matches!(mode(own_mode), Mode::Container(_)) || request.config.network_disabled {
        return Ok(Vec::new());
    }
    let own = known_as(service, own_mode);
    let at = list.iter().position(|attachment| attachment.network == own);
    let mut main =
        at.map(|at| list.remove(at)).unwrap_or_else(|| Attachment::new(&own, Asked::default()));
    let mac = &request.config.mac_address;
    if !mac.is_empty() {
        warnings.push(OLD_MAC.to_owned());
        if !main.asked.mac.is_empty() && main.asked.mac != *mac {
            return Err(Error::Invalid(
                "the container-wide MAC address must match the endpoint-specific MAC address for the main network, \
                 or be left empty"
                    .to_owned(),
            ));
        }
        main.asked.mac.clone_from(mac);
        networks::check_endpoint(&own, None, &main.asked).map_err(of(&own))?;
    }
    list.insert(0, main);
    check_together(&list)?;
    Ok(list)
}

/// What is wrong with what is asked of the network.
fn of(network: &str) -> impl Fn(String) -> Error {
    move |why| Error::Invalid(format!("invalid config for network {network}: {why}"))
}

/// The host's network is not the container's to connect.
fn check_together(list: &[Attachment]) -> Result<(), Error> {
    let has = |name: &str| list.iter().any(|attachment| attachment.network == name);
    let why = match list.len() {
        0 | 1 => return Ok(()),
        _ if has("host") => {
            "container sharing network namespace with another container or host cannot be connected to any other \
             network"
        }
        _ => return Ok(()),
    };
    Err(Error::Invalid(why.to_owned()))
}

/// A network's name, whatever the client calls it by.
fn known_as(service: &Service, name: &str) -> String {
    match name {
        "" | "default" => BRIDGE.to_owned(),
        name => service
            .networks
            .get(name)
            .map_or_else(|_| name.to_owned(), |network| network.name.clone()),
    }
}

/// The links that a new container asks for on the default bridge. On other networks this field means nothing.
pub(in crate::containers) fn links(
    service: &Service,
    request: &CreateRequest,
) -> Result<Vec<Link>, Error> {
    let host_config = &request.host_config;
    let own_mode = host_config.network_mode.as_str();
    let shared = match mode(own_mode) {
        Mode::Host => Some("host type networking"),
        Mode::Container(_) => Some("container type network"),
        _ => None,
    };
    let asked = host_config.links.as_ref().is_some_and(|links| !links.is_empty());
    if let Some(kind) = shared.filter(|_| asked) {
        return Err(Error::Invalid(format!(
            "conflicting options: {kind} can't be used with links. This would result in undefined behavior"
        )));
    }
    if !matches!(own_mode, "" | "default" | BRIDGE | "none") {
        return Ok(Vec::new());
    }
    let link = |text: &String| {
        let (name, alias) = text.split_once(':').unwrap_or((text, text));
        if name.is_empty() || alias.is_empty() || alias.contains(':') {
            return Err(Error::Invalid(format!("bad format for links: {text}")));
        }
        let peer = service.resolve(name).map_err(|error| {
            Error::Invalid(format!("could not get container for {name}: {error}"))
        })?;
        let alias = alias.trim_start_matches('/').to_owned();
        Ok(Link { container: peer.id().to_owned(), alias })
    };
    let links = host_config.links.iter().flatten().map(link).collect::<Result<Vec<_>, _>>()?;
    Ok(if own_mode == "none" { Vec::new() } else { links })
}
