//! Connecting a container to a network and disconnecting it, whether it runs or not.

use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::attachment::way_out;
use super::{Attachment, names};
use crate::containers::Service;
use crate::containers::actor::Actor;
use crate::containers::error::Error;
use crate::containers::handle::{Command, Handle, Outcome};
use crate::containers::prepare::files_in;
use crate::containers::record::Definition;
use crate::containers::signals;
use crate::containers::state::{Request, Running};
use crate::networks::{self, Asked, Driver, Network};
use crate::spec::{self, Mode, mode};

/// What is to change.
#[derive(Debug, Clone)]
pub(in crate::containers) enum Change {
    Connect { network: Arc<Network>, asked: Box<Asked> },
    Disconnect { network: Arc<Network> },
}

impl Handle {
    /// Connects it to a network.
    pub(crate) async fn connect(
        &self,
        network: Arc<Network>,
        asked: Asked,
    ) -> Result<Outcome, Error> {
        let change = Change::Connect { network, asked: Box::new(asked) };
        self.ask(|reply| Command::Network { change, reply }).await
    }

    /// Disconnects it from a network.
    pub(crate) async fn disconnect(&self, network: Arc<Network>) -> Result<Outcome, Error> {
        self.ask(|reply| Command::Network { change: Change::Disconnect { network }, reply }).await
    }
}

impl Actor {
    pub(in crate::containers) async fn change_networks(
        &mut self,
        change: Change,
    ) -> Result<Outcome, Error> {
        self.admit(Request::Change)?;
        self.released().await;
        let running = self.progress.state.running().cloned();
        let (network, action) = match &change {
            Change::Connect { network, asked } => {
                self.may_connect(network, asked, running.is_some())?;
                (Arc::clone(network), "connect")
            }
            Change::Disconnect { network } => {
                self.may_disconnect(network, running.is_some())?;
                (Arc::clone(network), "disconnect")
            }
        };
        let mut list = self.progress.networks.clone();
        let job = Job {
            service: Arc::clone(&self.service),
            definition: Arc::clone(&self.definition),
            name: self.name.clone(),
        };
        list = tokio::task::spawn_blocking(move || job.run(list, change, running.as_ref()))
            .await
            .map_err(Error::internal)??;
        self.progress.networks = list;
        self.publish();
        self.persist();
        if self.progress.state.running().is_some() {
            self.service.networks.tell(action, &network, Some(&self.definition.id));
        }
        Ok(Outcome::Done)
    }

    fn may_connect(&self, network: &Network, asked: &Asked, running: bool) -> Result<(), Error> {
        let invalid = |why: &str| Err(Error::Invalid(why.to_owned()));
        if network.driver == Driver::Host {
            return invalid(
                "container cannot be disconnected from host network or connected to host network",
            );
        }
        if matches!(
            mode(&self.definition.host_config.network_mode),
            Mode::Host | Mode::Container(_)
        ) {
            return invalid(
                "container sharing network namespace with another container or host cannot be connected to any \
                 other network",
            );
        }
        if running {
            super::check_usable(network)?;
        }
        let others = &self.progress.networks;
        if network.driver == Driver::Null && !network.config_only
            || others.iter().any(|other| other.network == "none")
        {
            return invalid(
                "container cannot be connected to multiple networks with one of the networks in private (none) mode",
            );
        }
        networks::check_endpoint(&network.name, Some(network), asked).map_err(Error::Invalid)?;
        if running && others.iter().any(|other| other.network == network.name) {
            let text = format!(
                "endpoint with name {} already exists in network {}",
                self.name, network.name
            );
            return Err(Error::Forbidden(text));
        }
        Ok(())
    }

