//! `GET /images/get` and `GET /images/{name}/get` (1.24): images as one tar.
//!
//! The archive is written as the client takes it. What fails after it began breaks the body off,
//! so that no client takes a piece for the whole.

use std::io::{self, BufWriter, Write};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Name, Query};

/// Bytes of one piece of the body.
const PIECE: usize = 256 << 10;
/// Pieces that may wait for a slow client.
const QUEUE: usize = 8;
const TAR: &str = "application/x-tar";

type Piece = io::Result<Bytes>;

pub(crate) async fn several(State(app): State<App>, query: Query) -> Result<Response, Error> {
    let names = query.all("names").map(str::to_owned).collect();
    save(app, names).await
}

pub(crate) async fn one(State(app): State<App>, Name(name): Name) -> Result<Response, Error> {
    save(app, vec![name]).await
}

async fn save(app: App, names: Vec<String>) -> Result<Response, Error> {
    let chosen = app.images.chosen(names).await?;
    let (sender, receiver) = mpsc::channel::<Piece>(QUEUE);
    tokio::task::spawn_blocking(move || {
        let into = BufWriter::with_capacity(PIECE, Pieces(sender.clone()));
        if let Err(error) = app.images.save(&chosen, into) {
            tracing::warn!(%error, "an archive broke off");
            let _ = sender.blocking_send(Err(io::Error::other(error.to_string())));
        }
    });
    let pieces = futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(TAR));
    Ok(response)
}

/// The body's writing end.
struct Pieces(mpsc::Sender<Piece>);

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
