//! Time: now, and waiting for something to become true, with an end.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Seconds since 1970, as the times are between which events are asked for.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs()
}

/// Looks until `look` gives a value; panics with `what` when `limit` has passed.
#[track_caller]
pub fn eventually<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "not within {limit:?}: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Whether `look` becomes true within `limit`.
pub fn becomes(limit: Duration, mut look: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    while !look() {
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
    true
}
