//! `POST /images/load` (1.24): images out of one tar, the request's body. What fails is the
//! stream's last line, as in dockerd.

use std::io::{self, Read};

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use tokio::sync::mpsc;

use super::progress::{self, Failure};
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Api, Query};
use crate::images;
use crate::images::pull::PROGRESS_QUEUE;

/// Pieces of the body that may wait for the disk.
const QUEUE: usize = 8;

pub(crate) async fn handle(
    State(app): State<App>,
    api: Api,
    query: Query,
    body: Body,
) -> Result<Response, Error> {
    // Absent means quiet: only who asks for progress gets it.
    let quiet = query.get("quiet").is_none() || query.flag("quiet");
    let (lines, line_receiver) = mpsc::channel(PROGRESS_QUEUE);
    let job = Box::pin(async move {
        let (pieces, archive) = archive();
        let load = tokio::task::spawn_blocking(move || app.images.load(archive, quiet, &lines));
        feed(body, pieces).await;
        load.await.map_err(|_| images::Error::Stopped)?
    });
    progress::respond(api, job, line_receiver, Failure::Never).await
}

/// Brings the body to the reader, until it ends or the reader has enough.
async fn feed(mut body: Body, pieces: mpsc::Sender<Piece>) {
    while let Some(frame) = body.frame().await {
        let piece = match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(bytes)) => Piece::Bytes(bytes),
            Ok(Err(_)) => continue,
            Err(error) => Piece::Broken(error.to_string()),
        };
        if pieces.send(piece).await.is_err() {
            return;
        }
    }
    let _ = pieces.send(Piece::End).await;
}

fn archive() -> (mpsc::Sender<Piece>, Archive) {
    let (sender, pieces) = mpsc::channel(QUEUE);
    (sender, Archive { pieces, current: Bytes::new(), has_ended: false })
}

#[derive(Debug)]
enum Piece {
    Bytes(Bytes),
    End,
    Broken(String),
}

/// The body as a reader, for a thread that may block.
struct Archive {
    pieces: mpsc::Receiver<Piece>,
    current: Bytes,
    has_ended: bool,
}

impl Read for Archive {
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
