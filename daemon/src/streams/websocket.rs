//! A WebSocket (RFC 6455) as a stream of bytes: what the client sends in messages of data is what is read, and each
//! piece that is written is a message. Pings are answered, and the end of the stream is a close frame.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::stream::SplitSink;
use futures_util::{Sink, StreamExt, future};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_util::io::StreamReader;

/// Longest message of a client, in bytes.
const MESSAGE_MAX: usize = 1024 * 1024;
/// Bytes that wait to be written before a writer waits.
const UNWRITTEN_MAX: usize = 256 * 1024;

/// Which messages a client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As old API versions have it. What is not UTF-8 is replaced.
    Text,
    Binary,
}

/// The stream of bytes over a socket whose handshake is done.
pub(crate) async fn bytes(
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    kind: Kind,
) -> impl AsyncRead + AsyncWrite + Unpin + Send {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX))
        .write_buffer_size(0)
        .max_write_buffer_size(UNWRITTEN_MAX);
    let socket = WebSocketStream::from_raw_socket(socket, Role::Server, Some(config)).await;
    let (sink, messages) = socket.split();
    let payloads = messages.filter_map(|message| {
        future::ready(match message {
            Ok(Message::Binary(bytes)) => Some(Ok(bytes)),
            Ok(Message::Text(text)) => Some(Ok(Bytes::from(text))),
            Ok(_) => None,
            Err(error) => Some(Err(io::Error::other(error))),
        })
    });
    tokio::io::join(StreamReader::new(payloads), Writer { sink, kind, closed: false })
}

/// Makes messages of what is written.
#[derive(Debug)]
struct Writer<S> {
    sink: SplitSink<WebSocketStream<S>, Message>,
    kind: Kind,
    closed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Writer<S> {
    fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        message: impl FnOnce() -> Message,
    ) -> Poll<io::Result<()>> {
        let mut sink = Pin::new(&mut self.sink);
        ready!(sink.as_mut().poll_ready(context)).map_err(io::Error::other)?;
        Poll::Ready(sink.start_send(message()).map_err(io::Error::other))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Writer<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        piece: &[u8],
    ) -> Poll<io::Result<usize>> {
        let kind = self.kind;
        let message = || match kind {
            Kind::Binary => Message::Binary(Bytes::copy_from_slice(piece)),
            Kind::Text => Message::text(String::from_utf8_lossy(piece).into_owned()),
        };
        self.poll_send(context, message).map_ok(|()| piece.len())
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.sink).poll_flush(context).map_err(io::Error::other)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.closed {
            let normal = CloseFrame { code: CloseCode::Normal, reason: "".into() };
            ready!(self.poll_send(context, || Message::Close(Some(normal))))?;
            self.closed = true;
        }
        self.poll_flush(context)
    }
}
