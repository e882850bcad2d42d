//! `GET /system/df` on the wire: how much of the disk everything takes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::container::ContainerSummary;
use crate::volume::Volume;

/// The answer before API 1.52. What was not asked for is null.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DiskUsage {
    /// Bytes of all images' layers, each once.
    pub layers_size: i64,
    /// [`crate::image::Summary`], with null for lists of names that are empty.
    pub images: Option<Vec<Value>>,
    pub containers: Option<Vec<ContainerSummary>>,
    pub volumes: Option<Vec<Volume>>,
    pub build_cache: Option<Vec<Value>>,
}

/// The answer since API 1.52. What was not asked for is left out.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Usage {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_usage: Option<Sum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_usage: Option<Sum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_usage: Option<Sum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_cache_usage: Option<Sum>,
}

/// How many things of one kind there are, how many are in use, and their bytes.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Sum {
    pub active_count: i64,
    pub total_count: i64,
    /// Bytes that removing what is not in use would free.
    pub reclaimable: i64,
    /// Bytes.
    pub total_size: i64,
    /// Only when asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Value>,
}
