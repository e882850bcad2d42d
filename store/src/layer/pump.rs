//! Reads an uncompressed layer on one thread (which inflates it), hashes it on another and hands
//! it to the caller, all at the same time; buffers go round and are not copied.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use crate::digest::{Digest, Hasher};

/// Bytes handed on at once.
const BUFFER_BYTES: usize = 128 << 10;
/// Buffers that wait for one reader at most.
const QUEUE: usize = 6;

struct Buffer {
    bytes: Vec<u8>,
    length: usize,
}

/// The stream as the caller sees it.
pub(crate) struct Stream {
    full: Receiver<Arc<Buffer>>,
    empty: Sender<Vec<u8>>,
    current: Option<Arc<Buffer>>,
    position: usize,
}

/// Runs `consume` over the stream; answers its value and the digest of what was read, which is the
/// whole stream if `consume` read to the end; no digest unless `is_hashed`. More than `limit` bytes
/// end it with an error.
pub(crate) fn pump<T>(
    reader: impl Read + Send,
    limit: u64,
    is_hashed: bool,
    consume: impl FnOnce(&mut Stream) -> T,
) -> io::Result<(T, io::Result<Option<Digest>>)> {
    thread::scope(|scope| {
        let (to_hasher, hashed) = sync_channel::<Arc<Buffer>>(QUEUE);
        let (to_caller, full) = sync_channel(QUEUE);
        let (empty, refill) = channel();
        let give_back = empty.clone();
        let hash = move || {
            let mut hasher = Hasher::default();
            for buffer in hashed {
                hasher.update(&buffer.bytes[..buffer.length]);
                recycle(buffer, &give_back);
            }
            hasher.finish()
        };
        let (to_hasher, hasher) = if is_hashed {
            let thread = thread::Builder::new().name("layer-hash".to_owned());
            (Some(to_hasher), Some(thread.spawn_scoped(scope, hash)?))
        } else {
            (None, None)
        };
        let source = thread::Builder::new()
            .name("layer-read".to_owned())
            .spawn_scoped(scope, move || {
                read_all(reader, limit, &refill, to_hasher.as_ref(), &to_caller)
            })?;
        let mut stream = Stream { full, empty, current: None, position: 0 };
        let value = consume(&mut stream);
        drop(stream);
        let gone = |_| io::Error::other("a thread of the layer panicked");
        let outcome = source.join().map_err(gone)?;
        let digest = hasher.map(|hasher| hasher.join().map_err(gone)).transpose()?;
        Ok((value, outcome.map(|()| digest)))
    })
}

fn read_all(
    mut reader: impl Read,
    limit: u64,
    refill: &Receiver<Vec<u8>>,
    to_hasher: Option<&SyncSender<Arc<Buffer>>>,
    to_caller: &SyncSender<Arc<Buffer>>,
) -> io::Result<()> {
    let mut total = 0;
    loop {
        let mut bytes = refill.try_recv().unwrap_or_else(|_| vec![0; BUFFER_BYTES]);
        let length = fill(&mut reader, &mut bytes)?;
        if length == 0 {
            return Ok(());
        }
        total += length as u64;
        if total > limit {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("more than {limit} bytes uncompressed"),
            ));
        }
        let buffer = Arc::new(Buffer { bytes, length });
        let is_hashed = to_hasher.is_none_or(|hasher| hasher.send(buffer.clone()).is_ok());
        if !is_hashed || to_caller.send(buffer).is_err() {
            // The caller has seen enough: it has an error of its own.
            return Ok(());
        }
    }
}

/// Reads until the buffer is full or the stream ends.
pub(crate) fn fill(reader: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < bytes.len() {
        match reader.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// Whoever is the last to hold a buffer gives it back.
fn recycle(buffer: Arc<Buffer>, empty: &Sender<Vec<u8>>) {
    if let Some(buffer) = Arc::into_inner(buffer) {
        // Nobody refills any more when this fails.
        let _ = empty.send(buffer.bytes);
    }
}

impl BufRead for Stream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.current.as_ref().is_none_or(|buffer| self.position == buffer.length) {
            if let Some(spent) = self.current.take() {
                recycle(spent, &self.empty);
            }
            // A closed channel is the end, or an error that the totals carry.
            self.current = self.full.recv().ok();
            self.position = 0;
        }
        let current = self.current.as_ref();
        Ok(current.map_or(&[], |buffer| &buffer.bytes[self.position..buffer.length]))
    }

    fn consume(&mut self, count: usize) {
        self.position += count;
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(into.len());
        into[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_come_and_are_hashed() {
        let bytes: Vec<u8> = (0_u8..251).cycle().take(3 * BUFFER_BYTES + 17).collect();
        let (seen, digest) = pump(&bytes[..], u64::MAX, true, |stream| {
            let mut seen = Vec::new();
            stream.read_to_end(&mut seen).map(|_| seen)
        })
        .expect("threads");
        assert_eq!(seen.expect("read"), bytes);
        assert_eq!(digest.expect("digest"), Some(Digest::of(&bytes)));
    }

    #[test]
    fn what_others_reckon_is_not_reckoned() {
        let (read, digest) =
            pump(&b"bytes"[..], u64::MAX, false, |stream| io::copy(stream, &mut io::sink()))
                .expect("threads");
        assert_eq!((read.expect("read"), digest.expect("read")), (5, None));
    }

    #[test]
    fn a_caller_may_stop_and_a_limit_holds() {
        let (_, digest) =
            pump(io::repeat(7), u64::MAX, true, |stream| stream.fill_buf().map(<[u8]>::len))
                .expect("threads");
        assert!(digest.is_ok());
        let (_, digest) =
            pump(io::repeat(7), 1 << 20, true, |stream| io::copy(stream, &mut io::sink()))
                .expect("threads");
        assert_eq!(digest.expect_err("limit").kind(), io::ErrorKind::FileTooLarge);
    }
}
