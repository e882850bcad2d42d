//! What a pull needs of an image's config: the platform and the layers' diff ids.
//!
//! OCI image specification, config.md.

use serde::Deserialize;

use super::json;
use super::manifest::ManifestError;
use super::platform::Platform;
use crate::digest::Digest;

/// Largest config, in bytes.
pub(crate) const CONFIG_LIMIT: u64 = 8 * 1024 * 1024;

/// The part of a config that decides about its layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) platform: Platform,
    /// Of the uncompressed layers, lowest first.
    pub(crate) diff_ids: Vec<Digest>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: String,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(rename = "type", default)]
    kind: String,
    diff_ids: Option<Vec<String>>,
}

/// Reads a config that belongs to a manifest with `layers` layers.
pub(crate) fn parse(bytes: &[u8], layers: usize) -> Result<Config, ManifestError> {
    let what = "config";
    let raw: Raw = json::parse(what, bytes)?;
    if !matches!(raw.rootfs.kind.as_str(), "" | "layers") {
        let reason = format!("root file system of type {:?}", raw.rootfs.kind);
        return Err(ManifestError::Invalid { what, reason });
    }
    let diff_ids = raw.rootfs.diff_ids.unwrap_or_default();
    if diff_ids.len() != layers {
        let reason = format!("{} diff ids for {layers} layers", diff_ids.len());
        return Err(ManifestError::Invalid { what, reason });
    }
    let parsed = diff_ids.iter().map(|diff_id| Digest::parse(diff_id)).collect::<Result<_, _>>();
    let diff_ids = parsed.map_err(|source| ManifestError::Digest { what: "diff id", source })?;
    let Raw { os, architecture, variant, .. } = raw;
    Ok(Config { platform: Platform { os, architecture, variant }, diff_ids })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn diff_ids_match_the_layers() {
        let text = format!(
            r#"{{"os":"linux","architecture":"arm64","config":{{"Env":[]}},
                "rootfs":{{"type":"layers","diff_ids":["sha256:{HEX}"]}}}}"#
        );
        let config = parse(text.as_bytes(), 1).expect("config");
        assert_eq!(
            (config.platform.to_string().as_str(), config.diff_ids.len()),
            ("linux/arm64", 1)
        );
        assert!(parse(text.as_bytes(), 2).is_err());
        assert!(parse(text.replace("layers", "zip").as_bytes(), 1).is_err());
        assert!(parse(text.replace("sha256", "md5").as_bytes(), 1).is_err());
        assert!(parse(b"{}", 0).is_err());
    }
}
