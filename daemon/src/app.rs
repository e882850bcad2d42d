//! What every handler can reach: the configuration and the services.

use std::ops::Deref;
use std::sync::Arc;

use store::Store;
use store::registry::Registries;

use crate::config::Config;
use crate::containers::Containers;
use crate::events::Events;
use crate::images::Images;
use crate::networks::Networks;
use crate::reload::Live;
use crate::volumes::Volumes;

/// The daemon's services. Cheap to clone: clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Services>);

/// See [`App`].
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) config: Arc<Config>,
    /// The part of it that changes.
    pub(crate) live: Live,
    pub(crate) engine_id: String,
    pub(crate) store: Store,
    pub(crate) registries: Registries,
    pub(crate) events: Events,
    pub(crate) containers: Containers,
    pub(crate) images: Images,
    pub(crate) networks: Networks,
    pub(crate) volumes: Volumes,
}

impl App {
    pub(crate) fn new(services: Services) -> Self {
        Self(Arc::new(services))
    }
}

impl Deref for App {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.0
    }
}
