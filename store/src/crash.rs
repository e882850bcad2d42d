//! Named steps at which a test can kill the process, to prove that every legal state survives it.
//!
//! `JOCKER_CRASH_AT=<step>` is read once; without it a step costs one load and a branch.

use std::sync::OnceLock;

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

static CRASH_AT: OnceLock<Option<String>> = OnceLock::new();

/// Dies here by SIGKILL when the environment names this step.
pub fn step(name: &'static str) {
    let wanted = CRASH_AT.get_or_init(|| std::env::var(VARIABLE).ok());
    if wanted.as_deref() == Some(name) {
        // The signal ends this process before the call returns, whatever other threads do.
        let _ = kill_process(getpid(), Signal::KILL);
    }
}
