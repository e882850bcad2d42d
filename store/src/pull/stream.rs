//! The blocking end of a layer's way: one thread takes the bytes that the network brings, writes
//! and hashes them, and inflates them into the unpacking.
//!
//! The network task never waits for a disk, this thread never for a timer. A queue that closes
//! without [`Message::End`] means that the pull was given up: the bytes are kept.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

use super::PullError;
use super::decompress::Decoder;
use crate::content::{ContentError, Ingest};
use crate::digest::Digest;
use crate::layer::LayerError;
use crate::{Lease, Store};

/// Chunks between the network and the thread; one has at most about 400 KiB.
pub(super) const QUEUE_CHUNKS: usize = 8;
/// Bytes read at once from a file that is unpacked again.
const FILE_BUFFER: usize = 256 * 1024;

/// What the network sends.
#[derive(Debug)]
pub(super) enum Message {
    /// The next bytes.
    Bytes(Bytes),
    /// All bytes were sent.
    End,
    /// The bytes of earlier attempts are of no use: remove them.
    Discard,
}

/// What one thread has to do.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) store: Store,
    pub(super) blob: Digest,
    /// Of the blob, in bytes.
    pub(super) size: u64,
    /// Chain id and diff id, unless the layer is unpacked already.
    pub(super) unpack: Option<(Digest, Digest)>,
    /// Bytes of the blob that went through.
    pub(super) done: Arc<AtomicU64>,
    /// Keep collection and other pulls away while the thread runs, even when nobody waits for it.
    pub(super) _guards: (Arc<Lease>, Arc<tokio::sync::OwnedMutexGuard<()>>),
}

/// Takes a blob in and unpacks it; tells through `offset` where the download has to begin.
#[expect(clippy::needless_pass_by_value, reason = "a thread's own arguments")]
pub(super) fn receive(
    job: Job,
    queue: Receiver<Message>,
    offset: oneshot::Sender<u64>,
) -> Result<(), PullError> {
    let ingest = job.store.ingest(&job.blob, Some(job.size))?;
    let start = ingest.offset();
    let earlier = match job.unpack {
        Some(_) if start > 0 => Some(job.store.open_partial(&job.blob)?.take(start)),
        _ => None,
    };
    let done = Arc::clone(&job.done);
    let mut source =
        Source { queue, ingest, earlier, chunk: Bytes::new(), state: State::Open, done };
    // Nobody listens any more when the pull was given up; the queue is closed then, too.
    let _ = offset.send(start);
    let unpacked = match unpack(&job, &mut source) {
        Err(PullError::Layer { source: error @ (LayerError::Io(_) | LayerError::Db(_)), blob }) => {
            return Err(PullError::Layer { source: error, blob });
        }
        unpacked => unpacked,
    };
    // What follows the archive is part of the blob; and damaged bytes are to be told from a
    // malformed archive.
    let drained = io::copy(&mut source, &mut io::sink());
    match source.state {
        State::Ended => {}
        State::Failed(error) => return Err(error.into()),
        State::Discarded => {
            source.ingest.discard()?;
            return Err(PullError::Stopped);
        }
        State::Open | State::Stopped => {
            source.ingest.keep();
            return Err(PullError::Stopped);
        }
    }
    drained.map_err(|error| layer_error(&job.blob, LayerError::Read(error)))?;
    source.ingest.commit().map_err(|error| match error {
        ContentError::DigestMismatch { expected, .. } => PullError::LayerVerification(expected),
        error => error.into(),
    })?;
    unpacked
}

/// Unpacks a blob that is here.
#[expect(clippy::needless_pass_by_value, reason = "a thread's own arguments")]
pub(super) fn unpack_blob(job: Job) -> Result<(), PullError> {
    let found = job.store.blob(&job.blob)?;
    let blob = found.ok_or_else(|| ContentError::NotFound(job.blob.clone()))?;
    let file = File::open(&blob.path).map_err(LayerError::Read);
    let file = file.map_err(|error| layer_error(&job.blob, error))?;
    let counted = Counted { inner: file, done: Arc::clone(&job.done) };
    unpack(&job, &mut BufReader::with_capacity(FILE_BUFFER, counted))
}

fn unpack(job: &Job, source: &mut (impl BufRead + Send)) -> Result<(), PullError> {
    let Some((chain_id, diff_id)) = &job.unpack else { return Ok(()) };
    let decoder = Decoder::of_layer(source).map_err(LayerError::Read);
    let unpacked =
        decoder.and_then(|decoder| job.store.layers().unpack(chain_id, diff_id, decoder));
    unpacked.map(drop).map_err(|error| layer_error(&job.blob, error))
}

fn layer_error(blob: &Digest, source: LayerError) -> PullError {
    PullError::Layer { blob: blob.clone(), source }
}

#[derive(Debug)]
enum State {
    Open,
    Ended,
    Discarded,
    Stopped,
    Failed(ContentError),
}

/// The blob as a reader: first what an earlier attempt left, then what comes, which is written
/// and hashed on the way.
struct Source {
    queue: Receiver<Message>,
    ingest: Ingest,
    earlier: Option<io::Take<File>>,
    chunk: Bytes,
    state: State,
    done: Arc<AtomicU64>,
}

impl Source {
    fn read_earlier(&mut self) -> io::Result<()> {
        let Some(earlier) = &mut self.earlier else { return Ok(()) };
        let mut buffer = vec![0; FILE_BUFFER];
        let count = earlier.read(&mut buffer)?;
        buffer.truncate(count);
        self.chunk = buffer.into();
        if count == 0 {
            self.earlier = None;
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<()> {
        self.state = match self.queue.blocking_recv() {
            Some(Message::Bytes(bytes)) => match self.ingest.write(&bytes) {
                Ok(()) => {
                    self.chunk = bytes;
                    return Ok(());
                }
                Err(error) => State::Failed(error),
            },
            Some(Message::End) => State::Ended,
            Some(Message::Discard) => State::Discarded,
            None => State::Stopped,
        };
        Ok(())
    }
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.chunk.is_empty() && self.earlier.is_some() {
            self.read_earlier()?;
        }
        while self.chunk.is_empty() && matches!(self.state, State::Open) {
            self.receive()?;
        }
        match &self.state {
            State::Open | State::Ended => Ok(&self.chunk),
            State::Failed(error) => Err(io::Error::other(error.to_string())),
            State::Discarded | State::Stopped => Err(io::Error::other("download was stopped")),
        }
    }

    fn consume(&mut self, count: usize) {
        self.chunk.advance(count);
        self.done.fetch_add(count as u64, Ordering::Relaxed);
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    done: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.done.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Store {
    /// The bytes that an open ingest has so far, from the beginning.
    fn open_partial(&self, blob: &Digest) -> Result<File, ContentError> {
        let path = self.inner.ingest_dir().join(crate::content::partial_name(blob));
        File::open(&path)
            .map_err(|error| crate::error::IoError::new(format!("open {path:?}"), error).into())
    }
}
