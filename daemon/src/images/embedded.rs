//! The image that the daemon carries: `jocker/hello:latest`, one static program under several
//! names, so that a first container needs no network.

mod archive;

use oci_spec::OciSpecError;
use oci_spec::image::{ConfigBuilder, ImageConfigurationBuilder, RootFsBuilder};
use store::Store;
use store::reference::Reference;

use super::Error;
use crate::guest;
use archive::Archive;

/// The embedded image's name.
pub(crate) const NAME: &str = "jocker/hello:latest";
/// The names that the program answers to.
const COMMANDS: [&str; 12] =
    ["cat", "echo", "env", "false", "hostname", "id", "ls", "ps", "pwd", "sh", "sleep", "true"];

/// The image as bytes.
#[derive(Debug, Clone)]
struct Bytes {
    /// The only layer, an uncompressed tar.
    layer: Vec<u8>,
    /// The configuration; the store writes its `rootfs`.
    config: Vec<u8>,
}

/// Loads the image unless its name is taken. Blocking.
///
/// # Errors
/// When it cannot be stored.
pub(crate) fn ensure(store: &Store) -> Result<(), Error> {
    let images = store.images();
    if images.resolve(NAME).is_ok() {
        return Ok(());
    }
    let reference = Reference::parse_normalized(NAME)?;
    let image = image().map_err(|error| Error::Invalid(error.to_string()))?;
    let id = images.load_embedded(&reference, &image.layer, &image.config)?;
    tracing::info!(image.id = %id, image.name = NAME, "the embedded image is loaded");
    Ok(())
}

fn image() -> Result<Bytes, OciSpecError> {
    let config = ConfigBuilder::default()
        .cmd(["/bin/hello".to_owned()])
        .env(["PATH=/bin".to_owned()])
        .working_dir("/")
        .build()?;
    let config = ImageConfigurationBuilder::default()
        .created("1970-01-01T00:00:00Z")
        .os("linux")
        .architecture(crate::host::go_architecture())
        .config(config)
        .rootfs(RootFsBuilder::default().build()?)
        .build()?;
    Ok(Bytes { layer: layer(&guest::program()?), config: config.to_string()?.into_bytes() })
}

fn layer(program: &[u8]) -> Vec<u8> {
    let mut archive = Archive::default();
    for (path, mode) in [("bin/", 0o755), ("etc/", 0o755), ("root/", 0o700), ("tmp/", 0o1777)] {
        archive.directory(path, mode);
    }
    archive.file("bin/hello", 0o755, program);
    for command in COMMANDS {
        archive.link(&format!("bin/{command}"), "hello");
    }
    archive.file(
        "etc/passwd",
        0o644,
        b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    );
    archive.file("etc/group", 0o644, b"root:x:0:\nnogroup:x:65534:\n");
    archive.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_made() {
        let image = image().unwrap();
        assert!(
            image.layer.len() > guest::program().unwrap().len()
                && image.layer.len().is_multiple_of(512)
        );
        let config: serde_json::Value = serde_json::from_slice(&image.config).unwrap();
        assert_eq!(config["config"]["Cmd"][0], "/bin/hello");
    }
}
