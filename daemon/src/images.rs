//! The image service: what the endpoints and the containers ask about images. It decides and
//! tells of events; the bytes are the store's.

mod changes;
mod commit;
mod distribution;
pub(crate) mod embedded;
mod error;
pub(crate) mod glob;
mod history;
mod import;
pub(crate) mod list;
mod load;
mod manifests;
pub(crate) mod platform;
pub(crate) mod prune;
pub(crate) mod pull;
mod push;
pub(crate) mod remove;
mod save;
pub(crate) mod tag;

pub(crate) use commit::Commit;
pub(crate) use error::Error;
pub(crate) use import::Import;

use std::sync::Arc;

use store::registry::Registries;
use store::{Image, Store};

use crate::containers::Containers;
use crate::events::{Event, Events, Kind};

/// The image service. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Images {
    store: Store,
    registries: Registries,
    containers: Containers,
    events: Events,
}

impl Images {
    pub(crate) fn new(
        store: Store,
        registries: Registries,
        containers: Containers,
        events: Events,
    ) -> Self {
        Self { store, registries, containers, events }
    }

    /// The image that a name, an id or the beginning of an id means.
    pub(crate) async fn find(&self, name: &str) -> Result<Arc<Image>, Error> {
        let name = name.to_owned();
        self.blocking(move |images| images.resolve(&name)).await
    }

    /// Like [`Images::find`], on a thread that may block.
    fn resolve(&self, name: &str) -> Result<Arc<Image>, Error> {
        self.store.images().resolve(name).map_err(|error| Error::resolve(name, error))
    }

    /// How many images there are.
    pub(crate) fn count(&self) -> Result<usize, Error> {
        Ok(self.store.images().list()?.len())
    }

    /// Runs a step that waits for the disk off the task threads.
    async fn blocking<T, F>(&self, step: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    {
        let images = self.clone();
        tokio::task::spawn_blocking(move || step(&images)).await.map_err(|_| Error::Stopped)?
    }

    /// Tells what happened to an image; its labels are attributes too.
    fn tell(&self, action: &str, id: &str, name: &str, image: Option<&Image>) {
        let labels = image.and_then(|image| image.config.labels_of_config()).into_iter().flatten();
        let event = Event::new(Kind::Image, action, id).with("name", name).with_all(labels.clone());
        self.events.publish(event);
    }
}
