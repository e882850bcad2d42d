//! `--registry-mirror`: which URLs are mirrors. Errors are worded as dockerd's.

use reqwest::Url;

use super::endpoint::ConfigError;

/// The base URL of a mirror of docker.io.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mirror {
    base: Url,
}

impl Mirror {
    /// Reads `http[s]://host[:port]`.
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        let invalid = |reason: &str| ConfigError::Mirror {
            mirror: text.to_owned(),
            reason: reason.to_owned(),
        };
        let base = Url::parse(text.trim())
            .map_err(|error| invalid(&format!("not a valid url: {error}")))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(invalid("must use either 'https://' or 'http://'"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(invalid("username/password not allowed in URI"));
        }
        if base.path() != "/" || base.query().is_some() || base.fragment().is_some() {
            return Err(invalid("path, query, or fragment at end of the URI"));
        }
        Ok(Self { base })
    }

    pub(crate) fn base(&self) -> &Url {
        &self.base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_hosts_are_mirrors() {
        let mirror = Mirror::parse("https://mirror.example:5000").expect("mirror");
        assert_eq!(mirror.base().as_str(), "https://mirror.example:5000/");
        for text in [
            "",
            "mirror.example",
            "ftp://x/",
            "https://u:p@x/",
            "https://x/v1/",
            "https://x/?q",
            "https://x/#f",
            "https://",
        ] {
            assert!(Mirror::parse(text).is_err(), "{text}");
        }
    }
}
