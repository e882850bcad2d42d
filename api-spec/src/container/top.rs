//! `GET /containers/{id}/top`.

use serde::{Deserialize, Serialize};

/// A table of processes.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TopResponse {
    /// A row a process, as many columns as there are titles.
    pub processes: Vec<Vec<String>>,
    pub titles: Vec<String>,
}
