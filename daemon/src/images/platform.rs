//! The `platform` parameter: `os`, `arch`, `os/arch` or `os/arch/variant`.

use store::pull::Platform;

use super::Error;

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

#[cfg(test)]
mod tests {
    use super::*;

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
