//! What a long-lived process keeps of memory that it does not need at the moment.

use crate::sys;

/// Keeps everything in one heap: each thread's own would hold what another could use. Small pieces still come from a
/// cache of each thread. To be called first thing in `main`; mallopt(3).
pub fn keep_one_heap() {
    sys::clone::limit_heaps(1);
}

/// Gives back what only the past needed: free memory of the heap, and the page tables of code that may not be run
/// again. Either comes back when it is used.
pub fn give_back() {
    sys::clone::trim_heap();
    sys::program::forget();
}
