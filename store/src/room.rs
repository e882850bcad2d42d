//! Room on the disk: what comes in is refused before the file system is full, so that what is there
//! can still be used, noted and removed.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::fstatvfs;

use crate::error::{Context, IoError};
use crate::{Inner, Store};

/// Bytes that come in between two looks at the disk.
const STEP: u64 = 16 << 20;

/// Bytes that are kept free.
#[derive(Debug, Default)]
pub(crate) struct Reserve(AtomicU64);

/// What would go into the reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no space left on device: {free} bytes are free, {needed} are needed and {reserve} are kept in \
     reserve"
)]
struct NoRoom {
    free: u64,
    needed: u64,
    reserve: u64,
}

impl Store {
    /// Keeps bytes of the file system free: pulls, loads, new layers and containers that would take
    /// of them are refused. 0 at first.
    pub fn keep_free(&self, bytes: u64) {
        self.inner.reserve.0.store(bytes, Ordering::Relaxed);
    }
}

impl Inner {
    /// Whether so many bytes more leave the reserve alone.
    ///
    /// # Errors
    /// One that [`IoError::is_no_space`], with the place and the bytes; or the file system's.
    pub(crate) fn make_room(&self, needed: u64) -> Result<(), IoError> {
        let reserve = self.reserve.0.load(Ordering::Relaxed);
        if reserve == 0 {
            return Ok(());
        }
        let stat = fstatvfs(&self.directory).on("statvfs", &self.root)?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free >= reserve.saturating_add(needed) {
            return Ok(());
        }
        let full = io::Error::new(io::ErrorKind::StorageFull, NoRoom { free, needed, reserve });
        Err(IoError::new(format!("write {:?}", self.root), full))
    }

    /// What is read is about to be written: the disk is looked at from time to time.
    pub(crate) fn watched<R: Read>(&self, inner: R) -> Watched<'_, R> {
        Watched { inner, gauge: Gauge::default(), store: self }
    }
}

/// Bytes that may still come until the next look.
#[derive(Debug, Default)]
pub(crate) struct Gauge(u64);

impl Gauge {
    /// Counts bytes that come in; what is wrong is [`io::ErrorKind::StorageFull`].
    pub(crate) fn count(&mut self, store: &Inner, bytes: u64) -> io::Result<()> {
        if self.0 == 0 {
            let full = |error: IoError| io::Error::new(error.source.kind(), error);
            store.make_room(0).map_err(full)?;
            self.0 = STEP;
        }
        self.0 = self.0.saturating_sub(bytes);
        Ok(())
    }
}

/// See [`Inner::watched`].
#[derive(Debug)]
pub(crate) struct Watched<'a, R> {
    inner: R,
    gauge: Gauge,
    store: &'a Inner,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.gauge.count(self.store, count as u64)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn the_reserve_is_left_alone() {
        let root = TempDir::new().expect("directory");
        let store = Store::open(root.path()).expect("open");
        store.inner.make_room(u64::MAX).expect("no reserve, no limit");
        store.keep_free(1);
        store.inner.make_room(0).expect("room");
        let error = store.inner.make_room(1 << 60).expect_err("too much");
        assert!(error.is_no_space() && error.to_string().contains("kept in reserve"), "{error}");
        store.keep_free(1 << 60);
        let mut bytes = Vec::new();
        let error = store.inner.watched(&b"x"[..]).read_to_end(&mut bytes).expect_err("full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().contains("bytes are free"), "{error}");
    }
}
