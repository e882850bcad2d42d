//! What every handler can reach: the configuration and the services.

use std::ops::Deref;
use std::sync::Arc;

use crate::config::Config;
use crate::containers::Containers;
use crate::events::Events;

/// The daemon's services. Cheap to clone: clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Services>);

/// See [`App`].
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) config: Arc<Config>,
    pub(crate) events: Events,
    pub(crate) containers: Containers,
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
