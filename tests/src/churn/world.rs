//! What the clients share: the containers that they made, whether the daemon lives, what was found wrong.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::ENOUGH;
use super::program::Program;
use super::random::Random;
use crate::client::Client;

/// A container that a client asked for.
#[derive(Debug)]
pub(super) struct Made {
    /// The label by which the audit finds it again, whatever it is called.
    pub(super) label: String,
    pub(super) program: Program,
    pub(super) tty: bool,
    pub(super) id: Mutex<String>,
    /// Somebody asked for something that may kill it.
    killed: AtomicBool,
}

/// Everything that is shared.
#[derive(Debug)]
pub(super) struct World {
    pub(super) http: Client,
    made: Mutex<Vec<Arc<Made>>>,
    /// Odd while the daemon is dead or coming up.
    life: AtomicU64,
    stopped: AtomicBool,
    findings: Mutex<Vec<String>>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    trace: Option<Mutex<File>>,
    begin: Instant,
}

impl Made {
    pub(super) fn new(label: String, program: Program, tty: bool) -> Self {
        let (id, killed) = (Mutex::default(), AtomicBool::new(false));
        Self { label, program, tty, id, killed }
    }

    pub(super) fn id(&self) -> String {
        lock(&self.id).clone()
    }

    pub(super) fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
    }

    pub(super) fn was_killed(&self) -> bool {
        self.killed.load(Ordering::SeqCst)
    }
}

impl World {
    pub(super) fn new(http: &Client) -> Self {
        let trace = std::env::var_os("JOCKER_CHURN_TRACE");
        Self {
            http: http.clone(),
            made: Mutex::default(),
            life: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            findings: Mutex::default(),
            counts: Mutex::default(),
            trace: trace.map(|path| Mutex::new(File::create(path).expect("file of the trace"))),
            begin: Instant::now(),
        }
    }

    /// The daemon is about to die, or answers again.
    pub(super) fn turn(&self) {
        self.life.fetch_add(1, Ordering::SeqCst);
    }

    /// The number of the daemon's life; odd while there is none.
    pub(super) fn life(&self) -> u64 {
        self.life.load(Ordering::SeqCst)
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    pub(super) fn add(&self, made: &Arc<Made>) {
        lock(&self.made).push(Arc::clone(made));
    }

    /// Every container that was ever asked for.
    pub(super) fn made(&self) -> Vec<Arc<Made>> {
        lock(&self.made).clone()
    }

    /// One of the newest containers of all clients.
    pub(super) fn any(&self, random: &mut Random) -> Option<Arc<Made>> {
        let made = lock(&self.made);
        let newest = made.len().saturating_sub(32);
        (!made.is_empty()).then(|| random.pick(&made[newest..]))
    }

    pub(super) fn count(&self, what: &'static str) {
        *lock(&self.counts).entry(what).or_default() += 1;
    }

    pub(super) fn summary(&self) -> String {
        let counts = lock(&self.counts);
        let each: Vec<_> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
        format!("{} ({})", counts.values().sum::<u64>(), each.join(", "))
    }

    /// Something is wrong.
    pub(super) fn found(&self, what: impl std::fmt::Display) {
        self.trace(&format!("FOUND {what}"));
        let mut findings = lock(&self.findings);
        findings.push(format!("{:?} {what}", self.begin.elapsed()));
        if findings.len() >= ENOUGH {
            self.stop();
        }
    }

    pub(super) fn findings(&self) -> Vec<String> {
        lock(&self.findings).clone()
    }

    /// A line in the file that `JOCKER_CHURN_TRACE` names.
    pub(super) fn trace(&self, line: &str) {
        if let Some(file) = &self.trace {
            let at = self.begin.elapsed();
            let now = jiff::Timestamp::now();
            writeln!(lock(file), "{at:?} {now} {line}").expect("a line of the trace");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
