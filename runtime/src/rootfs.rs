//! A container's root file system as a detached mount: held by a descriptor, in no mount table.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::StepError;

/// What the root is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rootfs {
    /// An overlay of layers.
    Overlay {
        /// Read-only layers, topmost first.
        lower: Vec<PathBuf>,
        upper: PathBuf,
        work: PathBuf,
        /// Never sync the upper directory: for containers that are removed when they end.
        volatile: bool,
    },
    /// A directory of the host, bound with what is mounted below it.
    Directory(PathBuf),
}

/// Makes the detached mount. It lives as long as the descriptor, or until init has moved it into a
/// mount namespace and that namespace has ended.
pub fn mount_detached(root: &Rootfs) -> Result<OwnedFd, StepError> {
    let _ = root;
    Err(StepError::refused("root", "not written yet", crate::StepErrorKind::Other))
}
