//! What a health check asks for, and what follows from a probe's result. Pure.

use std::time::Duration;

use api_spec::container::{ContainerConfig, Health, HealthResult, HealthStatus};
use jiff::{SignedDuration, Timestamp};

use crate::containers::record::Definition;

const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_RETRIES: u64 = 3;
/// Results that are kept.
const LOG_MAX: usize = 5;
/// What runs `CMD-SHELL` in a container whose image names no shell.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// A health check with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) command: Vec<String>,
    pub(super) timeout: Duration,
    interval: Duration,
    /// Failures in this time from the start on do not count before the first success.
    start_period: Duration,
    /// Instead of `interval` in that time.
    start_interval: Duration,
    retries: u64,
}

impl Check {
    /// The container's check, if it has one.
    pub(super) fn of(definition: &Definition) -> Option<Self> {
        Self::from_config(&definition.config)
    }

    fn from_config(config: &ContainerConfig) -> Option<Self> {
        let asked = config.healthcheck.as_ref()?;
        let (kind, words) = asked.test.as_ref()?.split_first()?;
        let command = match kind.as_str() {
            "CMD" => words.to_vec(),
            "CMD-SHELL" => {
                let shell = config.shell.as_ref().filter(|shell| !shell.is_empty());
                let shell = shell.map_or_else(|| SHELL.map(str::to_owned).to_vec(), |s| s.to_vec());
                [shell, words.to_vec()].concat()
            }
            // NONE; others are no check either, as with Docker.
            _ => return None,
        };
        let time = |nanoseconds: i64, default: Duration| match u64::try_from(nanoseconds) {
            Ok(nanoseconds) if nanoseconds > 0 => Duration::from_nanos(nanoseconds),
            _ => default,
        };
        let interval = time(asked.interval, DEFAULT_INTERVAL);
        Some(Self {
            command,
            interval,
            timeout: time(asked.timeout, DEFAULT_TIMEOUT),
            start_period: time(asked.start_period, Duration::ZERO),
            start_interval: time(asked.start_interval, interval),
            retries: u64::try_from(asked.retries)
                .ok()
                .filter(|n| *n > 0)
                .unwrap_or(DEFAULT_RETRIES),
        })
    }

    /// How long to wait for the next probe of a container that is so old.
    pub(super) fn pause(&self, status: HealthStatus, age: SignedDuration) -> Duration {
        match status == HealthStatus::Starting && self.is_start(age) {
            true => self.start_interval,
            false => self.interval,
        }
    }

    fn is_start(&self, age: SignedDuration) -> bool {
        Duration::try_from(age).is_ok_and(|age| age < self.start_period)
    }
}

/// Takes a result up.
pub(super) fn take(
    health: &mut Health,
    check: &Check,
    started_at: Timestamp,
    result: HealthResult,
) {
    let begun: Option<Timestamp> = result.start.parse().ok();
    if result.exit_code == 0 {
        health.failing_streak = 0;
        health.status = HealthStatus::Healthy;
    } else {
        let age = begun.map_or(SignedDuration::ZERO, |begun| begun.duration_since(started_at));
        if health.status != HealthStatus::Starting || !check.is_start(age) {
            health.failing_streak += 1;
            if health.failing_streak >= check.retries {
                health.status = HealthStatus::Unhealthy;
            }
        }
    }
    let surplus = (health.log.len() + 1).saturating_sub(LOG_MAX);
    health.log.drain(..surplus);
    health.log.push(result);
}

#[cfg(test)]
mod tests {
    use api_spec::container::{HealthConfig, StringList};

    use super::*;

    fn config(test: &[&str]) -> ContainerConfig {
        let test = Some(test.iter().map(|word| (*word).to_owned()).collect());
        let healthcheck = Some(HealthConfig { test, ..HealthConfig::default() });
        ContainerConfig { healthcheck, ..ContainerConfig::default() }
    }

    fn result(second: i64, exit_code: i64) -> HealthResult {
        let start = Timestamp::from_second(second).unwrap().to_string();
        HealthResult { start, exit_code, ..HealthResult::default() }
    }

    #[test]
    fn commands() {
        let command = |test: &[&str]| Check::from_config(&config(test)).map(|check| check.command);
        assert_eq!(command(&["CMD", "a", "b"]), Some(vec!["a".into(), "b".into()]));
        let shell = ["/bin/sh", "-c", "a b"].map(str::to_owned).to_vec();
        assert_eq!(command(&["CMD-SHELL", "a b"]), Some(shell));
        assert_eq!([command(&["NONE"]), command(&["FOO", "a"]), command(&[])], [None, None, None]);
        let own = StringList(vec!["ash".into()]);
        let own = ContainerConfig { shell: Some(own), ..config(&["CMD-SHELL", "x"]) };
        assert_eq!(Check::from_config(&own).unwrap().command, ["ash", "x"]);
    }

    #[test]
    fn failures_add_up_and_a_success_forgives() {
        let check = Check::from_config(&config(&["CMD", "x"])).unwrap();
        let mut health = Health::default();
        let mut seen = Vec::new();
        for (second, code) in [1, 1, 0, 1, 1, 1, 1, 0].into_iter().enumerate() {
            let second = i64::try_from(second).unwrap();
            take(&mut health, &check, Timestamp::UNIX_EPOCH, result(second, code));
            seen.push((health.status.as_str(), health.failing_streak));
        }
        let (s, h, u) = ("starting", "healthy", "unhealthy");
        assert_eq!(seen, [(s, 1), (s, 2), (h, 0), (h, 1), (h, 2), (u, 3), (u, 4), (h, 0)]);
        assert_eq!(health.log.len(), LOG_MAX);
        assert_eq!(health.log[4], result(7, 0));
    }

    #[test]
    fn the_start_period_forgives_until_the_first_success() {
        let mut config = config(&["CMD", "x"]);
        let asked = config.healthcheck.as_mut().unwrap();
        (asked.start_period, asked.start_interval, asked.retries) = (5_000_000_000, 1_000_000, 1);
        let check = Check::from_config(&config).unwrap();
        let mut health = Health::default();
        let mut take = |second, code| {
            take(&mut health, &check, Timestamp::UNIX_EPOCH, result(second, code));
            (health.status.as_str(), health.failing_streak)
        };
        assert_eq!(take(1, 1), ("starting", 0));
        assert_eq!(take(2, 0), ("healthy", 0));
        assert_eq!(take(3, 1), ("unhealthy", 1));
        let age = SignedDuration::from_secs;
        assert_eq!(check.pause(HealthStatus::Starting, age(4)), Duration::from_millis(1));
        assert_eq!(check.pause(HealthStatus::Starting, age(5)), DEFAULT_INTERVAL);
        assert_eq!(check.pause(HealthStatus::Healthy, age(1)), DEFAULT_INTERVAL);
    }
}
