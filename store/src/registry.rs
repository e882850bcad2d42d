//! The registry client: the Docker Registry HTTP API V2 and the OCI distribution specification.
//!
//! ```text
//! Registries ── what the daemon was configured with, one a daemon
//!   endpoint   ── name of a registry → addresses to try, in order (pure)
//!   Connection ── transport (TLS, proxies, redirects) of one pull or login
//!     Repository ── one repository at one address: auth, retry, manifest, blob, tags, upload
//! ```
//!
//! What bytes mean and where they go is the business of [`crate::pull`]; nothing here writes files.

pub(crate) mod auth;
pub(crate) mod blob;
mod body;
mod certs;
mod challenge;
mod content;
mod endpoint;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod login;
pub(crate) mod manifest;
mod mirror;
pub(crate) mod repository;
mod retry;
mod search;
mod tags;
mod token;
pub(crate) mod transport;
pub(crate) mod upload;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, Semaphore};

pub use auth::Credentials;
pub use endpoint::ConfigError;
pub use error::{ApiError, Code, RegistryError};
pub use login::Login;
pub use retry::RetryPolicy;
pub use search::Found;

use crate::digest::Digest;
use endpoint::{Endpoint, Insecure};
use mirror::Mirror;

/// Layers that are fetched at the same time unless configured otherwise, as dockerd's default.
pub const DEFAULT_CONCURRENT_DOWNLOADS: usize = 3;

/// What a daemon's configuration says about registries.
#[derive(Debug, Clone)]
pub struct RegistryConfig {
    /// Hosts (`name`, `name:port`) and CIDR blocks that may be spoken to without verified TLS.
    pub insecure: Vec<String>,
    /// Base URLs that are asked for docker.io's images before docker.io itself.
    pub mirrors: Vec<String>,
    /// Directories with a sub-directory `<host:port>` of `*.crt` (CA), `*.cert` and `*.key`
    /// (client) each; the first that has the host's directory counts.
    pub certs_dirs: Vec<PathBuf>,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// Layers in flight over all pulls; at least 1.
    pub max_concurrent_downloads: usize,
    /// How failing requests are repeated.
    pub retry: RetryPolicy,
    /// How long a peer may be silent.
    pub timeouts: Timeouts,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            insecure: Vec::new(),
            mirrors: Vec::new(),
            certs_dirs: vec![PathBuf::from("/etc/docker/certs.d")],
            user_agent: concat!("jocker/", env!("CARGO_PKG_VERSION")).to_owned(),
            max_concurrent_downloads: DEFAULT_CONCURRENT_DOWNLOADS,
            retry: RetryPolicy::default(),
            timeouts: Timeouts::default(),
        }
    }
}

/// How long a peer may be silent before it counts as gone.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For the TCP and TLS handshakes.
    pub connect: Duration,
    /// Between two reads, the wait for the head of an answer included.
    pub read: Duration,
    /// For a whole small document: a manifest, a configuration, a token.
    pub document: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            read: Duration::from_secs(60),
            document: Duration::from_secs(120),
        }
    }
}

/// The registries as one daemon sees them; clones share limits and flights.
#[derive(Debug, Clone)]
pub struct Registries {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: RegistryConfig,
    chosen: RwLock<Arc<Chosen>>,
    flights: Mutex<HashMap<Digest, Weak<AsyncMutex<()>>>>,
}

/// What can be chosen anew while the daemon runs.
#[derive(Debug)]
struct Chosen {
    insecure: Insecure,
    mirrors: Vec<Mirror>,
    downloads: Arc<Semaphore>,
}

impl Chosen {
    fn new(insecure: &[String], mirrors: &[String], downloads: usize) -> Result<Self, ConfigError> {
        Ok(Self {
            insecure: Insecure::parse(insecure)?,
            mirrors: mirrors.iter().map(|url| Mirror::parse(url)).collect::<Result<_, _>>()?,
            downloads: Arc::new(Semaphore::new(downloads.max(1))),
        })
    }
}

impl Registries {
    /// Checks the configuration; nothing is connected yet.
    ///
    /// # Errors
    /// When an insecure registry or a mirror is not written as it must be.
    pub fn new(config: RegistryConfig) -> Result<Self, ConfigError> {
        let chosen =
            Chosen::new(&config.insecure, &config.mirrors, config.max_concurrent_downloads)?;
        let chosen = RwLock::new(Arc::new(chosen));
        Ok(Self { shared: Arc::new(Shared { config, chosen, flights: Mutex::default() }) })
    }

    /// Takes other insecure registries, mirrors and a number of downloads at once, for what begins
    /// from now on.
    ///
    /// # Errors
    /// As [`Registries::new`]; nothing is changed then.
    pub fn reload(
        &self,
        insecure: &[String],
        mirrors: &[String],
        max_concurrent_downloads: usize,
    ) -> Result<(), ConfigError> {
        let chosen = Chosen::new(insecure, mirrors, max_concurrent_downloads)?;
        *self.shared.chosen.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(chosen);
        Ok(())
    }

    fn chosen(&self) -> Arc<Chosen> {
        Arc::clone(&self.shared.chosen.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The configuration that these registries were made of.
    #[must_use]
    pub fn config(&self) -> &RegistryConfig {
        &self.shared.config
    }

    /// The mirrors' URLs, in order, each with a slash at its end, as `docker info` shows them.
    #[must_use]
    pub fn mirrors(&self) -> Vec<String> {
        self.chosen().mirrors.iter().map(|mirror| mirror.base().to_string()).collect()
    }

    /// CIDR blocks and host names that need no verified TLS, loopback included, as `docker info`
    /// shows them.
    #[must_use]
    pub fn insecure(&self) -> (Vec<String>, Vec<String>) {
        let chosen = self.chosen();
        (chosen.insecure.blocks(), chosen.insecure.hosts())
    }

    /// The addresses to try for a registry's name, in order.
    pub(crate) async fn endpoints(&self, domain: &str) -> Vec<Endpoint> {
        let chosen = self.chosen();
        endpoint::endpoints(domain, &chosen.mirrors, &chosen.insecure).await
    }

    pub(crate) fn downloads(&self) -> Arc<Semaphore> {
        Arc::clone(&self.chosen().downloads)
    }

    /// Waits until nobody else fetches this blob; the guard keeps others away from it.
    pub(crate) async fn flight(&self, digest: &Digest) -> OwnedMutexGuard<()> {
        let lock = {
            let mut flights = self.shared.flights.lock().unwrap_or_else(PoisonError::into_inner);
            flights.retain(|_, lock| lock.strong_count() > 0);
            match flights.get(digest).and_then(Weak::upgrade) {
                Some(lock) => lock,
                None => {
                    let lock = Arc::new(AsyncMutex::new(()));
                    flights.insert(digest.clone(), Arc::downgrade(&lock));
                    lock
                }
            }
        };
        lock.lock_owned().await
    }

    pub(crate) fn is_insecure_host(&self, host_and_port: &str) -> bool {
        self.chosen().insecure.matches_name(host_and_port)
    }
}
