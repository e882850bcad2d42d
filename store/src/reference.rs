//! Image references: `[domain/]path[:tag][@digest]`, read and normalised as Docker's clients do.
//!
//! The grammar and the texts of the errors are those of the distribution project's reference
//! grammar (<https://github.com/distribution/reference>, `reference.go`), because clients match on
//! them. Nothing here looks at the network or the store.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;

/// The domain that a name without one belongs to.
pub const DEFAULT_DOMAIN: &str = "docker.io";
/// The tag that a name without tag and digest means.
pub const DEFAULT_TAG: &str = "latest";

const LEGACY_DEFAULT_DOMAIN: &str = "index.docker.io";
const OFFICIAL_PREFIX: &str = "library/";
const PATH_LIMIT: usize = 255;
const TAG_LIMIT: usize = 128;
const DIGEST_HEX_MIN: usize = 32;
const SHA256_HEX_LEN: usize = 64;

/// Why a text is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The text does not follow the grammar.
    #[error("invalid reference format")]
    InvalidFormat,
    /// The path has upper case letters.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    /// The whole text looks like an image id.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    Identifier(String),
    /// The path is longer than 255 bytes.
    #[error("repository name must not be more than {PATH_LIMIT} characters")]
    TooLong,
    /// The digest is of another algorithm than sha256.
    #[error("unsupported digest algorithm")]
    DigestAlgorithm,
    /// The digest has too few or too many digits.
    #[error("invalid checksum digest length")]
    DigestLength,
    /// The digest has upper case digits.
    #[error("invalid checksum digest format")]
    DigestFormat,
}

/// A normalised reference: the domain is always there, official images have `library/`.
///
/// Ordered and compared by its parts; `Display` writes [`Reference::canonical`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Reads what a user types; `busybox` becomes `docker.io/library/busybox:latest`.
    ///
    /// # Errors
    /// When the text does not follow the grammar; the texts are those that Docker's clients know.
    pub fn parse_normalized(text: &str) -> Result<Self, ReferenceError> {
        let mut reference = Self::parse_named(text)?;
        if reference.tag.is_none() && reference.digest.is_none() {
            reference.tag = Some(DEFAULT_TAG.to_owned());
        }
        Ok(reference)
    }

    /// Like [`Reference::parse_normalized`], but a name without tag and digest stays without both.
    ///
    /// # Errors
    /// As `parse_normalized`.
    pub fn parse_named(text: &str) -> Result<Self, ReferenceError> {
        if text.len() == SHA256_HEX_LEN && text.bytes().all(is_lower_hex) {
            return Err(ReferenceError::Identifier(text.to_owned()));
        }
        let (domain, remainder) = split_domain(text);
        let remote = remainder.split(':').next().unwrap_or_default();
        if remote.to_lowercase() != remote {
            return Err(ReferenceError::Uppercase(remote.to_owned()));
        }
        let (name, digest) = match remainder.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (remainder.as_str(), None),
        };
        let (path, tag) = match name.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (name, None),
        };
        let matches = is_domain(domain)
            && path.split('/').all(is_path_component)
            && tag.is_none_or(is_tag)
            && digest.is_none_or(is_digest);
        if !matches {
            return Err(ReferenceError::InvalidFormat);
        }
        if path.len() > PATH_LIMIT {
            return Err(ReferenceError::TooLong);
        }
        Ok(Self {
            domain: domain.to_owned(),
            path: path.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(checked_digest).transpose()?,
        })
    }

    /// The registry's name, with its port if given: `docker.io`, `localhost:5000`.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository inside the registry: `library/busybox`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, if there is one.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if there is one.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Domain and path: `docker.io/library/busybox`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The shortest name that means the same repository: `busybox`.
    #[must_use]
    pub fn familiar_name(&self) -> String {
        // Some paths of docker.io begin with what would be read as another domain.
        let (domain, path) = split_domain(&self.path);
        if self.domain != DEFAULT_DOMAIN || domain != DEFAULT_DOMAIN || path != self.path {
            return self.name();
        }
        match self.path.strip_prefix(OFFICIAL_PREFIX) {
            Some(short) if !short.contains('/') => short.to_owned(),
            _ => self.path.clone(),
        }
    }

    /// The shortest text that means the same, as users see it: `busybox:latest`.
    #[must_use]
    pub fn familiar(&self) -> String {
        self.familiar_name() + &self.suffix()
    }

    /// Every part written out: `docker.io/library/busybox:latest`.
    #[must_use]
    pub fn canonical(&self) -> String {
        self.name() + &self.suffix()
    }

    /// The same repository under another tag, without a digest.
    ///
    /// # Errors
    /// When the tag does not follow the grammar.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        if !is_tag(tag) {
            return Err(ReferenceError::InvalidFormat);
        }
        Ok(Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    /// The same repository by digest, without a tag.
    #[must_use]
    pub fn with_digest(&self, digest: &Digest) -> Self {
        Self { tag: None, digest: Some(digest.clone()), ..self.clone() }
    }

    fn suffix(&self) -> String {
        let mut suffix = String::new();
        if let Some(tag) = &self.tag {
            suffix = format!(":{tag}");
        }
        if let Some(digest) = &self.digest {
            suffix = format!("{suffix}@{digest}");
        }
        suffix
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reference({self})")
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse_normalized(text)
    }
}