    fn may_disconnect(&self, network: &Network, running: bool) -> Result<(), Error> {
        let own = mode(&self.definition.host_config.network_mode);
        if running && network.driver == Driver::Host && own == Mode::Host {
            return Err(Error::Invalid(
                "container cannot be disconnected from host network or connected to host network"
                    .to_owned(),
            ));
        }
        if self.progress.networks.iter().any(|other| other.network == network.name) {
            return Ok(());
        }
        let the = if running { "" } else { "the " };
        Err(Error::Internal(format!(
            "container {} is not connected to {the}network {}",
            self.definition.id, network.name
        )))
    }
}

/// The part that the kernel does.
struct Job {
    service: Arc<Service>,
    definition: Arc<Definition>,
    name: String,
}

impl Job {
    fn run(
        &self,
        mut list: Vec<Attachment>,
        change: Change,
        running: Option<&Running>,
    ) -> Result<Vec<Attachment>, Error> {
        match change {
            Change::Connect { network, asked } => {
                list.retain(|other| other.network != network.name);
                let mut attachment = Attachment::new(&network.name, *asked);
                if !network.is_predefined() {
                    let hostname = &self.definition.config.hostname;
                    let id = &self.definition.id;
                    attachment.names = Some(names::of(id, &self.name, hostname, &attachment));
                }
                list.push(attachment);
                if let Some(running) = running {
                    self.connect(&mut list, &network, running)?;
                }
            }
            Change::Disconnect { network } => {
                let Some(at) = list.iter().position(|other| other.network == network.name) else {
                    return Ok(list);
                };
                let before = way_out(&list).map(|way| list[way].network.clone());
                let gone = list.remove(at);
                if let Some(running) = running {
                    self.disconnect(&mut list, &gone, before.as_deref(), running)?;
                }
            }
        }
        Ok(list)
    }

    fn connect(
        &self,
        list: &mut [Attachment],
        network: &Network,
        running: &Running,
    ) -> Result<(), Error> {
        let at = list.len() - 1;
        let id = &self.definition.id;
        let before = way_out(list).map(|way| list[way].network.clone());
        let lease = self.service.lease(id, network, list, at)?;
        let namespace = namespace_of(running)?;
        let first_names = !list[..at].iter().any(|attachment| attachment.names.is_some());
        list[at].id.clone_from(&network.id);
        list[at].lease = Some(lease.clone());
        let connected = (self.service.networks.connect(namespace.as_fd(), &lease, false))
            .and_then(|()| self.lead_out(list, before.as_deref(), &namespace))
            .and_then(|()| self.tell_resolver(list, &namespace, first_names));
        if let Err(error) = connected {
            self.lead_back(list, at, &namespace);
            self.service.networks.leave(id, &lease);
            self.service.networks.disconnect(namespace.as_fd(), &lease);
            return Err(error.into());
        }
        self.service.announce(id, &list[at]);
        self.rewrite_hosts(&lease.addresses().collect::<Vec<_>>(), &[]);
        Ok(())
    }

    fn disconnect(
        &self,
        list: &mut [Attachment],
        gone: &Attachment,
        before: Option<&str>,
        running: &Running,
    ) -> Result<(), Error> {
        let Some(lease) = &gone.lease else { return Ok(()) };
        let namespace = namespace_of(running)?;
        let ports = lease.ports.clone();
        self.service.networks.leave(&self.definition.id, lease);
        self.service.networks.disconnect(namespace.as_fd(), lease);
        if let Some(way) = way_out(list).filter(|_| !ports.is_empty())
            && let Some(next) = list[way].lease.as_mut()
        {
            self.service.networks.inherit_ports(next, &ports)?;
        }
        self.lead_out(list, before, &namespace)?;
        self.tell_resolver(list, &namespace, false)?;
        self.rewrite_hosts(&[], &lease.addresses().collect::<Vec<_>>());
        Ok(())
    }

