//! Images as one tar: what `docker save` writes and `docker load` reads. An OCI image layout that
//! also has the `manifest.json` and `repositories` of Docker's older form.
//!
//! Sources: OCI image spec, image-layout.md; moby's `image/spec/v1.2.md`, "Combined Image JSON +
//! Filesystem Changeset Format".

mod ahead;
pub(crate) mod contents;
mod load;
mod save;
pub(crate) mod spool;

pub use load::{LoadError, LoadProgress, Loaded};
pub use save::{SaveError, Saved};

/// The layout's own file.
const LAYOUT: &str = "oci-layout";
/// The layout's list of manifests.
pub(crate) const INDEX: &str = "index.json";
/// Docker's list of images.
const LIST: &str = "manifest.json";
/// Docker's list of names.
const NAMES: &str = "repositories";
const BLOBS: &str = "blobs/sha256/";
/// The whole name of an image in an index, as containerd and dockerd write it.
pub(crate) const IMAGE_NAME: &str = "io.containerd.image.name";
/// OCI's annotation: a tag, or with some tools a whole name.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
