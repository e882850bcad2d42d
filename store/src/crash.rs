//! Named steps at which a test can kill the process, to prove that every legal state survives it.
//!
//! `JOCKER_CRASH_AT=<step>`, or `<step>#<n>` for the n-th time that it is reached, is read once;
//! without it a step costs one load and a branch.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Signal, getpid, kill_process};

/// The variable that names the step to die at.
pub const VARIABLE: &str = "JOCKER_CRASH_AT";

/// The store's own steps, in the order of a pull, a container's life and a removal.
pub const STEPS: &[&str] = &[
    "store.ingest.opened",
    "store.ingest.written",
    "store.ingest.renamed",
    "store.layer.unpacked",
    "store.layer.renamed",
    "store.commit.settled",
    "store.commit.synced",
    "store.commit.recorded",
    "store.commit.listed",
    "store.snapshot.made",
    "store.snapshot.recorded",
    "store.snapshot.forgotten",
    "store.snapshot.renamed",
    "store.remove.forgotten",
    "store.remove.listed",
    "store.collect.forgotten",
    "store.collect.renamed",
];

/// A step, and how often it is still survived.
#[derive(Debug)]
struct Crash {
    step: String,
    passes: AtomicU64,
}

impl Crash {
    fn parse(text: &str) -> Self {
        let (step, time) = text.split_once('#').unwrap_or((text, "1"));
        let passes = time.parse::<u64>().unwrap_or(1).saturating_sub(1);
        Self { step: step.to_owned(), passes: AtomicU64::new(passes) }
    }

    /// Whether reaching this step is the one to die of.
    fn is_now(&self, step: &str) -> bool {
        let less = |passes: u64| passes.checked_sub(1);
        self.step == step
            && self.passes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err()
    }
}

static CRASH_AT: OnceLock<Option<Crash>> = OnceLock::new();

/// Dies here by SIGKILL when the environment names this step.
pub fn step(name: &'static str) {
    let wanted = || std::env::var(VARIABLE).ok().map(|text| Crash::parse(&text));
    if CRASH_AT.get_or_init(wanted).as_ref().is_some_and(|crash| crash.is_now(name)) {
        // The signal ends this process before the call returns, whatever other threads do.
        let _ = kill_process(getpid(), Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_time_counts() {
        let crash = Crash::parse("a#3");
        assert_eq!([false, false, true], [(); 3].map(|()| crash.is_now("a")));
        assert!(!crash.is_now("b"));
        assert!(Crash::parse("a").is_now("a"));
    }
}
