//! A digest reckoned on a thread of its own, beside whoever reads and writes the bytes.

use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use super::{Digest, Hasher};

/// Buffers that wait to be hashed at most.
const QUEUE: usize = 4;

/// The thread, and the buffers that go to it and come back.
#[derive(Debug)]
pub(crate) struct Beside {
    full: SyncSender<(Vec<u8>, usize)>,
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<Digest>,
}

impl Beside {
    /// Dropping it ends the thread.
    pub(crate) fn start() -> io::Result<Self> {
        let (full, waiting) = sync_channel(QUEUE);
        let (spent, empty) = channel();
        let thread = thread::Builder::new().name("store-hash".to_owned());
        let thread = thread.spawn(move || reckon(&waiting, &spent))?;
        Ok(Self { full, empty, thread })
    }

    /// Takes in the first `length` bytes of a buffer, and gives back one that was taken before, if there is one.
    pub(crate) fn update(&self, buffer: Vec<u8>, length: usize) -> Option<Vec<u8>> {
        // Fails only when the thread has panicked, which the end tells.
        let _ = self.full.send((buffer, length));
        self.empty.try_recv().ok()
    }

    /// The digest of all bytes that were taken in.
    pub(crate) fn finish(self) -> io::Result<Digest> {
        drop(self.full);
        self.thread.join().map_err(|_| io::Error::other("the thread that hashes panicked"))
    }
}

fn reckon(waiting: &Receiver<(Vec<u8>, usize)>, spent: &Sender<Vec<u8>>) -> Digest {
    let mut hasher = Hasher::default();
    for (buffer, length) in waiting {
        hasher.update(&buffer[..length]);
        // Nobody takes it at the end.
        let _ = spent.send(buffer);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_are_taken_in_and_buffers_come_back() {
        let bytes: Vec<u8> = (0_u8..=250).cycle().take(40_000).collect();
        let beside = Beside::start().expect("a thread");
        let mut back = 0;
        for piece in bytes.chunks(999) {
            let mut buffer = piece.to_vec();
            buffer.push(7);
            back += usize::from(beside.update(buffer, piece.len()).is_some());
        }
        assert_eq!(beside.finish().expect("a digest"), Digest::of(&bytes));
        assert!(back + 2 * QUEUE >= bytes.len().div_ceil(999), "{back}");
        let empty = Beside::start().expect("a thread").finish();
        assert_eq!(empty.expect("a digest"), Digest::of(b""));
    }
}
