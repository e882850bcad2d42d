//! The container service. Written by its own room; this is the part that others call.

/// Every container of the daemon.
#[derive(Debug, Clone, Default)]
pub(crate) struct Containers {}

/// How many containers there are, for `GET /info`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) running: usize,
    pub(crate) paused: usize,
    pub(crate) stopped: usize,
}

/// A container that uses an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageUse {
    pub(crate) id: String,
    pub(crate) running: bool,
}

impl Containers {
    /// How many containers there are.
    pub(crate) fn counts(&self) -> Counts {
        Counts::default()
    }

    /// The containers made from the image with this id (`sha256:…`).
    pub(crate) fn using_image(&self, _image: &str) -> Vec<ImageUse> {
        Vec::new()
    }
}
