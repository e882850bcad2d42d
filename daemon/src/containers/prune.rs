//! Removing every container that does not run.

use api_spec::container::ContainersPruned;
use api_spec::filters::Filters;
use jiff::Timestamp;

use super::Containers;
use super::error::Error;
use super::handle::Handle;
use super::state::State;
use crate::events::{Event, Kind, time};

/// The keys that pruning knows.
const FILTERS: [&str; 3] = ["label", "label!", "until"];

impl Containers {
    /// Removes the containers that `filters` choose and that do not run.
    pub(crate) async fn prune(&self, filters: &Filters) -> Result<ContainersPruned, Error> {
        filters.validate(&FILTERS).map_err(|error| Error::Invalid(error.to_string()))?;
        let until = time::until(filters).map_err(Error::Invalid)?;
        let mut pruned = ContainersPruned::default();
        let handles = self.0.registry().all();
        for handle in handles {
            if !is_idle(&handle) || !chosen(&handle, filters, until) {
                continue;
            }
            let (service, id) = (std::sync::Arc::clone(&self.0), handle.id().to_owned());
            let size = tokio::task::spawn_blocking(move || service.size_rw(&id)).await;
            // One that was started or removed meanwhile is not of this prune any more.
            if let Err(error) = handle.remove(false, false).await {
                tracing::debug!(container.id = handle.id(), %error, "not pruned");
                continue;
            }
            pruned.space_reclaimed += u64::try_from(size.unwrap_or_default()).unwrap_or_default();
            pruned.containers_deleted.get_or_insert_default().push(handle.id().to_owned());
        }
        let reclaimed = pruned.space_reclaimed.to_string();
        let event = Event::new(Kind::Container, "prune", "").with("reclaimed", reclaimed);
        self.0.events.publish(event);
        Ok(pruned)
    }
}

fn is_idle(handle: &Handle) -> bool {
    matches!(handle.snapshot().progress.state, State::Created | State::Exited(_))
}

fn chosen(handle: &Handle, filters: &Filters, until: Option<Timestamp>) -> bool {
    let definition = &handle.definition;
    let created: Option<Timestamp> = definition.created.parse().ok();
    let label = |key: &str| definition.config.labels.as_ref()?.get(key).map(String::as_str);
    until.is_none_or(|until| created.is_none_or(|created| created <= until))
        && filters.matches_labels("label", label)
        && !(filters.contains("label!") && filters.matches_labels("label!", label))
}
