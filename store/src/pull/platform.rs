//! Platforms and which images run on which.
//!
//! OCI image specification, image-index.md, "platform"; the order of what a host also accepts is
//! that of containerd's platform matching.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// An operating system on a processor.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub struct Platform {
    /// `linux`
    #[serde(default)]
    pub os: String,
    /// As Go names them: `amd64`, `arm64`, `arm`.
    #[serde(default)]
    pub architecture: String,
    /// `v7` of arm; empty where there is only one or the usual one is meant.
    #[serde(default)]
    pub variant: String,
}

/// A text that is not a platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is an invalid platform: must be os[/architecture[/variant]]")]
pub struct PlatformError(String);

impl Platform {
    /// This machine's.
    #[must_use]
    pub fn host() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", ""),
            "x86" => ("386", ""),
            "aarch64" => ("arm64", ""),
            "arm" => ("arm", "v7"),
            "powerpc64" => ("ppc64le", ""),
            "loongarch64" => ("loong64", ""),
            other => (other, ""),
        };
        Self {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        }
    }

    /// The same in the usual spelling: `x86_64` is `amd64`, `arm64/v8` is `arm64`.
    #[must_use]
    pub fn normalized(&self) -> Self {
        let os = self.os.to_lowercase();
        let architecture = self.architecture.to_lowercase();
        let variant = self.variant.to_lowercase();
        let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
            ("i386", _) => ("386", ""),
            ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
            ("x86_64" | "x86-64", variant) => ("amd64", variant),
            ("aarch64" | "arm64", "8" | "v8") => ("arm64", ""),
            ("aarch64", variant) => ("arm64", variant),
            ("armhf", _) => ("arm", "v7"),
            ("armel", _) => ("arm", "v6"),
            ("arm", "" | "7") => ("arm", "v7"),
            ("arm", "5") => ("arm", "v5"),
            ("arm", "6") => ("arm", "v6"),
            ("arm", "8") => ("arm", "v8"),
            (architecture, variant) => (architecture, variant),
        };
        Self { os, architecture: architecture.to_owned(), variant: variant.to_owned() }
    }

    /// What runs here, best first.
    fn accepted(&self) -> Vec<Self> {
        let wanted = self.normalized();
        let of = |architecture: &str, variant: &str| Self {
            os: wanted.os.clone(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        };
        let arm_up_to = |variant: &str| -> Vec<Self> {
            let known = ["v8", "v7", "v6", "v5"];
            let first = known.iter().position(|&known| known == variant).unwrap_or(known.len());
            known[first..].iter().map(|&variant| of("arm", variant)).collect()
        };
        let others = match (wanted.architecture.as_str(), wanted.variant.as_str()) {
            ("amd64", variant) => {
                let known = ["v4", "v3", "v2"];
                let first = known.iter().position(|&known| known == variant);
                let lower = first.map_or(&[][..], |first| &known[first + 1..]);
                let mut others: Vec<_> =
                    lower.iter().map(|&variant| of("amd64", variant)).collect();
                others.extend([of("amd64", ""), of("386", "")]);
                others
            }
            ("arm64", "") => arm_up_to("v8"),
            ("arm64", _) => [vec![of("arm64", "")], arm_up_to("v8")].concat(),
            ("arm", variant) => arm_up_to(variant),
            _ => Vec::new(),
        };
        let mut accepted = vec![wanted.clone()];
        accepted.extend(others.into_iter().filter(|other| *other != wanted));
        accepted
    }

    /// Whether an image for `other` runs here.
    #[must_use]
    pub fn accepts(&self, other: &Self) -> bool {
        self.accepted().contains(&other.normalized())
    }

    /// The position of the best of the candidates, the first of equals.
    pub(crate) fn choose<'a>(
        &self,
        candidates: impl Iterator<Item = Option<&'a Self>>,
    ) -> Option<usize> {
        let accepted = self.accepted();
        let rank = |candidate: &Self| {
            let candidate = candidate.normalized();
            accepted.iter().position(|platform| *platform == candidate)
        };
        let ranked =
            candidates.enumerate().filter_map(|(at, platform)| Some((rank(platform?)?, at)));
        ranked.min().map(|(_, at)| at)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if !self.variant.is_empty() {
            write!(f, "/{}", self.variant)?;
        }
        Ok(())
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    /// Reads `os/architecture[/variant]`; one word is an operating system or an architecture.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let is_word = |word: &str| {
            !word.is_empty()
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
        };
        let parts: Vec<&str> = text.split('/').collect();
        if !parts.iter().all(|part| is_word(part)) {
            return Err(PlatformError(text.to_owned()));
        }
        let host = Self::host();
        let (os, architecture, variant) = match parts.as_slice() {
            [os @ ("linux" | "windows" | "darwin" | "freebsd")] => {
                (*os, host.architecture.as_str(), host.variant.as_str())
            }
            [architecture] => ("linux", *architecture, ""),
            [os, architecture] => (*os, *architecture, ""),
            [os, architecture, variant] => (*os, *architecture, *variant),
            _ => return Err(PlatformError(text.to_owned())),
        };
        let platform = Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        };
        Ok(platform.normalized())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().expect(text)
    }

    fn chosen(wanted: &str, candidates: &[&str]) -> Option<usize> {
        let candidates: Vec<Platform> = candidates.iter().map(|text| platform(text)).collect();
        platform(wanted).choose(candidates.iter().map(Some))
    }

    #[test]
    fn spellings_mean_the_same() {
        for (text, expected) in [
            ("linux/x86_64", "linux/amd64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/armhf", "linux/arm/v7"),
            ("arm64", "linux/arm64"),
            ("linux/amd64/v1", "linux/amd64"),
        ] {
            assert_eq!(platform(text).to_string(), expected);
        }
        for text in ["", "/", "linux/", "a/b/c/d", "linux/am d64"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_best_variant_is_chosen() {
        assert_eq!(chosen("linux/amd64", &["linux/arm64", "linux/amd64"]), Some(1));
        assert_eq!(chosen("linux/amd64", &["linux/amd64/v3", "linux/386", "linux/amd64"]), Some(2));
        assert_eq!(chosen("linux/amd64/v3", &["linux/amd64", "linux/amd64/v2"]), Some(1));
        assert_eq!(chosen("linux/amd64", &["windows/amd64", "linux/amd64/v2"]), None);
        assert_eq!(
            chosen("linux/arm/v7", &["linux/arm/v5", "linux/arm/v6", "linux/arm/v8"]),
            Some(1)
        );
        assert_eq!(chosen("linux/arm64", &["linux/arm/v7", "linux/arm64/v8"]), Some(1));
        assert_eq!(chosen("linux/arm64", &["linux/arm/v7"]), Some(0));
        assert_eq!(chosen("linux/s390x", &["unknown/unknown"]), None);
        assert_eq!(chosen("linux/amd64", &["linux/amd64", "linux/amd64"]), Some(0));
    }

    #[test]
    fn entries_without_a_platform_are_not_chosen() {
        assert_eq!(platform("linux/amd64").choose([None, None].into_iter()), None);
    }
}
