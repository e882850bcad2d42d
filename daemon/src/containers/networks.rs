//! The networks of one container: what it is attached to, how a start takes its places there, and who tells of it.
//! The networks themselves are in [`crate::networks`].

mod attachment;
mod change;
mod links;
mod names;
mod wanted;

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

pub(crate) use attachment::{Attachment, endpoints, shown_in_network};
pub(super) use change::Change;
pub(crate) use links::Link;
pub(super) use links::Linked;
pub(crate) use wanted::OLD_MAC;
pub(super) use wanted::{attachments, links};

use super::Service;
use super::actor::Actor;
use super::error::Error;
use super::prepare::{Task, Undo};
use crate::networks::{self, Driver, Lease, Network};
use crate::spec::{Mode, mode};

impl Task {
    /// Takes the container's places in its networks: addresses, and ports of the host.
    pub(super) fn lease(&self, undo: &mut Undo) -> Result<Vec<Attachment>, Error> {
        let mut attachments = self.progress.networks.clone();
        let id = &self.definition.id;
        for at in 0..attachments.len() {
            let name = attachments[at].network.clone();
            let network = self.service.networks.get(&name)?;
            attachments[at].id.clone_from(&network.id);
            check_usable(&network)?;
            if network.bridge.is_none() {
                continue;
            }
            let lease = self.service.lease(id, &network, &attachments, at)?;
            let (service, leased, id) = (Arc::clone(&self.service), lease.clone(), id.clone());
            undo.push(move || {
                service.networks.leave(&id, &leased);
                service.networks.release(&leased);
            });
            let names = names::of(
                &self.definition.id,
                &self.name,
                &self.definition.config.hostname,
                &attachments[at],
            );
            attachments[at].names = (!network.is_predefined()).then_some(names);
            attachments[at].lease = Some(lease);
        }
        self.take_ports(&mut attachments, undo)?;
        Ok(attachments)
    }

    fn take_ports(&self, attachments: &mut [Attachment], undo: &mut Undo) -> Result<(), Error> {
        let config = &self.definition.config;
        let Some(way) = attachment::way_out(attachments) else { return Ok(()) };
        let network = self.service.networks.get(&attachments[way].id)?;
        if network.driver != Driver::Bridge {
            return Ok(());
        }
        let default = network.bridge.as_ref().and_then(|bridge| bridge.publish_on);
        let wishes = networks::wishes(config, &self.definition.host_config, default)
            .map_err(Error::internal)?;
        let Some(lease) = attachments[way].lease.as_mut().filter(|_| !wishes.is_empty()) else {
            return Ok(());
        };
        self.service.networks.take_ports(lease, &wishes).map_err(|error| {
            let endpoint = attachment::endpoint_id(&self.definition.id, &lease.network);
            Error::Internal(format!(
                "driver failed programming external connectivity on endpoint {} ({endpoint}): {error}",
                self.name
            ))
        })?;
        let (service, leased) = (Arc::clone(&self.service), lease.clone());
        undo.push(move || service.networks.release_ports(&leased));
        Ok(())
    }

    /// The network namespace to join; `None` for the host's.
    pub(super) fn netns(
        &self,
        attachments: &[Attachment],
        undo: &mut Undo,
    ) -> Result<Option<OwnedFd>, Error> {
        let failed = |error: networks::Error| {
            Error::Internal(format!("failed to set up container networking: {error}"))
        };
        if let Some(pid) = self.peers.network {
            let pid = u32::try_from(pid).unwrap_or_default();
            let namespace = runtime::network::netns_of(pid).map_err(networks::Error::from);
            return namespace.map(Some).map_err(failed);
        }
        if mode(&self.definition.host_config.network_mode) == Mode::Host {
            return Ok(None);
        }
        let service = &self.service;
        let namespace = service.networks.namespace().map_err(failed)?;
        let way = attachment::way_out(attachments);
        for (at, attachment) in attachments.iter().enumerate() {
            if let Some(lease) = &attachment.lease {
                service
                    .networks
                    .connect(namespace.as_fd(), lease, way == Some(at))
                    .map_err(failed)?;
            }
        }
        if attachments.iter().any(|attachment| attachment.names.is_some()) {
            let (service, id) = (Arc::clone(service), self.definition.id.clone());
            undo.push(move || service.networks.silence(&id));
            self.service
                .answer(&self.definition, attachments, namespace.as_fd())
                .map_err(failed)?;
        }
        Ok(Some(namespace))
    }
}

impl Service {
    /// An address in the network for the attachment at this place.
    fn lease(
        &self,
        id: &str,
        network: &Network,
        attachments: &[Attachment],
        at: usize,
    ) -> Result<Lease, Error> {
        let taken: Vec<_> = attachments.iter().filter_map(|other| other.lease.as_ref()).collect();
        let interface = |prefix: &str| {
            let mut names = (0..=taken.len()).map(|number| format!("{prefix}{number}"));
            let free = |name: &String| !taken.iter().any(|lease| lease.interface == *name);
            names.find(free).unwrap_or_else(|| format!("{prefix}0"))
        };
        Ok(self.networks.lease(id, network, &attachments[at].asked, &interface)?)
    }

