//! `GET /containers/{id}/timeline` and `GET /exec/{id}/timeline`. Not Docker's.

use serde::{Deserialize, Serialize};

/// What a start did, and when.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Timeline {
    /// Of the container or the exec.
    pub id: String,
    /// When the start was asked for: RFC 3339 with nanoseconds.
    pub began: String,
    pub steps: Vec<TimelineStep>,
    /// Of a container: its newest exec that came to its program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<Box<Self>>,
}

/// A step of a start.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TimelineStep {
    /// Who did it: `daemon`, `monitor`, `init`.
    pub process: String,
    pub name: String,
    /// Microseconds from the beginning until it was done.
    pub done: u64,
    /// Microseconds since the step before was done.
    pub took: u64,
}
