//! A registry's documents for a fuzzer.

use super::config;
use super::manifest::{self, Document, LAYERS_LIMIT};
use super::platform::Platform;

/// Reads bytes as each document that a registry could send.
///
/// # Panics
/// When what was read breaks its own limits.
pub fn read_documents(bytes: &[u8]) {
    const ANNOUNCED: [Option<&str>; 2] = [None, Some("application/vnd.oci.image.index.v1+json")];
    for announced in ANNOUNCED {
        match manifest::parse(bytes, announced) {
            Ok(Document::Index(entries)) => {
                for entry in entries {
                    entry.descriptor("manifest").ok();
                    entry.platform.map(|platform| platform.normalized().accepts(&Platform::host()));
                }
            }
            Ok(Document::Image(image)) => assert!(image.layers.len() <= LAYERS_LIMIT),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    for layers in 0..3 {
        if let Ok(config) = config::parse(bytes, layers) {
            assert_eq!(config.diff_ids.len(), layers);
        }
    }
    if let Ok(value) = serde_json::from_slice(bytes)
        && let Some(converted) = crate::layout::to_oci(value)
    {
        assert_eq!(crate::layout::to_oci(converted), None, "converted once and for all");
    }
}
