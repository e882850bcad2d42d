//! What a container has said so far, wherever its log is.

use std::io;

use super::{Cursor, Journal, Options, Source};

/// A log that is read to its present end.
#[derive(Debug)]
pub(crate) enum Past {
    Files(Option<Box<Cursor>>),
    Journal(Box<Journal>),
}

impl Past {
    /// The beginning of what `options` asks of a log.
    pub(crate) async fn open(source: Source, options: Options) -> io::Result<Self> {
        match source {
            Source::Files(place) => {
                let open = move || Cursor::open(place, options);
                let cursor = tokio::task::spawn_blocking(open).await??;
                Ok(Self::Files(Some(cursor.into())))
            }
            Source::Journal(id) => {
                Journal::open(id, options).await.map(|journal| Self::Journal(journal.into()))
            }
        }
    }

    /// The next piece; nothing at the end.
    pub(crate) async fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Files(held) => {
                let Some(mut cursor) = held.take() else { return Ok(None) };
                let read = move || cursor.read().map(|piece| (cursor, piece));
                let (cursor, piece) = tokio::task::spawn_blocking(read).await??;
                *held = Some(cursor);
                Ok(Some(piece).filter(|piece| !piece.is_empty()))
            }
            Self::Journal(journal) => journal.read().await,
        }
    }
}
