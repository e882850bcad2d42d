//! New instances of file systems, as detached mounts; fsopen(2).

use std::os::fd::OwnedFd;

use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

use crate::error::{Attempt, StepError};

/// Longest message that is taken from a file system context, in bytes.
const MESSAGE_MAX: usize = 256;

/// Makes a file system of `fstype` with its parameters, mounted with the attribute `bits`.
pub(in crate::init) fn create_filesystem(
    fstype: &str,
    source: Option<&str>,
    parameters: &[(String, Option<String>)],
    bits: u64,
) -> Result<OwnedFd, StepError> {
    let context = fsopen(fstype, FsOpenFlags::FSOPEN_CLOEXEC)
        .attempt("mount", || format!("fsopen({fstype:?})"))?;
    if let Some(source) = source {
        fsconfig_set_string(&context, "source", source)
            .attempt("mount", || format!("fsconfig({fstype}, \"source\", {source:?})"))?;
    }
    for (key, value) in parameters {
        let result = match value {
            Some(value) => fsconfig_set_string(&context, key, value),
            None => fsconfig_set_flag(&context, key),
        };
        result.attempt("mount", || {
            let value = value.as_deref().unwrap_or_default();
            format!("fsconfig({fstype}, {key:?}, {value:?}){}", complaint(&context))
        })?;
    }
    fsconfig_create(&context)
        .attempt("mount", || format!("fsconfig({fstype}, create){}", complaint(&context)))?;
    let attributes = MountAttrFlags::from_bits_retain(u32::try_from(bits).unwrap_or(u32::MAX));
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        .attempt("mount", || format!("fsmount({fstype}, {attributes:?})"))
}

/// What the file system said about the failure, where it said something.
pub(crate) fn complaint(context: &OwnedFd) -> String {
    let mut message = [0_u8; MESSAGE_MAX];
    match rustix::io::read(context, &mut message) {
        Ok(length) => format!(" [{}]", String::from_utf8_lossy(&message[..length]).trim()),
        Err(_) => String::new(),
    }
}
