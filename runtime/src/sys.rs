//! One thin function a system call, one file a family: what neither rustix nor nix offers safely.
//!
//! The only room of this crate where `unsafe` is allowed.

pub(crate) mod bpf;
pub(crate) mod clone;
pub(crate) mod filter;
pub(crate) mod mount;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod socket;

/// The errno of the call that has just failed.
fn last_errno() -> rustix::io::Errno {
    rustix::io::Errno::from_io_error(&std::io::Error::last_os_error())
        .unwrap_or(rustix::io::Errno::IO)
}
