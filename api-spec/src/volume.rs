//! Volumes on the wire: `/volumes` and what is below it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A volume.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Volume {
    /// RFC 3339, whole seconds.
    pub created_at: String,
    pub driver: String,
    pub labels: Option<BTreeMap<String, String>>,
    /// Where the host has it.
    pub mountpoint: String,
    pub name: String,
    pub options: Option<BTreeMap<String, String>>,
    /// `local`.
    pub scope: String,
    /// Told by the disk usage endpoint alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_data: Option<UsageData>,
}

/// How big a volume is, in bytes, and how many containers have it.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct UsageData {
    pub ref_count: i64,
    pub size: i64,
}

/// `POST /volumes/create`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CreateRequest {
    /// Empty: the daemon chooses.
    pub name: String,
    pub driver: String,
    pub driver_opts: Option<BTreeMap<String, String>>,
    pub labels: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_volume_spec: Option<Value>,
}

/// `GET /volumes`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct List {
    pub volumes: Vec<Volume>,
    pub warnings: Option<Vec<String>>,
}

/// `POST /volumes/prune`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PruneReport {
    pub volumes_deleted: Vec<String>,
    /// Bytes.
    pub space_reclaimed: u64,
}
