//! Restart policies: whether an ended container is started again, and after how long. Pure.

use std::time::Duration;

use api_spec::container::{HostConfig, RestartPolicy};

use super::record::Progress;

/// Pause before the first restart; it doubles from one to the next.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A run of this length sets the pause back to the first.
const STEADY: Duration = Duration::from_secs(10);

/// Whether it may ever start a container.
pub(super) fn has_policy(policy: &RestartPolicy) -> bool {
    !matches!(policy.name.as_str(), "" | "no")
}

/// Whether a container that ended with this code is started again: at its end, and when a daemon comes up.
pub(super) fn applies(
    policy: &RestartPolicy,
    exit_code: i32,
    restarts: u64,
    stopped_by_client: bool,
) -> bool {
    match policy.name.as_str() {
        "always" => true,
        "unless-stopped" => !stopped_by_client,
        "on-failure" => {
            let limit = u64::try_from(policy.maximum_retry_count).unwrap_or(0);
            exit_code != 0 && (limit == 0 || restarts < limit)
        }
        _ => false,
    }
}

/// Whether a container that does not run is started when a daemon comes up.
pub(super) fn applies_at_boot(host_config: &HostConfig, progress: &Progress) -> bool {
    let exit_code = progress.state.exit().map_or(0, |exit| exit.exit_code);
    let policy = &host_config.restart_policy;
    applies(policy, exit_code, progress.restart_count, progress.stopped_by_client)
}

/// The pause before the next start: `previous` is the one before the run that has just ended, which was so long.
pub(super) fn pause(previous: Option<Duration>, run: Duration) -> Duration {
    match previous {
        Some(pause) if run < STEADY => (pause * 2).min(LONGEST_PAUSE),
        _ => FIRST_PAUSE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, maximum_retry_count: i64) -> RestartPolicy {
        RestartPolicy { name: name.to_owned(), maximum_retry_count }
    }

    #[test]
    fn policies() {
        let applies_to = |name, limit, exit_code, restarts| {
            applies(&policy(name, limit), exit_code, restarts, false)
        };
        assert!(!applies_to("", 0, 1, 0) && !applies_to("no", 0, 1, 0));
        assert!(applies_to("always", 0, 0, 99) && applies_to("unless-stopped", 0, 0, 99));
        assert!(applies_to("on-failure", 2, 1, 1));
        assert!(!applies_to("on-failure", 2, 1, 2));
        assert!(!applies_to("on-failure", 0, 0, 0));
        // A signal that a client sent, and that was not meant to end it.
        assert!(applies(&policy("always", 0), 1, 0, true));
        assert!(!applies(&policy("unless-stopped", 0), 1, 0, true));
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_begin_anew_after_a_steady_run() {
        let mut last = None;
        let mut after = |milliseconds| {
            last = Some(pause(last, Duration::from_millis(milliseconds)));
            last.unwrap().as_millis()
        };
        let pauses: Vec<_> = (0..12).map(|_| after(9_999)).collect();
        let expected =
            [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000];
        assert_eq!(pauses, expected);
        assert_eq!([after(10_000), after(0), after(0), after(3_600_000)], [100, 200, 400, 100]);
    }
}
