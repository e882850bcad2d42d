//! Answers: JSON bodies as dockerd writes them, and bodies that stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::Full;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::http::limits::STREAM_QUEUE;

/// The media type of JSON answers.
pub(crate) const JSON: &str = "application/json";

/// Room that an answer gets at first: most need no more.
const FIRST_BYTES: usize = 1024;

/// A JSON body that ends with a line feed.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match line(value, "\n") {
        Ok(bytes) => with_body(status, JSON, Body::new(Full::new(bytes))),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            empty(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// A JSON body that is written already.
pub(crate) fn json_bytes(status: StatusCode, bytes: Vec<u8>) -> Response {
    with_body(status, JSON, Body::new(Full::new(Bytes::from(bytes))))
}

/// A body of plain text.
pub(crate) fn text(status: StatusCode, text: String) -> Response {
    with_body(status, "text/plain; charset=utf-8", Body::from(text))
}

/// 301: the same page under its proper name.
pub(crate) fn moved(location: &str) -> Response {
    let mut response = empty(StatusCode::MOVED_PERMANENTLY);
    if let Ok(value) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

/// A status without a body.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A body that is written piece by piece; the head goes out at once, each piece as it comes.
pub(crate) fn stream(content_type: &'static str) -> (Sender, Response) {
    let (sender, receiver) = mpsc::channel(STREAM_QUEUE);
    let response = with_body(StatusCode::OK, content_type, Body::new(Pieces(receiver)));
    (Sender(sender), response)
}

fn with_body(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    (response.headers_mut()).insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn line(value: &impl Serialize, end: &str) -> Result<Bytes, serde_json::Error> {
    let mut bytes = Vec::with_capacity(FIRST_BYTES);
    serde_json::to_writer(&mut bytes, value)?;
    bytes.extend_from_slice(end.as_bytes());
    Ok(bytes.into())
}

/// The client went away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client closed the connection")]
pub(crate) struct Gone;

/// The writing end of a streamed body. Dropping it ends the body.
#[derive(Debug, Clone)]
pub(crate) struct Sender(mpsc::Sender<Bytes>);

impl Sender {
    /// Waits for room, then queues one piece.
    pub(crate) async fn send(&self, bytes: Bytes) -> Result<(), Gone> {
        self.0.send(bytes).await.map_err(|_| Gone)
    }

    /// Queues one JSON value and `end` behind it (`"\n"`, or `"\r\n"` in progress streams).
    pub(crate) async fn send_json(&self, value: &impl Serialize, end: &str) -> Result<(), Gone> {
        match line(value, end) {
            Ok(bytes) => self.send(bytes).await,
            Err(error) => {
                tracing::error!(%error, "a line of a stream could not be written as JSON");
                Err(Gone)
            }
        }
    }

    /// Ends when the client has gone.
    pub(crate) async fn closed(&self) {
        self.0.closed().await;
    }
}

struct Pieces(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        let piece = self.0.poll_recv(context);
        piece.map(|piece| piece.map(|bytes| Ok(hyper::body::Frame::data(bytes))))
    }
}
