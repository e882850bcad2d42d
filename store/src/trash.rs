//! The keeper: one thread that deletes what was renamed into `trash/` and checkpoints the
//! database, off every caller's path. It starts with the first work.

mod tree;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::db::checkpoint::Checkpoint;

pub(crate) use tree::remove as remove_tree;

/// Transactions between two checkpoints; the first transaction after one waits for a sync.
const CHECKPOINT_EVERY: u32 = 1024;

#[derive(Debug)]
enum Task {
    Empty,
    Checkpoint,
    Settle(Sender<()>),
}

/// Handle of the keeper's thread, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Keeper {
    trash: PathBuf,
    checkpoint: Arc<Checkpoint>,
    tasks: Mutex<Option<Sender<Task>>>,
    writes: AtomicU32,
}

impl Keeper {
    pub(crate) fn new(trash: &Path, checkpoint: Checkpoint) -> Self {
        Self {
            trash: trash.to_owned(),
            checkpoint: Arc::new(checkpoint),
            tasks: Mutex::new(None),
            writes: AtomicU32::new(0),
        }
    }

    /// Something was renamed into the trash.
    pub(crate) fn empty_trash(&self) {
        self.send(Task::Empty);
    }

    /// A transaction was written.
    pub(crate) fn written(&self) {
        if self.writes.fetch_add(1, Ordering::Relaxed) % CHECKPOINT_EVERY == CHECKPOINT_EVERY - 1 {
            self.send(Task::Checkpoint);
        }
    }

    /// Waits until everything sent so far is done.
    pub(crate) fn settle(&self) {
        let (done, wait) = mpsc::channel();
        self.send(Task::Empty);
        self.send(Task::Settle(done));
        // An error says that the thread is gone: nothing is left to wait for.
        let _ = wait.recv();
    }

    fn send(&self, task: Task) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = match tasks.take() {
            Some(sender) => sender,
            None => match self.start() {
                Ok(sender) => sender,
                Err(error) => {
                    tracing::warn!(%error, "the store's keeper cannot start");
                    return;
                }
            },
        };
        if sender.send(task).is_ok() {
            *tasks = Some(sender);
        }
    }

    fn start(&self) -> std::io::Result<Sender<Task>> {
        let (sender, receiver) = mpsc::channel();
        let (trash, checkpoint) = (self.trash.clone(), Arc::clone(&self.checkpoint));
        thread::Builder::new()
            .name("store-keeper".to_owned())
            .spawn(move || keep(&trash, &checkpoint, &receiver))?;
        Ok(sender)
    }
}

fn keep(trash: &Path, checkpoint: &Checkpoint, tasks: &Receiver<Task>) {
    while let Ok(task) = tasks.recv() {
        match task {
            Task::Empty => {
                if let Err(error) = tree::empty(trash) {
                    tracing::warn!(%error, "trash is not empty");
                }
            }
            Task::Checkpoint => {
                if let Err(error) = checkpoint.run() {
                    tracing::warn!(%error, "no checkpoint");
                }
            }
            // Nobody waits any more when this fails.
            Task::Settle(done) => drop(done.send(())),
        }
    }
}
