//! How often and after which delays something is tried again; numbers only, nothing waits here.

use std::time::Duration;

use rand::Rng as _;

/// Longest wait that a registry's `Retry-After` may ask for; beyond it the error is final.
pub(crate) const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(60);

/// Attempts and the delays between them, doubling from the first to the longest.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// The first attempt counts; at least 1.
    pub attempts: u32,
    /// Before the second attempt.
    pub first_delay: Duration,
    /// No delay is longer, but for a `Retry-After`.
    pub longest_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(15),
        }
    }
}

impl RetryPolicy {
    /// The wait after the `failed`th attempt (from 1); `None` when it was the last one, or the
    /// peer asks for a longer wait than a user would stand.
    pub(crate) fn delay(&self, failed: u32, retry_after: Option<Duration>) -> Option<Duration> {
        if failed >= self.attempts {
            return None;
        }
        let doubled = self.first_delay.saturating_mul(1 << failed.saturating_sub(1).min(16));
        let longest = doubled.min(self.longest_delay);
        let jittered = longest.mul_f64(rand::rng().random_range(0.75..=1.0));
        match retry_after {
            Some(asked) if asked > RETRY_AFTER_LIMIT => None,
            Some(asked) => Some(asked.max(jittered)),
            None => Some(jittered),
        }
    }
}

/// The seconds form of `Retry-After` (RFC 9110 section 10.2.3); its date form counts as absent.
pub(crate) fn retry_after(header: &str) -> Option<Duration> {
    header.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_end() {
        let policy = RetryPolicy {
            attempts: 6,
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(5),
        };
        for (failed, longest) in [(1, 1), (2, 2), (3, 4), (4, 5), (5, 5)] {
            let delay = policy.delay(failed, None).expect("another attempt");
            assert!(delay <= Duration::from_secs(longest), "{failed}: {delay:?}");
            assert!(delay >= Duration::from_secs(longest).mul_f64(0.75), "{failed}: {delay:?}");
        }
        assert_eq!(policy.delay(6, None), None);
    }

    #[test]
    fn a_retry_after_is_heeded_within_the_limit() {
        let policy = RetryPolicy::default();
        let asked = Duration::from_secs(30);
        assert_eq!(policy.delay(1, Some(asked)), Some(asked));
        assert_eq!(policy.delay(1, Some(RETRY_AFTER_LIMIT + asked)), None);
        assert_eq!(retry_after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Fri, 31 Dec 1999 23:59:59 GMT"), None);
    }
}
