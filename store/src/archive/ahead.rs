//! Layers of an archive are unpacked while they come, before the archive has said what they are: each
//! from its file, right behind who writes it. What turns out to be no layer, or none that is missing,
//! is thrown away with the archive.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::error::Context;
use crate::layer::{Bytes, LayerError, Tree};
use crate::pull::decompress::{self, Decoder};
use crate::{Inner, durable};

/// Layers that are unpacked at the same time.
const WORKERS: usize = 2;
/// Layers that wait for their turn, each with an open file; those beyond are unpacked at the end.
const QUEUE: usize = 64;
/// Bytes read at once where less is asked for: the unpacking of a plain layer reads past the buffer.
const BUFFER: usize = 32 << 10;
/// Between two looks at how far a layer is.
const INTERVAL: Duration = Duration::from_millis(100);
/// Where ustar and GNU tar say what they are; tar(5).
const TAR_MAGIC: (usize, &[u8]) = (257, b"ustar");

/// Whether a file that begins so is to be taken for a layer.
pub(super) fn is_layer(beginning: &[u8]) -> bool {
    let (at, magic) = TAR_MAGIC;
    decompress::is_compressed(beginning)
        || beginning.get(at..).is_some_and(|rest| rest.starts_with(magic))
}

/// The threads that unpack.
#[derive(Debug)]
pub(super) struct Ahead {
    inner: Arc<Inner>,
    queue: Option<SyncSender<Arc<Unpacking>>>,
    waiting: Arc<Mutex<Receiver<Arc<Unpacking>>>>,
    workers: Vec<JoinHandle<()>>,
    is_over: Arc<AtomicBool>,
}

/// A file that comes, and what is made of it.
#[derive(Debug)]
pub(super) struct Unpacking {
    file: File,
    directory: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    written: u64,
    /// Whether all bytes have come, or why no more will.
    end: Option<bool>,
    /// Bytes of the file that went through.
    read: u64,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    Pending,
    Done(Result<Tree, LayerError>),
    Taken,
}

impl Ahead {
    pub(super) fn new(inner: &Arc<Inner>) -> Self {
        let (queue, waiting) = sync_channel(QUEUE);
        Self {
            inner: Arc::clone(inner),
            queue: Some(queue),
            waiting: Arc::new(Mutex::new(waiting)),
            workers: Vec::new(),
            is_over: Arc::default(),
        }
    }

    /// Unpacks a file that is about to be written, if the threads are not too far behind.
    pub(super) fn begin(&mut self, path: &Path) -> Result<Option<Growing>, LayerError> {
        if self.workers.len() < WORKERS {
            let (inner, waiting) = (Arc::clone(&self.inner), Arc::clone(&self.waiting));
            let is_over = Arc::clone(&self.is_over);
            let worker = thread::Builder::new().name("load-unpack".to_owned());
            let worker = worker.spawn(move || work(&inner, &waiting, &is_over));
            self.workers.push(worker.map_err(LayerError::Read)?);
        }
        let state = State { written: 0, end: None, read: 0, outcome: Outcome::Pending };
        let unpacking = Arc::new(Unpacking {
            file: File::open(path).on("open", path)?,
            directory: path.with_extension("layer"),
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let queue = self.queue.as_ref();
        let is_taken = queue.is_some_and(|queue| queue.try_send(Arc::clone(&unpacking)).is_ok());
        Ok(is_taken.then_some(Growing(unpacking)))
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.queue = None;
        for worker in self.workers.drain(..) {
            // Its panics are the outcomes' errors.
            let _ = worker.join();
        }
    }
}

fn work(inner: &Inner, waiting: &Mutex<Receiver<Arc<Unpacking>>>, is_over: &AtomicBool) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(unpacking) = next else { return };
        let unpack = AssertUnwindSafe(|| unpacking.unpack(inner, is_over));
        let panicked = |_| Err(LayerError::Read(io::Error::other("the unpacking panicked")));
        let outcome = catch_unwind(unpack).unwrap_or_else(panicked);
        unpacking.lock().outcome = Outcome::Done(outcome);
        unpacking.changed.notify_all();
    }
}

impl Unpacking {
    /// Where the tree is.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Waits for the tree, telling of the bytes read. None for whoever comes second.
    pub(super) fn take(&self, tell: impl Fn(u64)) -> Option<Result<Tree, LayerError>> {
        let mut state = self.lock();
        loop {
            match std::mem::replace(&mut state.outcome, Outcome::Taken) {
                Outcome::Done(outcome) => return Some(outcome),
                Outcome::Taken => return None,
                Outcome::Pending => state.outcome = Outcome::Pending,
            }
            tell(state.read);
            let waited = self.changed.wait_timeout(state, INTERVAL);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn unpack(&self, inner: &Inner, is_over: &AtomicBool) -> Result<Tree, LayerError> {
        durable::create_dir(&self.directory, 0o700)?;
        let follower = Follower { unpacking: self, position: 0, is_over };
        let mut source = BufReader::with_capacity(BUFFER, follower);
        let decoder = Decoder::of_layer(&mut source).map_err(LayerError::Read)?;
        // The digest of a plain one is its file's.
        let bytes = if decoder.is_plain() { Bytes::Verified } else { Bytes::Unknown };
        inner.unpack_tree(&self.directory, bytes, decoder)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writer's end of a file that is unpacked meanwhile. Dropping it breaks the unpacking off.
#[derive(Debug)]
pub(super) struct Growing(Arc<Unpacking>);

impl Growing {
    /// Tells how many bytes are in the file.
    pub(super) fn reached(&self, written: u64) {
        self.0.lock().written = written;
        self.0.changed.notify_all();
    }

    /// Tells that all have been written.
    pub(super) fn whole(self) -> Arc<Unpacking> {
        self.0.lock().end = Some(true);
        Arc::clone(&self.0)
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        self.0.lock().end.get_or_insert(false);
        self.0.changed.notify_all();
    }
}

/// Reads a file while it is written.
struct Follower<'a> {
    unpacking: &'a Unpacking,
    position: u64,
    is_over: &'a AtomicBool,
}

impl Follower<'_> {
    /// Waits until there are bytes at the position: how many, 0 at the end.
    fn available(&self) -> io::Result<u64> {
        let mut state = self.unpacking.lock();
        loop {
            state.read = self.position;
            if self.is_over.load(Ordering::Relaxed) || state.end == Some(false) {
                return Err(io::Error::other("the archive broke off"));
            }
            if state.written > self.position || state.end == Some(true) {
                return Ok(state.written - self.position);
            }
            let waited = self.unpacking.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Read for Follower<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = usize::try_from(self.available()?).unwrap_or(usize::MAX);
        let length = available.min(buffer.len());
        let count = self.unpacking.file.read_at(&mut buffer[..length], self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}
