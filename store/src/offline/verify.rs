//! Whether an image is what its digests say, to the last byte of its layers.

use std::io::{BufReader, Read};

use super::bench::Bench;
use super::take::Taken;
use super::{BUFFER, OfflineError};
use crate::archive::LoadError;
use crate::content::ContentError;
use crate::digest::Hasher;
use crate::layer::flatten::read_through;
use crate::layer::{LayerError, LayerInfo};
use crate::pull::decompress::Decoder;

/// What is said of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What is wrong; nothing when it is whole.
    pub problems: Vec<String>,
    /// Layers that were read to their end.
    pub layers: Vec<LayerInfo>,
}

impl Verdict {
    pub(super) fn damaged(error: &OfflineError) -> Self {
        Self { problems: vec![error.to_string()], layers: Vec::new() }
    }
}

/// Whether an error says that the image is broken, and not that it was not found.
pub(super) fn is_damage(error: &OfflineError) -> bool {
    matches!(
        error,
        OfflineError::Manifest(_)
            | OfflineError::Archive(
                LoadError::Archive(_)
                    | LoadError::NotFound(_)
                    | LoadError::DigestMismatch { .. }
                    | LoadError::Manifest(_)
            )
            | OfflineError::Content(
                ContentError::DigestMismatch { .. }
                    | ContentError::Incomplete { .. }
                    | ContentError::TooLarge { .. }
                    | ContentError::NotFound(_)
            )
    )
}

/// The blobs on the bench have the digests that the manifest tells; what is in them remains.
pub(super) fn judge(bench: &Bench, taken: &Taken) -> Result<Verdict, OfflineError> {
    let mut verdict = Verdict { problems: Vec::new(), layers: Vec::new() };
    for (index, (layer, expected)) in taken.layers().enumerate() {
        let file = bench.open(&layer.digest)?;
        let mut source = BufReader::with_capacity(BUFFER, file);
        let read = read(&mut source);
        match read {
            Ok(info) if info.diff_id.to_string() == *expected => verdict.layers.push(info),
            Ok(LayerInfo { diff_id: actual, .. }) => {
                let expected = expected.clone();
                let error = OfflineError::DiffId { index, expected, actual };
                verdict.problems.push(error.to_string());
            }
            Err(error) => {
                verdict.problems.push(format!("layer {index} ({}): {error}", layer.digest))
            }
        }
    }
    Ok(verdict)
}

fn read(source: &mut BufReader<std::fs::File>) -> Result<LayerInfo, LayerError> {
    let decoder = Decoder::new(source).map_err(LayerError::Read)?;
    let counted = Counted { inner: decoder, hasher: Hasher::default(), size: 0 };
    let mut stream = BufReader::with_capacity(BUFFER, counted);
    let entries = read_through(&mut stream)?;
    let Counted { hasher, size, .. } = stream.into_inner();
    Ok(LayerInfo { diff_id: hasher.finish(), size, entries })
}

/// Hashes what is read.
struct Counted<R> {
    inner: R,
    hasher: Hasher,
    size: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}