    /// Lets the container's names be known, and gives it its name server.
    pub(super) fn answer(
        &self,
        definition: &super::record::Definition,
        attachments: &[Attachment],
        namespace: BorrowedFd<'_>,
    ) -> Result<(), networks::Error> {
        for attachment in attachments {
            self.announce(&definition.id, attachment);
        }
        let client = names::client(definition, attachments);
        self.networks.serve(&definition.id, namespace, client)
    }

    /// Lets the names of one attachment be known.
    pub(super) fn announce(&self, id: &str, attachment: &Attachment) {
        if let (Some(lease), Some(names)) = (&attachment.lease, &attachment.names) {
            self.networks.announce(id, lease, &attachment.network, names);
        }
    }
}

impl Actor {
    /// Tells that the container joined or left its networks.
    pub(super) fn tell_networks(&self, action: &str) {
        for attachment in &self.progress.networks {
            if let Ok(network) = self.service.networks.get(&attachment.network) {
                self.service.networks.tell(action, &network, Some(&self.definition.id));
            }
        }
    }

    /// Ends the container's places in its networks. Its ports are free from here on: whoever hears of the end may
    /// want them, and the networks may be removed. The rest takes longer and is nobody's concern but a next start's.
    pub(super) async fn end_leases(&mut self) {
        let attachments = self.progress.networks.iter_mut();
        let leases: Vec<Lease> = attachments.filter_map(|it| it.lease.take()).collect();
        if leases.is_empty() {
            return;
        }
        for lease in &leases {
            self.service.networks.leave(&self.definition.id, lease);
        }
        self.service.networks.silence(&self.definition.id);
        let service = Arc::clone(&self.service);
        let (freed, free) = tokio::sync::oneshot::channel();
        let waits = leases.iter().any(|lease| !lease.ports.is_empty());
        self.releasing = Some(tokio::task::spawn_blocking(move || {
            for lease in &leases {
                service.networks.release_ports(lease);
            }
            _ = freed.send(());
            for lease in leases {
                service.networks.release(&Lease { ports: Vec::new(), ..lease });
            }
        }));
        if waits {
            _ = free.await;
        }
    }

    /// Waits until the last run's interfaces are gone: the next run's have the same names.
    pub(super) async fn released(&mut self) {
        if let Some(releasing) = self.releasing.take()
            && let Err(error) = releasing.await
        {
            tracing::error!(container.id = self.definition.id, %error, "interfaces are left");
        }
    }

    /// The container's name has changed: it has another one in its networks too.
    pub(super) fn rename_in_networks(&mut self) {
        let (id, hostname) = (&self.definition.id, &self.definition.config.hostname);
        for attachment in &mut self.progress.networks {
            if attachment.names.is_none() {
                continue;
            }
            attachment.names = Some(names::of(id, &self.name, hostname, attachment));
            if let Some(lease) = &attachment.lease {
                self.service.networks.forget_names(id, lease);
            }
            self.service.announce(id, attachment);
        }
        self.persist();
    }

    /// Gives a container that began under an earlier daemon its name server, if it has none yet.
    pub(super) async fn answer_if_silent(&self) {
        if !self.service.networks.is_served(&self.definition.id) {
            self.answer_again().await;
        }
    }

    /// Gives an adopted container its name server back.
    pub(super) async fn answer_again(&self) {
        let networks = self.progress.networks.clone();
        let Some(running) = self.progress.state.running().cloned() else { return };
        if !networks.iter().any(|attachment| attachment.names.is_some()) {
            return;
        }
        let (service, definition) = (Arc::clone(&self.service), Arc::clone(&self.definition));
        let work = move || -> Result<(), networks::Error> {
            let namespace = change::namespace_of(&running)?;
            service.answer(&definition, &networks, namespace.as_fd())
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(container.id = self.definition.id, %error, "no name server");
            }
            Err(error) => tracing::error!(%error, "no name server"),
        }
    }
}

/// Nobody is in a network that is nothing but a configuration.
fn check_usable(network: &Network) -> Result<(), networks::Error> {
    if network.config_only {
        let why = "cannot create endpoint on configuration-only network";
        return Err(networks::Error::Forbidden(why.to_owned()));
    }
    Ok(())
}

/// Addresses of a container in all its networks.
pub(super) fn addresses(attachments: &[Attachment]) -> Vec<IpAddr> {
    let leases = attachments.iter().filter_map(|attachment| attachment.lease.as_ref());
    leases.flat_map(Lease::addresses).collect()
}
