//! Bodies for threads that may block: a request's as a reader, an answer's as a writer.

use std::io::{self, BufWriter, Read, Write};

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use tokio::sync::mpsc;

/// Pieces that may wait for a disk or a slow client.
const QUEUE: usize = 8;
/// Bytes of one piece of an answer.
const PIECE: usize = 256 << 10;

enum Piece {
    Bytes(Bytes),
    End,
    Broken(String),
}

/// The sending end of [`reader`].
#[derive(Debug)]
pub(crate) struct Feed(mpsc::Sender<Piece>);

impl Feed {
    /// Brings the body to the reader until it ends, or the reader has had enough.
    pub(crate) async fn all_of(self, mut body: Body) {
        loop {
            let frame = tokio::select! {
                biased;
                () = self.0.closed() => return,
                frame = body.frame() => frame,
            };
            let piece = match frame.map(|frame| frame.map(hyper::body::Frame::into_data)) {
                None => Piece::End,
                Some(Ok(Ok(bytes))) => Piece::Bytes(bytes),
                Some(Ok(Err(_))) => continue,
                Some(Err(error)) => Piece::Broken(error.to_string()),
            };
            let is_last = !matches!(piece, Piece::Bytes(_));
            if self.0.send(piece).await.is_err() || is_last {
                return;
            }
        }
    }
}

/// A body as a reader for a thread that may block. What is cut off reads as an error.
pub(crate) fn reader() -> (Feed, Reader) {
    let (sender, pieces) = mpsc::channel(QUEUE);
    (Feed(sender), Reader { pieces, current: Bytes::new(), has_ended: false })
}

/// See [`reader`].
#[derive(Debug)]
pub(crate) struct Reader {
    pieces: mpsc::Receiver<Piece>,
    current: Bytes,
    has_ended: bool,
}

impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Piece")
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.has_ended {
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.current = bytes,
                Some(Piece::End) => self.has_ended = true,
                Some(Piece::Broken(reason)) => return Err(io::Error::other(reason)),
                None => return Err(io::Error::other("the client has gone")),
            }
        }
        let count = self.current.len().min(buffer.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// Answers with what `write` writes, as the client takes it. What fails after it began breaks the
/// body off, so that no client takes a piece for the whole.
pub(crate) fn write<E: std::fmt::Display>(
    content_type: &'static str,
    write: impl FnOnce(&mut dyn Write) -> Result<(), E> + Send + 'static,
) -> Response {
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(QUEUE);
    tokio::task::spawn_blocking(move || {
        let mut into = BufWriter::with_capacity(PIECE, Pieces(sender.clone()));
        let written = write(&mut into).map_err(|error| error.to_string());
        let written = written.and_then(|()| into.flush().map_err(|error| error.to_string()));
        if let Err(error) = written {
            tracing::warn!(%error, "an archive broke off");
            let _ = sender.blocking_send(Err(io::Error::other(error)));
        }
    });
    let pieces = futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    (response.headers_mut()).insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The body's writing end.
struct Pieces(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(&bytes[..bytes.len().min(PIECE)]);
        let count = piece.len();
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.0.blocking_send(Ok(piece)).map_err(gone)?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
