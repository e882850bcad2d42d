//! Network namespaces made in advance, by one thread of their own.

use std::os::fd::OwnedFd;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use runtime::network::{NetworkError, create_netns};

/// Namespaces kept ready; each costs some tens of kB of kernel memory.
const READY: usize = 4;

/// A stock of namespaces. When it is empty, [`NamespacePool::take`] makes one itself.
#[derive(Debug)]
pub(super) struct NamespacePool {
    ready: Arc<Mutex<Vec<OwnedFd>>>,
    wake: Option<SyncSender<()>>,
}

impl NamespacePool {
    /// Starts the thread, which fills the stock at once.
    pub(super) fn start() -> Self {
        let ready = Arc::new(Mutex::new(Vec::with_capacity(READY)));
        let (wake, woken) = sync_channel(1);
        let stock = Arc::clone(&ready);
        let fill = move || {
            loop {
                fill(&stock);
                if woken.recv().is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("netns-pool".to_owned()).spawn(fill);
        if let Err(error) = &thread {
            tracing::warn!(%error, "no thread for network namespaces; each start makes its own");
        }
        Self { ready, wake: thread.is_ok().then_some(wake) }
    }

    /// A namespace from the stock, or a new one.
    pub(super) fn take(&self) -> Result<OwnedFd, NetworkError> {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner).pop();
        ready.map_or_else(create_netns, Ok)
    }

    /// Wakes the thread.
    pub(super) fn refill(&self) {
        if let Some(wake) = &self.wake
            && let Err(TrySendError::Disconnected(())) = wake.try_send(())
        {
            tracing::warn!("the thread for network namespaces has ended");
        }
    }
}

fn fill(stock: &Mutex<Vec<OwnedFd>>) {
    loop {
        let len = stock.lock().unwrap_or_else(PoisonError::into_inner).len();
        if len >= READY {
            return;
        }
        match create_netns() {
            Ok(namespace) => {
                stock.lock().unwrap_or_else(PoisonError::into_inner).push(namespace);
            }
            Err(error) => {
                tracing::warn!(%error, "no network namespace in advance");
                return;
            }
        }
    }
}
