//! What is sent to a registry: whether it has a blob, mounting one from another repository,
//! uploading one in pieces that can be repeated, and putting a manifest.
//!
//! Source: OCI distribution specification, "Push".

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::header::{HeaderMap, LOCATION, RANGE};
use reqwest::{Method, Response, StatusCode, Url};

use super::content::Content;
use super::repository::{Ask, Repository};
use super::{Code, RegistryError};
use crate::digest::Digest;

/// Bytes of one PATCH: what has to be sent again when a connection breaks.
const PIECE: u64 = 64 << 20;
/// Blobs up to this size go with the request that ends the upload.
const MONOLITHIC_LIMIT: u64 = 1 << 20;

/// A file that is to become a registry's blob.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) path: &'a Path,
    pub(crate) digest: &'a Digest,
    /// In bytes.
    pub(crate) size: u64,
}

/// What came of beginning an upload.
#[derive(Debug)]
pub(crate) enum Begun {
    /// The registry took it from the other repository.
    Mounted,
    /// Send the bytes there.
    At(Url),
}

impl Repository {
    /// Whether the registry has a blob in this repository.
    pub(crate) async fn has_blob(&self, digest: &Digest) -> Result<bool, RegistryError> {
        let mut ask = self.ask(&format!("blobs/{digest}"), Code::BlobUnknown)?;
        ask.method = Method::HEAD;
        match self.request(&ask).await {
            Ok(_) => Ok(true),
            Err(RegistryError::Api(error)) if error.status == StatusCode::NOT_FOUND => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Begins an upload; with `from`, asks the registry to take the blob from that repository.
    pub(crate) async fn begin_upload(
        &self,
        mount: Option<(&Digest, &str)>,
    ) -> Result<Begun, RegistryError> {
        let mut ask = self.ask("blobs/uploads/", Code::NameUnknown)?;
        if let Some((digest, from)) = mount {
            ask.url
                .query_pairs_mut()
                .append_pair("mount", &digest.to_string())
                .append_pair("from", from);
        }
        ask.method = Method::POST;
        ask.content = Some(Content::empty());
        let response = self.request(&ask).await?;
        match response.status() {
            StatusCode::CREATED => Ok(Begun::Mounted),
            _ => Ok(Begun::At(location(&ask, &response)?)),
        }
    }

    /// Sends a file to an upload that has begun. `sent` counts its bytes as they leave.
    pub(crate) async fn upload(
        &self,
        begun: Url,
        source: Source<'_>,
        sent: &Arc<AtomicU64>,
    ) -> Result<(), RegistryError> {
        let mut at = begun;
        let mut offset = 0;
        let mut failed = 0;
        while source.size > MONOLITHIC_LIMIT && offset < source.size {
            let length = PIECE.min(source.size - offset);
            sent.store(offset, Ordering::Relaxed);
            let content = Content::file(source.path, offset, length, sent);
            let ask = self.ask_at(&at, Method::PATCH, Some(content.ranged(offset, length)))?;
            let error = match self.request(&ask).await {
                Ok(response) => {
                    at = location(&ask, &response)?;
                    offset += length;
                    failed = 0;
                    continue;
                }
                Err(error) => error,
            };
            failed += 1;
            let delay = self.retry().delay(failed, error.retry_after());
            let Some(delay) = delay.filter(|_| error.is_temporary()) else { return Err(error) };
            tracing::debug!(blob = %source.digest, %error, offset, "upload broke off");
            tokio::time::sleep(delay).await;
            (at, offset) = self.upload_status(&at).await?;
        }
        sent.store(offset, Ordering::Relaxed);
        let content = match source.size - offset.min(source.size) {
            0 => Content::empty(),
            length => Content::file(source.path, offset, length, sent),
        };
        at.query_pairs_mut().append_pair("digest", &source.digest.to_string());
        let mut ask = self.ask_at(&at, Method::PUT, Some(content))?;
        ask.retry = self.retry();
        self.request(&ask).await.map(drop)
    }

    /// How far an upload is.
    async fn upload_status(&self, at: &Url) -> Result<(Url, u64), RegistryError> {
        let mut ask = self.ask_at(at, Method::GET, None)?;
        ask.is_document = true;
        ask.retry = self.retry();
        let response = self.request(&ask).await?;
        Ok((location(&ask, &response)?, received(response.headers())))
    }

    /// Puts a manifest under a tag.
    pub(crate) async fn put_manifest(
        &self,
        tag: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(), RegistryError> {
        let mut ask = self.ask(&format!("manifests/{tag}"), Code::ManifestUnknown)?;
        ask.method = Method::PUT;
        ask.content = Some(Content::bytes(media_type, bytes));
        self.request(&ask).await.map(drop)
    }
}

/// Where an upload goes on.
fn location(ask: &Ask, response: &Response) -> Result<Url, RegistryError> {
    let text = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let url = text.and_then(|text| ask.url.join(text).ok());
    let url = url.filter(|url| match url.scheme() {
        "https" => true,
        scheme => scheme == "http" && ask.url.scheme() == "http",
    });
    let reason = "upload without a usable location";
    url.ok_or_else(|| RegistryError::protocol(super::transport::shown(&ask.url), reason))
}

/// Bytes that are there, by `Range: 0-last`; an upload without any says `0-0`, as one with one
/// byte does, which is then sent again from its beginning.
fn received(headers: &HeaderMap) -> u64 {
    let range = headers.get(RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let last = range.trim_start_matches("bytes=").split('-').nth(1).and_then(|n| n.parse().ok());
    last.map_or(0, |last: u64| if last == 0 { 0 } else { last.saturating_add(1) })
}
