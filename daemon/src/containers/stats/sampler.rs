//! The one sampler: it runs while somebody watches, and reads what is watched once a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::Service;
use super::reading::Reading;
use crate::containers::handle::Handle;
use crate::containers::state::State;

/// Time from one sample to the next.
const PERIOD: Duration = Duration::from_secs(1);

type Samples = watch::Sender<Option<Arc<Reading>>>;

/// Who is watched.
#[derive(Debug, Default)]
pub(in crate::containers) struct Sampler(Mutex<Watches>);

#[derive(Debug, Default)]
struct Watches {
    by_id: HashMap<String, (Handle, Samples)>,
    /// The task is there.
    runs: bool,
}

impl Sampler {
    fn lock(&self) -> MutexGuard<'_, Watches> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Samples of one container, from the next on.
    pub(super) fn subscribe(
        service: &Arc<Service>,
        handle: &Handle,
    ) -> watch::Receiver<Option<Arc<Reading>>> {
        let mut watches = service.sampler.lock();
        let (_, samples) = watches
            .by_id
            .entry(handle.id().to_owned())
            .or_insert_with(|| (handle.clone(), watch::channel(None).0));
        let mut receiver = samples.subscribe();
        receiver.mark_unchanged();
        if !watches.runs {
            watches.runs = true;
            tokio::spawn(run(Arc::clone(service)));
        }
        receiver
    }

    /// What is to be read now; the task ends when that is nothing.
    fn due(&self) -> Vec<Handle> {
        let mut watches = self.lock();
        watches.by_id.retain(|_, (handle, samples)| {
            let gone = matches!(handle.snapshot().progress.state, State::Removed(_));
            !gone && samples.receiver_count() > 0
        });
        watches.runs = !watches.by_id.is_empty();
        watches.by_id.values().map(|(handle, _)| handle.clone()).collect()
    }

    fn publish(&self, id: &str, reading: Reading) {
        if let Some((_, samples)) = self.lock().by_id.get(id) {
            samples.send_replace(Some(Arc::new(reading)));
        }
    }
}

async fn run(service: Arc<Service>) {
    let mut clock = tokio::time::interval(PERIOD);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let due = service.sampler.due();
        if due.is_empty() {
            return;
        }
        let reader = Arc::clone(&service);
        let read = move || {
            for handle in due {
                let reading = Reading::take(&reader, &handle);
                reader.sampler.publish(handle.id(), reading);
            }
        };
        if let Err(error) = tokio::task::spawn_blocking(read).await {
            tracing::error!(%error, "the sampler has failed");
        }
    }
}
