//! Images that are mounted in a container: chosen when it is made, looked up at each start, and only ever read.

use std::path::{Path, PathBuf};

use api_spec::container::HostConfig;
use serde::{Deserialize, Serialize};

use crate::containers::Service;
use crate::containers::error::Error;
use crate::containers::record::Definition;
use crate::spec::{self, VolumeMount};

/// An image that a container has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageUse {
    /// `sha256:…`
    image: String,
    /// Where the container sees it.
    target: String,
    /// What of the image is mounted; empty for all.
    subpath: String,
}

impl Definition {
    /// Whether the container is made from the image with this id, or has it mounted.
    pub(crate) fn has_image(&self, id: &str) -> bool {
        self.image_id == id || self.images.iter().any(|each| each.image == id)
    }
}

impl Service {
    /// The images that a new container has mounted.
    pub(in crate::containers) fn plan_images(
        &self,
        host_config: &HostConfig,
    ) -> Result<Vec<ImageUse>, Error> {
        let mounts = host_config.mounts.iter().flatten().filter(|mount| mount.r#type == "image");
        mounts
            .map(|mount| {
                let image = self.image(&mount.source, "", &mut Vec::new())?;
                let image = image.ok_or_else(|| Error::NoImage(mount.source.clone()))?;
                let subpath = mount.image_options.as_ref().map(|options| options.subpath.clone());
                Ok(ImageUse {
                    image: image.id.to_string(),
                    target: spec::clean_path(&mount.target),
                    subpath: subpath.unwrap_or_default(),
                })
            })
            .collect()
    }

    /// How an image is mounted: an overlay of its layers, which nobody can write to.
    pub(super) fn image_mount(&self, each: &ImageUse) -> Result<VolumeMount, Error> {
        let image = self.image(&each.image, "", &mut Vec::new())?;
        let image = image.ok_or_else(|| Error::NoImage(each.image.clone()))?;
        let layers: Vec<_> =
            self.store.images().layers(&image).iter().map(|layer| escaped(layer)).collect();
        let options = vec!["ro".to_owned(), format!("lowerdir={}", layers.join(":"))];
        let source = PathBuf::from("overlay");
        let part = Some(&each.subpath).filter(|subpath| !subpath.is_empty());
        Ok(VolumeMount {
            target: each.target.clone(),
            kind: "overlay",
            part: part.map(|subpath| (source.clone(), PathBuf::from(subpath))),
            source,
            options,
        })
    }
}

/// A path as one of several between colons.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace('\\', r"\\").replace(':', r"\:")
}
