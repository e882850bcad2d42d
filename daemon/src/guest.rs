//! The program that runs inside containers: `docker-init` for `--init`, and the commands of the embedded
//! image. Made of `guest/` by the build script.

/// The static binary; what it does depends on the name it is called by.
pub(crate) const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/guest"));
