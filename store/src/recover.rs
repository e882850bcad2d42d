//! What opening a store finds and mends.

use crate::digest::Digest;

/// What was found when the store was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Blobs that rows name and that are not there: damage.
    pub missing_blobs: Vec<Digest>,
    /// Layers that rows name and that are not there: damage.
    pub missing_layers: Vec<Digest>,
}
