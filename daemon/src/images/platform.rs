//! The `platform` parameters: older ones are `os`, `arch`, `os/arch` or `os/arch/variant`, newer ones JSON. And
//! images of the platform that was asked for.

use std::sync::Arc;

use api_spec::gojson;
use serde::Deserialize;
use store::Image;
use store::pull::Platform;

use super::{Error, Images};

const SYSTEMS: [&str; 5] = ["linux", "windows", "darwin", "freebsd", "wasip1"];
const ARCHITECTURES: [&str; 15] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64",
    "ppc64le", "riscv64", "s390x", "wasm", "x86_64",
];

/// Reads a platform; an empty text is the host's.
pub(crate) fn parse(text: &str) -> Result<Platform, Error> {
    let host = Platform::host();
    let parts: Vec<&str> = text.split('/').collect();
    let valid = |part: &&str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    };
    let platform = |os: &str, architecture: &str, variant: &str| Platform {
        os: os.to_ascii_lowercase(),
        architecture: architecture.to_ascii_lowercase(),
        variant: variant.to_ascii_lowercase(),
    };
    match parts.as_slice() {
        [""] => return Ok(host),
        parts if !parts.iter().all(valid) || parts.len() > 3 => {
            let reason = "cannot parse platform specifier: invalid argument";
            return Err(Error::Invalid(format!("{text:?}: {reason}")));
        }
        [one] if SYSTEMS.contains(one) => Ok(platform(one, &host.architecture, &host.variant)),
        [one] if ARCHITECTURES.contains(one) => Ok(platform(&host.os, one, "")),
        [_] => {
            let reason = "unknown operating system or architecture: invalid argument";
            return Err(Error::Invalid(format!("{text:?}: {reason}")));
        }
        [os, architecture] => Ok(platform(os, architecture, "")),
        [os, architecture, variant, ..] => Ok(platform(os, architecture, variant)),
        [] => Ok(host),
    }
    .map(|platform: Platform| platform.normalized())
}

/// A platform as the OCI image specification writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Written {
    os: String,
    architecture: String,
    variant: String,
    #[serde(rename = "os.version")]
    os_version: String,
    #[serde(rename = "os.features")]
    os_features: Vec<String>,
}

/// Reads a platform that is JSON.
pub(crate) fn decode(text: &str) -> Result<Platform, Error> {
    let written: Written = gojson::from_slice(text.as_bytes())
        .map_err(|error| Error::Invalid(format!("failed to parse platform: {error}")))?;
    let Written { os, architecture, variant, os_version, os_features } = written;
    let has_more = !(variant.is_empty() && os_version.is_empty() && os_features.is_empty());
    let why = match (os.is_empty(), architecture.is_empty()) {
        (true, true) if has_more => {
            "optional platform fields provided, but OS and Architecture are missing"
        }
        (false, false) => return Ok(Platform { os, architecture, variant }.normalized()),
        _ => "both OS and Architecture must be provided",
    };
    Err(Error::Invalid(why.to_owned()))
}

/// Whether an image is for a platform; its variant is not looked at, which few images tell.
pub(super) fn fits(image: &Image, wanted: &Platform) -> bool {
    let own = Platform {
        os: image.config.os().to_string(),
        architecture: image.config.architecture().to_string(),
        variant: wanted.variant.clone(),
    };
    own.normalized() == wanted.normalized()
}

/// Why an image, found by `name`, is not for a platform; `None` if it is.
pub(crate) fn mismatch(image: &Image, name: &str, wanted: &Platform) -> Option<String> {
    let (os, architecture) = (image.config.os(), image.config.architecture());
    (!fits(image, wanted)).then(|| {
        format!(
            "image with reference {name} was found but does not match the specified platform: wanted {wanted}, \
             actual: {os}/{architecture}"
        )
    })
}

impl Images {
    /// Like [`Images::find`], for one of these platforms, if there are any.
    pub(crate) async fn find_for(
        &self,
        name: &str,
        platforms: &[Platform],
    ) -> Result<Arc<Image>, Error> {
        let image = self.find(name).await?;
        let reasons: Option<Vec<String>> =
            platforms.iter().map(|wanted| mismatch(&image, name, wanted)).collect();
        match reasons.and_then(|reasons| reasons.into_iter().next()) {
            Some(reason) => Err(Error::WrongPlatform(reason)),
            None => Ok(image),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read() {
        let shown = |text: &str| decode(text).map(|platform| platform.to_string());
        assert_eq!(shown(r#"{"os":"linux","Architecture":"x86_64"}"#).unwrap(), "linux/amd64");
        let arm = r#"{"os":"linux","architecture":"arm","variant":"v5","os.features":null}"#;
        assert_eq!(shown(arm).unwrap(), "linux/arm/v5");
        let refused = |text: &str| shown(text).unwrap_err().to_string();
        let lone = "both OS and Architecture must be provided";
        assert_eq!(refused(r#"{"os":"linux"}"#), lone);
        assert_eq!(refused("{}"), lone);
        let missing = "optional platform fields provided, but OS and Architecture are missing";
        assert_eq!(refused(r#"{"os.version":"1"}"#), missing);
        for text in ["", "linux/amd64", "[]", r#"{"os":1}"#] {
            assert!(refused(text).starts_with("failed to parse platform: "), "{text}");
        }
    }

    #[test]
    fn platforms_are_read() {
        let shown = |text: &str| parse(text).map(|platform| platform.to_string());
        assert_eq!(shown("").unwrap(), Platform::host().to_string());
        assert!(shown("linux/arm64").unwrap().starts_with("linux/arm64"));
        assert_eq!(shown("linux/x86_64").unwrap(), "linux/amd64");
        assert_eq!(shown("s390x").unwrap(), "linux/s390x");
        assert_eq!(
            shown("foo").unwrap_err().to_string(),
            "\"foo\": unknown operating system or architecture: invalid argument"
        );
        assert_eq!(
            shown("linux/a/b/c").unwrap_err().to_string(),
            "\"linux/a/b/c\": cannot parse platform specifier: invalid argument"
        );
        assert!(shown("linux//x").is_err());
    }
}
