//! One layer: whether it has to come, its turn, its download with resumption, its progress.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{self, Sender};
use tokio::sync::{OwnedMutexGuard, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};

use super::manifest::Descriptor;
use super::progress::{INTERVAL, Progress, Throttle};
use super::session::{Session, blocking};
use super::stream::{self, Job, Message, QUEUE_CHUNKS};
use super::{PullError, RegistryError};
use crate::digest::Digest;

/// A broken download that brought this many bytes since the last break counts as the first break.
const PROGRESS_BYTES: u64 = 1024 * 1024;
const RANGE_NOT_SATISFIABLE: u16 = 416;

/// One layer of the image that is pulled.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) blob: Descriptor,
    pub(super) diff_id: Digest,
    pub(super) chain_id: Digest,
}

/// What of a layer is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Here {
    has_blob: bool,
    has_layer: bool,
}

impl Here {
    pub(super) fn is_complete(self) -> bool {
        self.has_blob && self.has_layer
    }
}

/// Where the thread of a layer is on its way.
struct Receiving {
    queue: Sender<Message>,
    thread: JoinHandle<Result<(), PullError>>,
    done: Arc<AtomicU64>,
    offset: u64,
}

impl Layer {
    pub(super) fn id(&self) -> String {
        self.blob.digest.short()
    }
}

