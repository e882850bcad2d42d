//! Paths and queries of requests, with everything that comes from outside encoded.

use std::fmt;

/// The API version that is asked for: old enough for every daemon in use, new enough for all that
/// is used here but platforms.
pub(super) const API_VERSION: &str = "1.44";
/// The API version that knows of platforms wherever they may be named.
const PLATFORMS_VERSION: &str = "1.50";

/// A path with its query. Both are encoded already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    version: &'static str,
    path: String,
    query: String,
}

impl Path {
    /// A path whose variable parts went through [`encode_segment`] or the like.
    pub(crate) fn new(path: impl Into<String>) -> Self {
        Self { version: API_VERSION, path: path.into(), query: String::new() }
    }

    /// `/containers/{name}{rest}`
    pub(crate) fn container(name: &str, rest: &str) -> Self {
        Self::new(format!("/containers/{}{rest}", encode_segment(name)))
    }

    /// `/exec/{id}{rest}`
    pub(crate) fn exec(id: &str, rest: &str) -> Self {
        Self::new(format!("/exec/{}{rest}", encode_segment(id)))
    }

    /// `/images/{name}{rest}`
    pub(crate) fn image(name: &str, rest: &str) -> Self {
        Self::new(format!("/images/{}{rest}", encode_image(name)))
    }

    /// Adds a parameter.
    pub(crate) fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        let separator = if self.query.is_empty() { '?' } else { '&' };
        let value = encode(&value.to_string(), "");
        self.query.push(separator);
        self.query.push_str(&format!("{name}={value}"));
        self
    }

    /// Adds platforms in JSON, if there are any.
    pub(crate) fn platforms<'p>(
        mut self,
        name: &str,
        platforms: impl IntoIterator<Item = &'p String>,
    ) -> Self {
        for platform in platforms {
            self = self.with(name, platform);
            self.version = PLATFORMS_VERSION;
        }
        self
    }

    /// What is asked of the daemon: the path below the API version.
    pub(super) fn target(&self) -> String {
        format!("/v{}{self}", self.version)
    }

    /// Adds a parameter if there is a value.
    pub(crate) fn maybe(self, name: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds `name=1` if it holds.
    pub(crate) fn flag(self, name: &str, holds: bool) -> Self {
        if holds { self.with(name, 1) } else { self }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.path, self.query)
    }
}

/// One part of a path, whatever is in it.
pub(crate) fn encode_segment(text: &str) -> String {
    encode(text, "")
}

/// An image's name, whose slashes are the path's own.
fn encode_image(text: &str) -> String {
    encode(text, "/:@")
}

/// Percent-encodes all but unreserved characters (RFC 3986, section 2.3) and those in `kept`.
fn encode(text: &str, kept: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if unreserved || kept.as_bytes().contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_given_can_leave_its_place() {
        let path = Path::container("../x?y#z", "/json").flag("size", true).with("f", "a&b=ä");
        assert_eq!(path.to_string(), "/containers/..%2Fx%3Fy%23z/json?size=1&f=a%26b%3D%C3%A4");
        let path = Path::image("localhost:5000/a b@sha256:0", "/json");
        assert_eq!(path.to_string(), "/images/localhost:5000/a%20b@sha256:0/json");
    }
}
