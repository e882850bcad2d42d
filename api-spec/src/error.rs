//! The body of every answer that is an error.

use serde::{Deserialize, Serialize};

/// `{"message":"…"}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    pub message: String,
}
