//! Layers, unpacked once and kept in overlay form under `layers/<chain id>/diff`. A layer does not
//! need its parents, so all layers of an image can be unpacked at the same time.

use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Hasher};
use crate::error::IoError;
use crate::Inner;

/// Why a layer cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The stream could not be read or decompressed.
    #[error("read layer: {0}")]
    Read(#[source] io::Error),
    /// The uncompressed bytes are others than the image's config says.
    #[error("layer digest mismatch: expected {expected}, got {actual}")]
    DiffIdMismatch {
        /// The diff id of the config.
        expected: Digest,
        /// The digest of what came.
        actual: Digest,
    },
    /// A call on the file system failed.
    #[error(transparent)]
    Io(#[from] IoError),
}

/// What is known of an unpacked layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerInfo {
    /// Digest of the uncompressed tar.
    pub diff_id: Digest,
    /// Sum of the sizes of its files, in bytes.
    pub size: u64,
    /// Number of entries of the archive.
    pub entries: u64,
}

/// The unpacked layers.
#[derive(Debug, Clone)]
pub struct Layers {
    pub(crate) inner: Arc<Inner>,
}

impl Layers {
    /// Whether a layer is unpacked.
    #[must_use]
    pub fn has(&self, chain_id: &Digest) -> bool {
        todo!("{chain_id}")
    }

    /// Unpacks an uncompressed tar, reading it to its end; verifies the diff id; then the layer is
    /// there under its chain id, or nothing is. Blocks; uses two threads of its own meanwhile.
    ///
    /// # Errors
    /// See [`LayerError`]: the stream's, the archive's, the digest's, the file system's.
    pub fn unpack(
        &self,
        chain_id: &Digest,
        expected_diff_id: &Digest,
        reader: impl Read + Send,
    ) -> Result<LayerInfo, LayerError> {
        todo!("{chain_id} {expected_diff_id}")
    }
}

/// The chain ids of layers, lowest first.
///
/// Source: OCI image spec, config.md, "Layer ChainID".
#[must_use]
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chain = Vec::<Digest>::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        let next = match chain.last() {
            None => diff_id.clone(),
            Some(parent) => Digest::of(format!("{parent} {diff_id}").as_bytes()),
        };
        chain.push(next);
    }
    chain
}
