//! Bodies of requests: nothing, some bytes, or a part of a file that is read as it is sent. A body
//! can be made again for each attempt.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use reqwest::{Body, RequestBuilder};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

/// Bytes read from a file at once.
const BUFFER: usize = 128 << 10;
const OCTETS: &str = "application/octet-stream";

/// The body of a request.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    media_type: String,
    /// First byte and number of bytes of a piece.
    range: Option<(u64, u64)>,
    data: Data,
}

#[derive(Debug, Clone)]
enum Data {
    Bytes(Bytes),
    File { path: PathBuf, offset: u64, length: u64, sent: Arc<AtomicU64> },
}

impl Content {
    pub(crate) fn empty() -> Self {
        Self::bytes(OCTETS, b"")
    }

    pub(crate) fn bytes(media_type: &str, bytes: &[u8]) -> Self {
        let data = Data::Bytes(Bytes::copy_from_slice(bytes));
        Self { media_type: media_type.to_owned(), range: None, data }
    }

    /// `length` bytes of a file; `sent` counts up to `offset + length`.
    pub(crate) fn file(path: &Path, offset: u64, length: u64, sent: &Arc<AtomicU64>) -> Self {
        let (path, sent) = (path.to_owned(), Arc::clone(sent));
        let data = Data::File { path, offset, length, sent };
        Self { media_type: OCTETS.to_owned(), range: None, data }
    }

    /// Says which piece of a blob it is.
    pub(crate) fn ranged(self, offset: u64, length: u64) -> Self {
        Self { range: Some((offset, length)), ..self }
    }

    /// Adds it to a request.
    pub(crate) fn on(&self, mut builder: RequestBuilder) -> RequestBuilder {
        builder = builder.header(CONTENT_TYPE, &self.media_type);
        if let Some((offset, length)) = self.range {
            let last = offset + length.saturating_sub(1);
            builder = builder.header(CONTENT_RANGE, format!("{offset}-{last}"));
        }
        match &self.data {
            Data::Bytes(bytes) => {
                builder.header(CONTENT_LENGTH, bytes.len()).body(Body::from(bytes.clone()))
            }
            Data::File { path, offset, length, sent } => builder
                .header(CONTENT_LENGTH, *length)
                .body(file_body(path.clone(), *offset, *length, Arc::clone(sent))),
        }
    }
}

fn file_body(path: PathBuf, offset: u64, length: u64, sent: Arc<AtomicU64>) -> Body {
    let parts = futures_util::stream::try_unfold((None, length), move |(file, left)| {
        let (path, sent) = (path.clone(), Arc::clone(&sent));
        async move {
            if left == 0 {
                return Ok::<_, std::io::Error>(None);
            }
            let mut file = match file {
                Some(file) => file,
                None => {
                    let mut file = File::open(path).await?;
                    file.seek(SeekFrom::Start(offset)).await?;
                    sent.store(offset, Ordering::Relaxed);
                    file
                }
            };
            let room = BUFFER.min(usize::try_from(left).unwrap_or(BUFFER));
            let mut buffer = BytesMut::zeroed(room);
            let count = file.read(&mut buffer).await?;
            if count == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            buffer.truncate(count);
            sent.fetch_add(count as u64, Ordering::Relaxed);
            Ok(Some((buffer.freeze(), (Some(file), left - count as u64))))
        }
    });
    Body::wrap_stream(parts)
}
