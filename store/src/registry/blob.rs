//! Blobs: small ones whole and verified, large ones as a stream from any offset. A stream is
//! bounded by the size that its descriptor tells; its digest is the receiver's to verify.

use bytes::{Buf as _, Bytes};
use reqwest::header::{CONTENT_RANGE, HeaderMap};
use reqwest::{Response, StatusCode};

use super::repository::Repository;
use super::{Code, RegistryError, RetryPolicy, body};
use crate::digest::Digest;

/// A blob on its way.
#[derive(Debug)]
pub(crate) struct BlobStream {
    response: Response,
    what: String,
    /// Bytes that the registry sends though they were not asked for.
    skip: u64,
    /// Bytes that are still to come after those.
    remaining: u64,
}

impl Repository {
    /// A blob of a known size up to `limit` bytes, whole, its digest verified.
    pub(crate) async fn small_blob(
        &self,
        digest: &Digest,
        size: u64,
        limit: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        let what = format!("blob {digest}");
        if size > limit {
            return Err(RegistryError::TooLarge { what, limit });
        }
        let ask = self.ask(&format!("blobs/{digest}"), Code::BlobUnknown)?;
        let bytes = body::bounded(self.request(&ask).await?, size).await?;
        let actual = Digest::of(&bytes);
        if actual != *digest {
            return Err(RegistryError::DigestMismatch { what, expected: digest.clone(), actual });
        }
        Ok(bytes)
    }

    /// A blob of `size` bytes from `offset` on; asked once, repeating is the caller's.
    pub(crate) async fn blob(
        &self,
        digest: &Digest,
        size: u64,
        offset: u64,
    ) -> Result<BlobStream, RegistryError> {
        let what = format!("blob {digest}");
        let mut ask = self.ask(&format!("blobs/{digest}"), Code::BlobUnknown)?;
        ask.from = offset;
        ask.is_document = false;
        ask.retry = RetryPolicy { attempts: 1, ..self.retry() };
        let response = self.request(&ask).await?;
        let start = match response.status() {
            StatusCode::PARTIAL_CONTENT => range_start(response.headers()).unwrap_or(offset),
            _ => 0,
        };
        if start > offset {
            return Err(RegistryError::protocol(
                what,
                "the answer begins after what was asked for",
            ));
        }
        if response.content_length().is_some_and(|length| start + length > size) {
            return Err(RegistryError::TooLarge { what, limit: size });
        }
        Ok(BlobStream { response, what, skip: offset - start, remaining: size - offset })
    }
}

impl BlobStream {
    /// The next bytes; `None` at the end. An early end is a network error.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        while let Some(mut chunk) = body::chunk(&mut self.response).await? {
            let skipped = self.skip.min(chunk.len() as u64);
            self.skip -= skipped;
            chunk.advance(usize::try_from(skipped).unwrap_or(chunk.len()));
            if chunk.is_empty() {
                continue;
            }
            if chunk.len() as u64 > self.remaining {
                let reason = "the registry sends more bytes than the manifest tells";
                return Err(RegistryError::protocol(self.what.as_str(), reason));
            }
            self.remaining -= chunk.len() as u64;
            return Ok(Some(chunk));
        }
        if self.remaining > 0 {
            return Err(RegistryError::Network {
                method: "Get",
                url: super::transport::shown(self.response.url()),
                reason: format!("connection closed with {} bytes to come", self.remaining),
            });
        }
        Ok(None)
    }
}

/// The first byte's position in `Content-Range: bytes first-last/total`.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    range.trim().strip_prefix("bytes")?.trim_start().split('-').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn ranges_are_read() {
        let start = |text: &'static str| {
            let headers = HeaderMap::from_iter([(CONTENT_RANGE, HeaderValue::from_static(text))]);
            range_start(&headers)
        };
        assert_eq!(start("bytes 7-9/10"), Some(7));
        assert_eq!(start("bytes */10"), None);
        assert_eq!(start("items 1-2/3"), None);
    }
}
