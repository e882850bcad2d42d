//! Connections that leave HTTP: attach and exec.
//!
//! A handler asks for a [`Hijack`] and answers with [`Hijack::accept`]. The connection's task then
//! takes the socket back from the HTTP machinery, writes the head itself and runs the session with
//! the socket and whatever the client had already sent behind its request. So the newer form
//! (`101 UPGRADED`) and the older one (`200 OK` and raw bytes on the same connection) are one path.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::http::error::Error;
use crate::http::extract::Api;
use crate::http::reply;
use crate::http::socket::Socket;

const RAW: &str = "application/vnd.docker.raw-stream";
const MULTIPLEXED: &str = "application/vnd.docker.multiplexed-stream";
/// First API version that tells a multiplexed stream from a raw one.
const MULTIPLEXED_SINCE: u32 = 42;

/// How long a client may take to read the head before bytes follow it.
const HEAD_READ_LIMIT: Duration = Duration::from_millis(100);
/// Pause between two looks whether it has.
const HEAD_READ_PAUSE: Duration = Duration::from_millis(1);

type Session = Box<dyn FnOnce(Stream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// The right to take the connection over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hijack {
    upgrade: bool,
    api: Api,
}

impl<S: Sync> FromRequestParts<S> for Hijack {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let api = Api::from_request_parts(parts, state).await?;
        Ok(Self { upgrade: parts.headers.contains_key(header::UPGRADE), api })
    }
}

impl Hijack {
    /// The answer that hands the connection to `session`, which runs after the head was written.
    /// `multiplexed`: the session writes stdcopy frames, not raw bytes.
    pub(crate) fn accept<F, S>(self, multiplexed: bool, session: F) -> Response
    where
        F: FnOnce(Stream) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let mut response = reply::empty(StatusCode::OK);
        let mut media_type = RAW;
        let headers = response.headers_mut();
        if self.upgrade {
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("tcp"));
            if multiplexed && self.api.since(MULTIPLEXED_SINCE) {
                media_type = MULTIPLEXED;
            }
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        if self.upgrade {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        }
        hand_over(response, session)
    }

    /// Whether the client has asked for a WebSocket as RFC 6455, section 4.2.1, says: what it is answered with.
    pub(crate) fn handshake(self, headers: &HeaderMap) -> Result<Handshake, Error> {
        let has = |name: HeaderName, word: &str| {
            let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            value.split(',').any(|each| each.trim().eq_ignore_ascii_case(word))
        };
        let key = headers.get(header::SEC_WEBSOCKET_KEY);
        let asked = has(header::UPGRADE, "websocket")
            && has(header::CONNECTION, "upgrade")
            && has(header::SEC_WEBSOCKET_VERSION, "13");
        let accept = key
            .filter(|_| asked)
            .and_then(|key| HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok());
        let protocol = headers.get(header::SEC_WEBSOCKET_PROTOCOL).cloned();
        let accept = accept.ok_or_else(|| Error::bad_request("not websocket protocol"))?;
        Ok(Handshake { accept, protocol })
    }

    /// The answer that hands the connection to `session` as a WebSocket.
    pub(crate) fn accept_websocket<F, S>(self, handshake: Handshake, session: F) -> Response
    where
        F: FnOnce(Stream) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let mut response = reply::empty(StatusCode::SWITCHING_PROTOCOLS);
        let headers = response.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, handshake.accept);
        if let Some(protocol) = handshake.protocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        hand_over(response, session)
    }
}

/// What a client is answered with that asks for a WebSocket.
#[derive(Debug)]
pub(crate) struct Handshake {
    accept: HeaderValue,
    protocol: Option<HeaderValue>,
}

fn hand_over<F, S>(mut response: Response, session: F) -> Response
where
    F: FnOnce(Stream) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let session: Session = Box::new(move |stream| Box::pin(session(stream)));
    response.extensions_mut().insert(Takeover(Arc::new(Mutex::new(Some(session)))));
    response
}

/// Marks an answer that takes the connection over. Travels in the answer's extensions.
#[derive(Clone)]
pub(crate) struct Takeover(Arc<Mutex<Option<Session>>>);

impl fmt::Debug for Takeover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Takeover")
    }
}

impl Takeover {
    /// The session; there is one only the first time.
    pub(crate) fn session(&self) -> Option<Session> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The head of a hijacked answer as bytes.
pub(crate) fn head(response: &Response) -> Vec<u8> {
    let status: &[u8] = match response.status() {
        StatusCode::SWITCHING_PROTOCOLS => b"HTTP/1.1 101 UPGRADED\r\n",
        _ => b"HTTP/1.1 200 OK\r\n",
    };
    let mut head = status.to_vec();
    for (name, value) in response.headers() {
        let name = title_case(name.as_str());
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn title_case(name: &str) -> String {
    let words = name.split('-').map(|word| match word.split_at_checked(1) {
        Some((first, rest)) => first.to_ascii_uppercase() + rest,
        None => String::new(),
    });
    words.collect::<Vec<_>>().join("-")
}

/// A client's connection after its head: first the bytes that came early, then the socket's.
#[derive(Debug)]
pub(crate) struct Stream {
    early: Bytes,
    socket: Socket,
}

impl Stream {
    pub(crate) fn new(early: Bytes, socket: Socket) -> Self {
        Self { early, socket }
    }

    /// Waits, for a short while at most, until the client has read the head: there are clients
    /// that lose what they read together with it.
    pub(crate) async fn head_is_read(&self) {
        let end = Instant::now() + HEAD_READ_LIMIT;
        while !self.socket.is_read() && Instant::now() < end {
            tokio::time::sleep(HEAD_READ_PAUSE).await;
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.socket).poll_read(context, buffer);
        }
        let take = self.early.len().min(buffer.remaining());
        buffer.put_slice(&self.early[..take]);
        self.early.advance(take);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
