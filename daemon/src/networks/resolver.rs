//! The name servers of containers: one for each container that is in a network with names, at 127.0.0.11 in its own
//! network namespace, served by tasks of the daemon.
//!
//! While no daemon runs, questions wait in vain and resolver libraries ask again; the next daemon listens in the same
//! place. What no container answers to is asked of the host's name servers, or those that the container was given,
//! from the host's namespace; a container that only has internal networks gets no such answers.

mod answer;
mod forward;
mod serve;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use runtime::network::ResolverSockets;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use super::names::Names;

/// Questions of one container that may wait for other name servers at a time.
const MAX_FORWARDED: usize = 256;
/// Connections of one container at a time.
const MAX_CONNECTIONS: usize = 32;

/// What a container's name server knows of the container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Client {
    /// Ids of its networks, in the order in which they are asked.
    pub(crate) networks: Vec<String>,
    /// Names that only this container has for others, in lower case.
    pub(crate) links: BTreeMap<String, String>,
    /// Who knows the rest.
    pub(crate) servers: Vec<SocketAddr>,
    /// Nothing leaves its networks: nobody else is asked.
    pub(crate) sealed: bool,
}

/// What the tasks of one name server share.
#[derive(Debug)]
struct Shared {
    names: Arc<Names>,
    client: RwLock<Arc<Client>>,
    forwarded: Semaphore,
    connections: Semaphore,
}

impl Shared {
    fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

/// The name servers, by container.
#[derive(Debug)]
pub(super) struct Resolvers {
    names: Arc<Names>,
    runtime: Handle,
    running: Mutex<HashMap<String, Running>>,
}

impl Resolvers {
    /// Must be called within the async runtime.
    pub(super) fn new(names: Arc<Names>) -> Self {
        Self { names, runtime: Handle::current(), running: Mutex::default() }
    }

    /// Serves a container. An earlier server of it ends.
    pub(super) fn start(
        &self,
        container: &str,
        sockets: ResolverSockets,
        client: Client,
    ) -> std::io::Result<()> {
        let shared = Arc::new(Shared {
            names: Arc::clone(&self.names),
            client: RwLock::new(Arc::new(client)),
            forwarded: Semaphore::new(MAX_FORWARDED),
            connections: Semaphore::new(MAX_CONNECTIONS),
        });
        let _inside = self.runtime.enter();
        let udp = tokio::net::UdpSocket::from_std(sockets.udp)?;
        let tcp = tokio::net::TcpListener::from_std(sockets.tcp)?;
        let tasks = [
            self.runtime.spawn(serve::udp(udp, Arc::clone(&shared))),
            self.runtime.spawn(serve::tcp(tcp, Arc::clone(&shared))),
        ];
        let running = Running { shared, _tasks: tasks.map(AbortOnDropHandle::new) };
        self.running().insert(container.to_owned(), running);
        Ok(())
    }

    /// The container's networks have changed. False if it has no server.
    pub(super) fn update(&self, container: &str, client: &Client) -> bool {
        let running = self.running();
        let Some(server) = running.get(container) else { return false };
        let mut place = server.shared.client.write().unwrap_or_else(PoisonError::into_inner);
        *place = Arc::new(client.clone());
        true
    }

    /// Whether the container has a server.
    pub(super) fn has(&self, container: &str) -> bool {
        self.running().contains_key(container)
    }

    /// The container has ended.
    pub(super) fn stop(&self, container: &str) {
        self.running().remove(container);
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
