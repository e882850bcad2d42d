//! Content digests. Only sha256 is known: other algorithms are refused by name, so that nothing
//! is ever stored that cannot be verified.

pub(crate) mod beside;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

const ALGORITHM: &str = "sha256";
const HEX_LEN: usize = 64;
/// Length in characters of the ids that people read.
const SHORT_LEN: usize = 12;

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// No colon between algorithm and digits.
    #[error("invalid digest {0:?}: no algorithm")]
    NoAlgorithm(String),
    /// An algorithm other than sha256.
    #[error("unsupported digest algorithm {0:?}: only sha256 is supported")]
    Algorithm(String),
    /// Not 64 lower case hexadecimal digits.
    #[error("invalid digest {0:?}: not 64 lower case hexadecimal digits")]
    Digits(String),
}

/// A sha256 digest; written `sha256:<64 lower case hex digits>`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Reads `sha256:<hex>`.
    ///
    /// # Errors
    /// When the algorithm is another one or the digits are wrong.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let (algorithm, hex) =
            text.split_once(':').ok_or_else(|| DigestError::NoAlgorithm(text.to_owned()))?;
        if algorithm != ALGORITHM {
            return Err(DigestError::Algorithm(algorithm.to_owned()));
        }
        Self::from_hex(hex)
    }

    /// Reads the 64 digits alone.
    ///
    /// # Errors
    /// When they are not 64 lower case hexadecimal digits.
    pub fn from_hex(hex: &str) -> Result<Self, DigestError> {
        let wrong = || DigestError::Digits(hex.to_owned());
        if hex.len() != HEX_LEN || hex.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(hex, &mut bytes).map_err(|_| wrong())?;
        Ok(Self(bytes))
    }

    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 64 digits without the algorithm: the name of a blob's file.
    #[must_use]
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }

    /// The first 12 digits: what progress lines and tables show.
    #[must_use]
    pub fn short(&self) -> String {
        let mut hex = self.hex();
        hex.truncate(SHORT_LEN);
        hex
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALGORITHM}:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A digest in the making.
#[derive(Debug, Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes that were taken in.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn text_and_bytes_agree() {
        let digest = Digest::of(b"");
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(Digest::parse(EMPTY), Ok(digest.clone()));
        assert_eq!(digest.short(), "e3b0c44298fc");
        assert_eq!(Hasher::default().finish(), digest);
    }

    #[test]
    fn other_algorithms_and_digits_are_refused() {
        let sha512 = format!("sha512:{}", "0".repeat(128));
        assert_eq!(Digest::parse(&sha512), Err(DigestError::Algorithm("sha512".to_owned())));
        assert!(matches!(Digest::parse("abc"), Err(DigestError::NoAlgorithm(_))));
        assert!(matches!(Digest::parse(&EMPTY.to_uppercase()), Err(DigestError::Algorithm(_))));
        for hex in ["", "00", &"A".repeat(64), &"g".repeat(64), &"0".repeat(65), "../../etc"] {
            assert!(matches!(Digest::from_hex(hex), Err(DigestError::Digits(_))), "{hex}");
        }
    }
}
