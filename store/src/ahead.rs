//! Has the disk at work while there is still more to come: what is unpacked is many small files, of which the kernel
//! would write none before the commit's `syncfs`, for which everybody waits.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Bytes that are written before the disk is set to work.
const STEP: u64 = 32 << 20;

/// A file system that is written to.
#[derive(Debug)]
pub(crate) struct Ahead {
    root: PathBuf,
    /// Since the disk was set to work.
    written: AtomicU64,
    is_at_work: Arc<AtomicBool>,
}

impl Ahead {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), written: AtomicU64::new(0), is_at_work: Arc::default() }
    }

    /// The same stream; what is read of it is written to the file system.
    pub(crate) fn over<'a, R>(&'a self, stream: &'a mut R) -> Written<'a, R> {
        Written { ahead: self, stream }
    }

    fn wrote(&self, bytes: u64) {
        let before = self.written.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes < STEP || self.is_at_work.swap(true, Ordering::Relaxed) {
            return;
        }
        self.written.store(0, Ordering::Relaxed);
        let (root, is_at_work) = (self.root.clone(), Arc::clone(&self.is_at_work));
        let work = move || {
            // Its failures are told to the commit, by a descriptor of its own, whose sync is the one that counts.
            let _ = File::open(root).map(rustix::fs::syncfs);
            is_at_work.store(false, Ordering::Relaxed);
        };
        if thread::Builder::new().name("store-ahead".to_owned()).spawn(work).is_err() {
            self.is_at_work.store(false, Ordering::Relaxed);
        }
    }
}

/// A stream whose bytes are written.
pub(crate) struct Written<'a, R> {
    ahead: &'a Ahead,
    stream: &'a mut R,
}

impl<R: BufRead> BufRead for Written<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.stream.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.stream.consume(count);
        self.ahead.wrote(count as u64);
    }
}

impl<R: BufRead> Read for Written<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.ahead.wrote(count as u64);
        Ok(count)
    }
}
