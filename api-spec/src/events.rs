//! Events: one JSON object a line on `GET /events`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The action once more; gone since API 1.52.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The actor's id once more; gone since API 1.52.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The container's image; gone since API 1.52.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// `container`, `image`, `network`, ….
    #[serde(rename = "Type")]
    pub kind: String,
    #[serde(rename = "Action")]
    pub action: String,
    #[serde(rename = "Actor")]
    pub actor: Actor,
    #[serde(default)]
    pub scope: String,
    /// Seconds since 1970.
    #[serde(default)]
    pub time: i64,
    /// The same in nanoseconds.
    #[serde(default, rename = "timeNano")]
    pub time_nano: i64,
}

/// What the event happened to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    #[serde(rename = "ID")]
    pub id: String,
    #[serde(rename = "Attributes", default)]
    pub attributes: BTreeMap<String, String>,
}

impl Message {
    /// The event as API 1.52 and later show it, without the older fields.
    #[must_use]
    pub fn without_legacy(mut self) -> Self {
        (self.status, self.id, self.from) = (None, None, None);
        self
    }
}