impl<P: Fn(Progress) + Send + Sync> Session<'_, P> {
    /// Looks at the store.
    pub(super) async fn here(&self, layer: &Layer) -> Result<Here, PullError> {
        let (store, layer) = (self.store.clone(), layer.clone());
        blocking(move || {
            let has_blob = store.blob(&layer.blob.digest)?.is_some();
            Ok::<_, PullError>(Here { has_blob, has_layer: store.layers().has(&layer.chain_id) })
        })
        .await
    }

    /// Brings a layer here: blob and unpacked tree.
    pub(super) async fn pull_layer(&self, layer: &Layer) -> Result<(), PullError> {
        let id = layer.id();
        let flight = Arc::new(self.registries.flight(&layer.blob.digest).await);
        let downloads = self.registries.downloads();
        let permit = Arc::clone(&downloads).try_acquire_owned();
        let _permit = match permit {
            Ok(permit) => permit,
            Err(_) => {
                (self.progress)(Progress::LayerWaiting { id: id.clone() });
                downloads.acquire_owned().await.map_err(|_| PullError::Stopped)?
            }
        };
        // Another pull, or another layer of the same bytes, may have brought it meanwhile.
        let here = self.here(layer).await?;
        if !here.has_blob {
            self.download(layer, here, &flight).await?;
        } else if !here.has_layer {
            let done = Arc::default();
            let job = self.job(layer, here, &flight, &done);
            let thread = spawn_blocking(|| stream::unpack_blob(job));
            self.watch_unpacking(layer, &done, thread).await?;
        }
        (self.progress)(Progress::PullComplete { id });
        Ok(())
    }

    fn job(
        &self,
        layer: &Layer,
        here: Here,
        flight: &Arc<OwnedMutexGuard<()>>,
        done: &Arc<AtomicU64>,
    ) -> Job {
        Job {
            store: self.store.clone(),
            blob: layer.blob.digest.clone(),
            size: layer.blob.size,
            unpack: (!here.has_layer).then(|| (layer.chain_id.clone(), layer.diff_id.clone())),
            done: Arc::clone(done),
            _guards: (Arc::clone(&self.lease), Arc::clone(flight)),
        }
    }

    /// Downloads and unpacks; bytes of an earlier pull that turn out bad are fetched again once.
    async fn download(
        &self,
        layer: &Layer,
        here: Here,
        flight: &Arc<OwnedMutexGuard<()>>,
    ) -> Result<(), PullError> {
        let mut may_begin_again = true;
        loop {
            let receiving = self.start(layer, here, flight).await?;
            let is_resumed = receiving.offset > 0;
            let error = match self.receive(layer, receiving).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let is_damaged =
                matches!(error, PullError::LayerVerification(_)) || is_unsatisfiable(&error);
            if !(is_damaged && is_resumed && may_begin_again) {
                return Err(error);
            }
            may_begin_again = false;
            tracing::debug!(blob = %layer.blob.digest, %error, "resumed download begins again");
        }
    }

    async fn start(
        &self,
        layer: &Layer,
        here: Here,
        flight: &Arc<OwnedMutexGuard<()>>,
    ) -> Result<Receiving, PullError> {
        let (queue, receiver) = mpsc::channel(QUEUE_CHUNKS);
        let (offset_sender, offset) = oneshot::channel();
        let done = Arc::default();
        let job = self.job(layer, here, flight, &done);
        let thread = spawn_blocking(|| stream::receive(job, receiver, offset_sender));
        match offset.await {
            Ok(offset) => Ok(Receiving { queue, thread, done, offset }),
            // The thread ended before it could tell: its result says why.
            Err(_) => Err(joined(thread.await).err().unwrap_or(PullError::Stopped)),
        }
    }

    async fn receive(&self, layer: &Layer, mut receiving: Receiving) -> Result<(), PullError> {
        let id = layer.id();
        if let Err(error) = self.feed_with_retries(layer, &mut receiving).await {
            let error = PullError::registry(self.reference, error);
            if is_unsatisfiable(&error) {
                // A closed queue means that the thread has failed already.
                drop(receiving.queue.send(Message::Discard).await);
            }
            drop(receiving.queue);
            // The partial file is free for the next attempt only after the thread's end.
            drop(receiving.thread.await);
            return Err(error);
        }
        (self.progress)(Progress::VerifyingChecksum { id: id.clone() });
        drop(receiving.queue);
        (self.progress)(Progress::DownloadComplete { id });
        self.watch_unpacking(layer, &receiving.done, receiving.thread).await
    }

    async fn feed_with_retries(
        &self,
        layer: &Layer,
        receiving: &mut Receiving,
    ) -> Result<(), RegistryError> {
        let mut failed = 0;
        loop {
            let before = receiving.offset;
            let error = match self.feed(layer, receiving).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_temporary() => error,
                Err(error) => return Err(error),
            };
            if receiving.offset - before >= PROGRESS_BYTES {
                failed = 0;
            }
            failed += 1;
            let policy = self.repository.retry();
            let Some(delay) = policy.delay(failed, error.retry_after()) else {
                return Err(error);
            };
            tracing::debug!(blob = %layer.blob.digest, %error, offset = receiving.offset, "download broke off");
            self.count_down(layer, delay).await;
        }
    }

    async fn count_down(&self, layer: &Layer, delay: Duration) {
        let mut left = delay;
        while !left.is_zero() {
            let seconds = left.as_secs_f64().ceil() as u64;
            (self.progress)(Progress::Retrying { id: layer.id(), seconds });
            let step = left.min(Duration::from_secs(1));
            tokio::time::sleep(step).await;
            left -= step;
        }
    }

    /// Sends the rest of the blob to the thread. A thread that gave up is no error here: its own
    /// result tells why.
    async fn feed(&self, layer: &Layer, receiving: &mut Receiving) -> Result<(), RegistryError> {
        let (size, id) = (layer.blob.size, layer.id());
        let mut throttle = Throttle::default();
        if receiving.offset < size {
            let offset = receiving.offset;
            let mut stream = self.repository.blob(&layer.blob.digest, size, offset).await?;
            while let Some(bytes) = stream.next().await? {
                let count = bytes.len() as u64;
                if receiving.queue.send(Message::Bytes(bytes)).await.is_err() {
                    return Ok(());
                }
                receiving.offset += count;
                if throttle.is_due() {
                    let (id, current) = (id.clone(), receiving.offset);
                    (self.progress)(Progress::Downloading { id, current, total: size });
                }
            }
        }
        drop(receiving.queue.send(Message::End).await);
        Ok(())
    }

    async fn watch_unpacking(
        &self,
        layer: &Layer,
        done: &AtomicU64,
        mut thread: JoinHandle<Result<(), PullError>>,
    ) -> Result<(), PullError> {
        loop {
            match tokio::time::timeout(INTERVAL, &mut thread).await {
                Ok(result) => return joined(result),
                Err(_) => {
                    let total = layer.blob.size;
                    let current = done.load(Ordering::Relaxed).min(total);
                    (self.progress)(Progress::Extracting { id: layer.id(), current, total });
                }
            }
        }
    }
}

fn joined(result: Result<Result<(), PullError>, tokio::task::JoinError>) -> Result<(), PullError> {
    result.map_err(|_| PullError::Stopped)?
}

fn is_unsatisfiable(error: &PullError) -> bool {
    matches!(error, PullError::Registry(RegistryError::Api(e)) if e.status == RANGE_NOT_SATISFIABLE)
}