/// Splits what a user typed into the domain and the rest, with Docker's defaults.
fn split_domain(text: &str) -> (&str, String) {
    let (domain, rest) = match text.split_once('/') {
        Some((LEGACY_DEFAULT_DOMAIN, rest)) => (DEFAULT_DOMAIN, rest),
        Some((first, rest))
            if first == "localhost"
                || first.contains(['.', ':'])
                || first.to_lowercase() != first =>
        {
            (first, rest)
        }
        _ => (DEFAULT_DOMAIN, text),
    };
    if domain == DEFAULT_DOMAIN && !rest.contains('/') {
        return (domain, format!("{OFFICIAL_PREFIX}{rest}"));
    }
    (domain, rest.to_owned())
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Domain names, IPv4 and bracketed IPv6 addresses, each with an optional port.
fn is_domain(text: &str) -> bool {
    let (host_is_valid, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else { return false };
            let hex_or_colon = |byte: u8| byte.is_ascii_hexdigit() || byte == b':';
            (!address.is_empty() && address.bytes().all(hex_or_colon), port)
        }
        None => {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (host.split('.').all(is_domain_component), port)
        }
    };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    host_is_valid && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

fn is_domain_component(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Lower case letters and digits, in runs separated by `.`, `_`, `__` or any number of `-`.
fn is_path_component(text: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_separator =
        |run: &str| matches!(run, "." | "_" | "__") || run.bytes().all(|byte| byte == b'-');
    text.starts_with(is_alphanumeric)
        && text.ends_with(is_alphanumeric)
        && text.split(is_alphanumeric).filter(|run| !run.is_empty()).all(is_separator)
}

/// A letter, digit or `_`, then up to 127 of these, `.` and `-`.
fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= TAG_LIMIT
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

/// `algorithm[+-._algorithm…]:hex`, of any algorithm.
fn is_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else { return false };
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    algorithm.split(['-', '_', '+', '.']).all(is_word)
        && hex.len() >= DIGEST_HEX_MIN
        && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn checked_digest(text: &str) -> Result<Digest, ReferenceError> {
    let hex = text.strip_prefix("sha256:").ok_or(ReferenceError::DigestAlgorithm)?;
    if hex.len() != SHA256_HEX_LEN {
        return Err(ReferenceError::DigestLength);
    }
    Digest::parse(text).map_err(|_| ReferenceError::DigestFormat)
}

#[cfg(test)]
mod tests;
