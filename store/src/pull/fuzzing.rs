//! A registry's documents and compressed bytes for a fuzzer.

use super::config;
use super::inflate::Inflater;
use super::manifest::{self, Document, LAYERS_LIMIT};
use super::platform::Platform;

/// Bytes that are compared at most.
const INFLATED_LIMIT: usize = 4 << 20;

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

/// Inflates bytes in pieces of two sizes, and compares with what another crate makes of them.
///
/// # Panics
/// When the two differ.
pub fn inflate(bytes: &[u8]) {
    let mut expected = Vec::with_capacity(INFLATED_LIMIT);
    let mut other = flate2::Decompress::new(false);
    let status = other.decompress_vec(bytes, &mut expected, flate2::FlushDecompress::Finish);
    let is_whole = matches!(status, Ok(flate2::Status::StreamEnd));
    if !is_whole && expected.len() == INFLATED_LIMIT {
        return;
    }
    for piece in [7, bytes.len().max(1)] {
        let (mut inflater, mut made, mut rest) = (Inflater::new(), Vec::new(), bytes);
        let is_good = loop {
            let Ok(taken) = inflater.inflate(&rest[..piece.min(rest.len())]) else { break false };
            rest = &rest[taken..];
            let count = inflater.made().len();
            made.extend_from_slice(inflater.made());
            inflater.take(count);
            if inflater.is_ended() || taken == 0 && count == 0 {
                break inflater.is_ended();
            }
        };
        assert_eq!(is_good, is_whole);
        assert!(!is_good || made == expected);
    }
}
