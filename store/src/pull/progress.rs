//! What a pull tells while it runs, as data.

use std::time::{Duration, Instant};

use crate::digest::Digest;

/// Byte counts of a layer are told at most this often.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);

/// One step of a pull. `id` is the short digest of a layer's blob; counts are bytes of that blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The manifest is there.
    PullingFrom {
        /// The repository's path: `library/busybox`.
        repository: String,
        /// The tag or the digest.
        tag: String,
    },
    /// A layer that is not here will be fetched ("Pulling fs layer").
    PullingLayer {
        /// The layer.
        id: String,
    },
    /// Other layers go first.
    LayerWaiting {
        /// The layer.
        id: String,
    },
    /// Bytes come in; earlier ones count.
    Downloading {
        /// The layer.
        id: String,
        /// Bytes that are here.
        current: u64,
        /// All bytes.
        total: u64,
    },
    /// All bytes are here.
    VerifyingChecksum {
        /// The layer.
        id: String,
    },
    /// All bytes are here and will be what they should be.
    DownloadComplete {
        /// The layer.
        id: String,
    },
    /// The rest is unpacked.
    Extracting {
        /// The layer.
        id: String,
        /// Bytes that are unpacked.
        current: u64,
        /// All bytes.
        total: u64,
    },
    /// The layer is here, verified.
    PullComplete {
        /// The layer.
        id: String,
    },
    /// The layer was here before.
    AlreadyExists {
        /// The layer.
        id: String,
    },
    /// The download broke off and goes on later.
    Retrying {
        /// The layer.
        id: String,
        /// Until then.
        seconds: u64,
    },
    /// What the registry calls the image.
    Digest(Digest),
    /// The outcome in words: `Status: Image is up to date for busybox:latest`.
    Status(String),
}

/// Lets a count through when the last one is long enough ago.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    last: Option<Instant>,
}

impl Throttle {
    pub(super) fn is_due(&mut self) -> bool {
        let now = Instant::now();
        if self.last.is_some_and(|last| now - last < INTERVAL) {
            return false;
        }
        self.last = Some(now);
        true
    }
}
