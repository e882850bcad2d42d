//! One download from a URL that a client names, for an import. No credentials go along, and none of
//! the registries' settings; proxies come from the environment.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt};
use reqwest::{Client, Url, redirect};

use crate::registry::transport::{install_crypto, root_cause, told};

/// How long the other side may take to answer, and between two pieces.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const READ_TIMEOUT: Duration = Duration::from_secs(300);
const REDIRECT_LIMIT: usize = 10;
/// Bytes of an error page that are shown.
const PAGE_LIMIT: usize = 2048;

/// Why nothing came.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not a URL of http or https.
    #[error("invalid URL {0:?}: only http and https are fetched")]
    Url(String),
    /// The server says no.
    #[error("failed to GET {url} with status {status}: {page}")]
    Status {
        /// What was asked for.
        url: String,
        /// Code and reason.
        status: reqwest::StatusCode,
        /// The beginning of its answer.
        page: String,
    },
    /// The server was not reached.
    #[error("Get \"{url}\": {why}")]
    Transport {
        /// What was asked for.
        url: String,
        /// The innermost reason.
        why: String,
    },
}

impl FetchError {
    /// Whether the server answered that there is no such thing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { status, .. } if status.as_u16() == 404)
    }
}

/// What a URL gives.
pub struct Fetched {
    /// In bytes, if the server says it.
    pub size: Option<u64>,
    /// Broken off by an error when the connection is.
    pub bytes: BoxStream<'static, Result<Bytes, reqwest::Error>>,
}

impl std::fmt::Debug for Fetched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetched").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Asks for a URL and follows redirects; the bytes come as they are taken.
///
/// # Errors
/// See [`FetchError`].
pub async fn get(user_agent: &str, url: &str) -> Result<Fetched, FetchError> {
    let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let parsed = parsed.ok_or_else(|| FetchError::Url(url.to_owned()))?;
    let at = parsed.clone();
    let transport = |error: reqwest::Error| FetchError::Transport {
        url: url.to_owned(),
        why: told(&at, root_cause(&error)),
    };
    install_crypto();
    let client = Client::builder()
        .user_agent(user_agent)
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .redirect(redirect::Policy::limited(REDIRECT_LIMIT))
        .build()
        .map_err(transport)?;
    let response = client.get(parsed).send().await.map_err(transport)?;
    let status = response.status();
    let size = response.content_length();
    let mut bytes = response.bytes_stream().boxed();
    if status.is_success() {
        return Ok(Fetched { size, bytes });
    }
    let mut page = Vec::new();
    while page.len() < PAGE_LIMIT
        && let Some(Ok(piece)) = bytes.next().await
    {
        page.extend_from_slice(&piece);
    }
    page.truncate(PAGE_LIMIT);
    let page = String::from_utf8_lossy(&page).trim().to_owned();
    Err(FetchError::Status { url: url.to_owned(), status, page })
}
