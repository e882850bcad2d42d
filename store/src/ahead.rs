//! Has the disk at work while there is still more to come: of what is unpacked the kernel would write nothing before
//! the commit's `syncfs`, for which everybody waits.
//!
//! A file of some size is on its way alone. Small ones are better gathered: so many bytes of them make a `syncfs` beside
//! the work. That one writes the journal as well, and whoever makes a file meanwhile waits for it, which is why it is
//! not for all.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use rustix::io::Errno;

use crate::sys;

/// Bytes of one file after which the disk is set to work.
pub(crate) const WRITEBACK_STEP: u64 = 4 << 20;
/// Files of so many bytes go alone.
const ALONE_FROM: u64 = 64 << 10;
/// Bytes of smaller files that are written before they are synced.
const SYNC_STEP: u64 = 32 << 20;

/// A file system that is written to.
#[derive(Debug)]
pub(crate) struct Ahead {
    root: PathBuf,
    /// Of small files, since they were synced.
    written: AtomicU64,
    is_at_work: Arc<AtomicBool>,
}

impl Ahead {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), written: AtomicU64::new(0), is_at_work: Arc::default() }
    }

    /// A new file has all its data.
    pub(crate) fn wrote(&self, file: impl AsFd, bytes: u64) -> Result<(), Errno> {
        if bytes >= ALONE_FROM {
            return sys::start_writeback(file, 0, 0);
        }
        let before = self.written.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes >= SYNC_STEP && !self.is_at_work.swap(true, Ordering::Relaxed) {
            self.sync();
        }
        Ok(())
    }

    fn sync(&self) {
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
