//! A container's health: `State.Health` of an inspect, and its short form in the list.

use serde::{Deserialize, Serialize};

/// What the last checks came to.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Only in lists: the container has no health check.
    None,
    #[default]
    Starting,
    Healthy,
    Unhealthy,
}

impl HealthStatus {
    /// Docker's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// Status, and how it came to it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Health {
    pub status: HealthStatus,
    /// Checks that have failed one after another.
    pub failing_streak: u64,
    /// The last checks, oldest first.
    pub log: Vec<HealthResult>,
}

/// One check.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HealthResult {
    /// RFC 3339.
    pub start: String,
    pub end: String,
    /// 0 is healthy; -1 if it could not be run or took too long.
    pub exit_code: i64,
    pub output: String,
}

/// `Health` of a list's row, since API 1.52.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SummaryHealth {
    pub status: HealthStatus,
    pub failing_streak: u64,
}
