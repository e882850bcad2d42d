//! Restart policies: whether an ended container is started again, and after how long. Pure.

use std::time::Duration;

use api_spec::container::RestartPolicy;

/// Pause before the first restart; it doubles from one to the next.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A run of this length sets the pause back to the first.
pub(super) const STEADY: Duration = Duration::from_secs(10);

/// Whether a container that ended with this code is started again.
pub(super) fn applies(policy: &RestartPolicy, exit_code: i32, restarts: u64) -> bool {
    match policy.name.as_str() {
        "always" | "unless-stopped" => true,
        "on-failure" => {
            let limit = u64::try_from(policy.maximum_retry_count).unwrap_or(0);
            exit_code != 0 && (limit == 0 || restarts < limit)
        }
        _ => false,
    }
}

/// Whether a container that was running, or should have been, is started when the daemon comes up.
pub(super) fn applies_at_boot(policy: &RestartPolicy, stopped_by_client: bool) -> bool {
    match policy.name.as_str() {
        "always" => true,
        "unless-stopped" => !stopped_by_client,
        _ => false,
    }
}

/// The pause after `previous`.
pub(super) fn next_pause(previous: Option<Duration>) -> Duration {
    previous.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, maximum_retry_count: i64) -> RestartPolicy {
        RestartPolicy { name: name.to_owned(), maximum_retry_count }
    }

    #[test]
    fn policies() {
        assert!(!applies(&policy("", 0), 1, 0) && !applies(&policy("no", 0), 1, 0));
        assert!(applies(&policy("always", 0), 0, 99));
        assert!(applies(&policy("on-failure", 2), 1, 1));
        assert!(!applies(&policy("on-failure", 2), 1, 2));
        assert!(!applies(&policy("on-failure", 0), 0, 0));
        assert!(!applies_at_boot(&policy("unless-stopped", 0), true));
        assert!(applies_at_boot(&policy("always", 0), true));
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let mut pause = None;
        for _ in 0..12 {
            pause = Some(next_pause(pause));
        }
        assert_eq!(pause, Some(LONGEST_PAUSE));
        assert_eq!(next_pause(Some(FIRST_PAUSE)), Duration::from_millis(200));
    }
}
