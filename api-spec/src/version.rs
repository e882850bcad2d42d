//! API versions: what a client writes before a path (`/v1.45/…`) and what the daemon supports.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A version of the Engine API. Ordered as numbers: 1.9 < 1.24.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    pub major: u32,
    pub minor: u32,
}

/// The newest version that the daemon answers.
pub const MAX: ApiVersion = ApiVersion::new(1, 52);
/// The oldest version that the daemon answers.
pub const MIN: ApiVersion = ApiVersion::new(1, 24);

impl ApiVersion {
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Reads digits and dots as dockerd does: parts that are missing or too large to be a version
    /// count as 0 and as the largest number; what follows the second part does not count.
    pub fn parse_lenient(text: &str) -> Self {
        let mut parts = text.split('.').map(|part| match part {
            "" => 0,
            digits => digits.parse().unwrap_or(u32::MAX),
        });
        let mut next = || parts.next().unwrap_or(0);
        Self::new(next(), next())
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Serialize for ApiVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ApiVersion {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::parse_lenient(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(ApiVersion::parse_lenient("1.9") < ApiVersion::parse_lenient("1.24"));
        assert!(ApiVersion::parse_lenient("1.52.1") == MAX);
        assert!(ApiVersion::parse_lenient("1") < MIN);
        assert!(ApiVersion::parse_lenient("1.99999999999999") > MAX);
        assert_eq!(MIN.to_string(), "1.24");
    }
}
