//! What containers use. One sampler reads every container that is watched once a second; each client gets its
//! samples from there and keeps the one before.

mod reading;
mod sampler;

use std::sync::Arc;

use api_spec::container::StatsResponse;
use tokio::sync::watch;

use super::error::Error;
use super::handle::Handle;
use super::{Containers, Service};
use reading::Reading;
pub(super) use sampler::Sampler;

/// A client that watches one container.
#[derive(Debug)]
pub(crate) struct Watched {
    handle: Handle,
    samples: watch::Receiver<Option<Arc<Reading>>>,
    before: Option<Arc<Reading>>,
    version_2: bool,
}

impl Watched {
    /// The next sample and the one before it; `None` when the container has gone.
    pub(crate) async fn next(&mut self) -> Option<StatsResponse> {
        let now = loop {
            self.samples.changed().await.ok()?;
            let newest = self.samples.borrow_and_update().clone();
            if let Some(newest) = newest {
                break newest;
            }
        };
        let response =
            reading::response(&self.handle, &now, self.before.as_deref(), self.version_2);
        self.before = Some(now);
        Some(response)
    }
}

impl Containers {
    /// Watches a container: a sample a second.
    pub(crate) fn watch_stats(&self, handle: &Handle) -> Watched {
        Watched {
            handle: handle.clone(),
            samples: Sampler::subscribe(&self.0, handle),
            before: None,
            version_2: self.0.facts.cgroup_v2,
        }
    }

    /// One sample, now.
    pub(crate) async fn stats_now(&self, handle: &Handle) -> Result<StatsResponse, Error> {
        let (service, container) = (Arc::clone(&self.0), handle.clone());
        let read = move || Reading::take(&service, &container);
        let reading = tokio::task::spawn_blocking(read).await.map_err(Error::internal)?;
        Ok(reading::response(handle, &reading, None, self.0.facts.cgroup_v2))
    }
}
