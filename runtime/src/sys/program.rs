//! Which parts of this program's file processes come to, and to have them mapped before they do: a fork begins without
//! the page tables of its program, and each first step into a part of it is a page fault.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Bytes of a part: what the kernel maps at one page fault.
const PART: usize = 64 << 10;
/// Parts of the longest program that is looked at.
const PARTS_MAX: usize = 4000;
/// Processes that are learned from.
const LESSONS: u32 = 16;
/// Of a page's entry in the page map: it is there; proc_pid_pagemap(5).
const PRESENT: u64 = 1 << 63;
/// Bytes of an entry.
const ENTRY: usize = 8;

/// The parts that processes have come to, in memory that forks share.
#[derive(Debug)]
struct Footprint {
    lessons: AtomicU32,
    parts: [AtomicBool; PARTS_MAX],
}

static FOOTPRINT: OnceLock<&Footprint> = OnceLock::new();

/// From here on forks of this process, and theirs, learn of each other.
pub(crate) fn share_footprint() {
    // Without it everything is as it was.
    if let Some(footprint) = Footprint::shared() {
        FOOTPRINT.get_or_init(|| footprint);
    }
}

/// Tells others which parts this process has come to.
pub(crate) fn leave_footprint() {
    if let Some(footprint) = FOOTPRINT.get() {
        footprint.learn();
    }
}

/// Maps the parts that others have come to.
pub(crate) fn follow_footprint() {
    if let Some(footprint) = FOOTPRINT.get() {
        footprint.map();
    }
}

impl Footprint {
    /// Lives as long as this process and its forks.
    fn shared() -> Option<&'static Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let memory =
            unsafe { libc::mmap(std::ptr::null_mut(), size_of::<Self>(), access, kind, -1, 0) };
        // SAFETY: it is never unmapped, long and aligned enough, and zero, which is a value of each atomic.
        (memory != libc::MAP_FAILED).then(|| unsafe { &*memory.cast() })
    }

    /// Learns from this process, if there is still something to learn.
    fn learn(&self) {
        if self.lessons.fetch_add(1, Ordering::Relaxed) >= LESSONS {
            self.lessons.store(LESSONS, Ordering::Relaxed);
            return;
        }
        let (start, end) = program();
        let page = page_bytes();
        let mut entries = vec![0; (end - start).div_ceil(page) * ENTRY];
        let read = File::open("/proc/self/pagemap")
            .and_then(|map| map.read_exact_at(&mut entries, (start / page * ENTRY) as u64));
        if read.is_err() {
            return;
        }
        for (part, entries) in self.parts.iter().zip(entries.chunks(PART / page * ENTRY)) {
            let words = entries.as_chunks::<ENTRY>().0.iter().copied().map(u64::from_ne_bytes);
            if words.into_iter().any(|entry| entry & PRESENT != 0) {
                part.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Maps what others have come to.
    fn map(&self) {
        let (start, end) = program();
        let mut at = start;
        for run in self.parts.chunk_by(|one, other| come(one) == come(other)) {
            let to = (at + run.len() * PART).min(end);
            if at < to && run.first().is_some_and(come) {
                // SAFETY: pages of the program are read. A kernel before 5.14 does not know how, and maps them later.
                unsafe { libc::madvise(at as *mut _, to - at, libc::MADV_POPULATE_READ) };
            }
            at += run.len() * PART;
        }
    }
}

fn come(part: &AtomicBool) -> bool {
    part.load(Ordering::Relaxed)
}

/// Forgets the page tables of this program's code: what is run again comes back from the page cache.
pub(crate) fn forget() {
    let (start, end) = program();
    // SAFETY: nobody has written to these pages; who reads them next finds the file's.
    unsafe { libc::madvise(start as *mut _, end - start, libc::MADV_DONTNEED) };
}

/// From the first byte of constants and code to the last one, in whole pages.
fn program() -> (usize, usize) {
    // SAFETY: the linker's own symbols; nothing is read from them.
    unsafe extern "C" {
        static __executable_start: u8;
        static etext: u8;
    }
    let page = page_bytes();
    let start = &raw const __executable_start as usize;
    let end = &raw const etext as usize;
    (start / page * page, end.next_multiple_of(page))
}

fn page_bytes() -> usize {
    // SAFETY: takes a number.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).unwrap_or(PART)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_process_comes_to_is_mapped_in_the_next() {
        let footprint = Footprint::shared().expect("memory");
        footprint.map();
        assert!(!footprint.parts.iter().any(come));
        footprint.learn();
        let (start, end) = program();
        let known = footprint.parts.iter().filter(|part| come(part)).count();
        assert!(known > 0 && known <= (end - start).div_ceil(PART), "{known}");
        let here = learn_as_a_function as *const () as usize;
        assert!(come(&footprint.parts[(here - start) / PART]));
        forget();
        footprint.map();
        assert_eq!(learn_as_a_function(1), 2);
        for _ in 0..2 * LESSONS {
            footprint.learn();
        }
        assert_eq!(footprint.lessons.load(Ordering::Relaxed), LESSONS);
    }

    fn learn_as_a_function(number: u32) -> u32 {
        number + 1
    }
}
