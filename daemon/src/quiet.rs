//! When nobody has asked for anything for a while, what the answers took of memory is given back: free pieces of the
//! heap, and the page tables of code that may not be run again soon.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// So long nobody has asked.
const AFTER: Duration = Duration::from_secs(1);

/// Hears of those who ask.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    served: AtomicU64,
    somebody: Notify,
}

impl Quiet {
    /// Somebody has been served.
    pub(crate) fn disturb(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
        self.somebody.notify_one();
    }

    /// Gives back once after each time that somebody was served, and costs nothing as long as nobody is.
    pub(crate) async fn keep(&self) -> std::convert::Infallible {
        loop {
            runtime::memory::give_back();
            self.somebody.notified().await;
            let mut before = None;
            while before != Some(self.served.load(Ordering::Relaxed)) {
                before = Some(self.served.load(Ordering::Relaxed));
                tokio::time::sleep(AFTER).await;
            }
        }
    }
}
