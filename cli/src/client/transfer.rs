//! Bodies that are too large for memory: sent as a thread writes them, read as a thread takes them.

use std::io::{self, BufWriter, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use tokio::sync::mpsc;

use super::{ClientError, Path};

/// Pieces that may wait, and the bytes of one.
const QUEUE: usize = 8;
const PIECE: usize = 256 << 10;

type Piece = io::Result<Bytes>;

/// A request's body.
#[derive(Debug)]
pub(crate) struct Upload(mpsc::Receiver<Piece>);

impl Upload {
    /// What `write` writes, in a thread of its own.
    pub(crate) fn new(
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::task::spawn_blocking(move || {
            let mut into = BufWriter::with_capacity(PIECE, Pieces(sender.clone()));
            if let Err(error) = write(&mut into).and_then(|()| into.flush()) {
                // Nobody listens when the daemon has answered already.
                let _ = sender.blocking_send(Err(error));
            }
        });
        Self(receiver)
    }

    /// All of a reader.
    pub(crate) fn of(mut reader: impl Read + Send + 'static) -> Self {
        Self::new(move |into| io::copy(&mut reader, into).map(drop))
    }
}

impl hyper::body::Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

struct Pieces(mpsc::Sender<Piece>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes))).map_err(gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An answer's body as a reader for a thread that may block.
#[derive(Debug)]
pub(crate) struct Download {
    pieces: mpsc::Receiver<Piece>,
    current: Bytes,
}

/// Brings the body to `take`, which reads it in a thread of its own.
pub(crate) async fn download<T: Send + 'static>(
    path: &Path,
    mut body: Incoming,
    take: impl FnOnce(&mut Download) -> io::Result<T> + Send + 'static,
) -> Result<T, ClientError> {
    let (sender, pieces) = mpsc::channel(QUEUE);
    let taken =
        tokio::task::spawn_blocking(move || take(&mut Download { pieces, current: Bytes::new() }));
    while let Some(frame) = body.frame().await {
        let piece = match frame.map(Frame::into_data) {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(_)) => continue,
            Err(error) => Err(io::Error::other(error)),
        };
        let is_broken = piece.is_err();
        if sender.send(piece).await.is_err() || is_broken {
            break;
        }
    }
    drop(sender);
    let broken = |source| ClientError::Body { path: path.to_string(), source };
    taken.await.map_err(|error| broken(error.into()))?.map_err(|error| broken(error.into()))
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.current = piece?,
                None => return Ok(0),
            }
        }
        let count = self.current.len().min(buffer.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
