//! One blob on its way out: there already, mounted from another repository, or sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Url;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{PushError, PushProgress, Session};
use crate::content::ContentError;
use crate::digest::Digest;
use crate::registry::RegistryError;
use crate::registry::upload::{Begun, Source};

/// How often an upload tells how far it is.
const INTERVAL: Duration = Duration::from_millis(200);
/// How long a registry may take no byte, its work after the last one included.
const STALL_LIMIT: Duration = Duration::from_secs(300);

/// One layer of the image that is pushed.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    /// Its short diff id.
    pub(super) id: String,
    pub(super) digest: Digest,
}

/// How a blob came to the registry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Way {
    Existed,
    Mounted(String),
    Sent,
}

impl<P: Fn(PushProgress) + Send + Sync> Session<'_, P> {
    pub(super) async fn push_layer(
        &self,
        layer: &Layer,
        turns: &Semaphore,
    ) -> Result<(), PushError> {
        let _turn = turns.acquire().await.map_err(|_| PushError::Stopped)?;
        let id = layer.id.clone();
        let told = |current, total| {
            (self.progress)(PushProgress::Pushing { id: id.clone(), current, total });
        };
        let way = self.push_blob(&layer.digest, &told).await?;
        let id = layer.id.clone();
        (self.progress)(match way {
            Way::Existed => PushProgress::AlreadyExists { id },
            Way::Mounted(from) => PushProgress::Mounted { id, from },
            Way::Sent => PushProgress::Pushed { id },
        });
        Ok(())
    }

    /// Brings one blob to the registry, if it is not there.
    pub(super) async fn push_blob(
        &self,
        digest: &Digest,
        told: &(impl Fn(u64, u64) + Sync),
    ) -> Result<Way, PushError> {
        if self.repository.has_blob(digest).await? {
            return Ok(Way::Existed);
        }
        let missing = || ContentError::NotFound(digest.clone());
        let blob = self.store.blob(digest)?.ok_or_else(missing)?;
        let mut begun = None;
        for from in &self.sources {
            match self.repository.begin_upload(Some((digest, from))).await? {
                Begun::Mounted => return Ok(Way::Mounted(from.clone())),
                // The registry has not mounted it, but begun an upload instead.
                Begun::At(location) => begun = Some(location),
            }
        }
        let at = match begun {
            Some(location) => location,
            None => self.begin().await?,
        };
        let source = Source { path: &blob.path, digest, size: blob.size };
        self.send(at, source, told).await?;
        Ok(Way::Sent)
    }

    async fn begin(&self) -> Result<Url, PushError> {
        match self.repository.begin_upload(None).await? {
            Begun::At(location) => Ok(location),
            Begun::Mounted => {
                let reason = "an upload that ends before it begins";
                Err(RegistryError::protocol("blobs/uploads/", reason).into())
            }
        }
    }

    /// Sends, and watches that bytes go on leaving.
    async fn send(
        &self,
        at: Url,
        source: Source<'_>,
        told: &(impl Fn(u64, u64) + Sync),
    ) -> Result<(), PushError> {
        let sent = Arc::new(AtomicU64::new(0));
        let upload = self.repository.upload(at, source, &sent);
        tokio::pin!(upload);
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            if let Ok(done) = tokio::time::timeout(INTERVAL, &mut upload).await {
                told(source.size, source.size);
                return Ok(done?);
            }
            let now = sent.load(Ordering::Relaxed);
            if now == seen && since.elapsed() > STALL_LIMIT {
                return Err(PushError::Stalled(format!("blob {}", source.digest)));
            }
            if now != seen {
                (seen, since) = (now, Instant::now());
                told(now.min(source.size), source.size);
            }
        }
    }
}