    /// Has a network that may have led out for a moment, and is about to be left, do so no more.
    fn lead_back(&self, list: &mut [Attachment], at: usize, namespace: &OwnedFd) {
        if way_out(list) != Some(at) {
            return;
        }
        if let Some(lease) = &mut list[at].lease {
            lease.gateway = None;
        }
        let name = list[at].network.clone();
        if let Err(error) = self.lead_out(list, Some(&name), namespace) {
            tracing::error!(container.id = self.definition.id, %error, "no way out");
        }
    }

    /// Changes the default route, and moves the published ports, if another network now leads out.
    fn lead_out(
        &self,
        list: &mut [Attachment],
        before: Option<&str>,
        namespace: &OwnedFd,
    ) -> Result<(), networks::Error> {
        let way = way_out(list);
        let name = way.map(|way| list[way].network.clone());
        if name.as_deref() == before {
            return Ok(());
        }
        let lease = way.and_then(|way| list[way].lease.as_ref());
        let v4 = lease.and_then(|lease| Some((lease.interface.as_str(), lease.gateway?)));
        let v6 = lease.and_then(|lease| Some((lease.interface.as_str(), lease.v6?.gateway?)));
        runtime::network::lead_out(namespace.as_fd(), v4, v6)?;
        let old = list.iter_mut().find(|other| Some(other.network.as_str()) == before);
        let Some(old) = old.and_then(|old| old.lease.as_mut()).filter(|old| !old.ports.is_empty())
        else {
            return Ok(());
        };
        let ports = std::mem::take(&mut old.ports);
        let left = networks::Lease { ports: ports.clone(), ..old.clone() };
        self.service.networks.release_ports(&left);
        match way.and_then(|way| list[way].lease.as_mut()) {
            Some(new) => self.service.networks.inherit_ports(new, &ports),
            None => Ok(()),
        }
    }

    /// Lets the container's name server know; a container that had none gets one.
    fn tell_resolver(
        &self,
        list: &[Attachment],
        namespace: &OwnedFd,
        first: bool,
    ) -> Result<(), networks::Error> {
        let id = &self.definition.id;
        let client = names::client(&self.definition, list);
        if self.service.networks.serve_changed(id, &client)
            || !first
            || !list.iter().any(|attachment| attachment.names.is_some())
        {
            return Ok(());
        }
        self.service.networks.serve(id, namespace.as_fd(), client)?;
        let text = spec::etc_resolv_conf(
            &crate::containers::prepare::host_resolv_conf(),
            &self.definition.host_config,
            spec::Resolver::Own,
        );
        self.write_file(|files| files.resolv_conf, &text);
        Ok(())
    }

    fn rewrite_hosts(&self, came: &[IpAddr], went: &[IpAddr]) {
        let config = &self.definition.config;
        let names = spec::host_names(&config.hostname, &config.domainname);
        let Some(files) = self.files() else { return };
        if let Err(error) = names::rewrite_hosts(&files.hosts, &names, came, went) {
            tracing::warn!(container.id = self.definition.id, %error, "/etc/hosts is as it was");
        }
    }

    fn write_file(&self, which: impl Fn(spec::Files) -> std::path::PathBuf, text: &str) {
        let Some(files) = self.files() else { return };
        if let Err(error) = std::fs::write(which(files), text) {
            tracing::warn!(container.id = self.definition.id, %error, "a file of /etc is as it was");
        }
    }

    fn files(&self) -> Option<spec::Files> {
        let snapshot = self.service.store.snapshots().get(&self.definition.id).ok()??;
        Some(files_in(&snapshot.dir))
    }
}

/// The network namespace of a process that is surely the one meant.
pub(super) fn namespace_of(running: &Running) -> Result<OwnedFd, networks::Error> {
    let pid = u32::try_from(running.pid).unwrap_or_default();
    let namespace = runtime::network::netns_of(pid)?;
    // Looked at afterwards: then the pid was its own when the namespace was opened.
    match signals::open(running) {
        Some(_) => Ok(namespace),
        None => Err(networks::Error::failed("the container's process is gone")),
    }
}
