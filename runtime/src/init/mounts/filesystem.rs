//! New instances of file systems, as detached mounts; fsopen(2).

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

use crate::error::{Attempt, StepError};
use crate::rootfs::of_layers;

/// The parameter of overlay that lists its lower layers.
const LAYERS: &str = "lowerdir";
/// Longest message that is taken from a file system context, in bytes.
const MESSAGE_MAX: usize = 256;

/// Makes a file system of `fstype` with its parameters, mounted with the attribute `bits`.
pub(in crate::init) fn create_filesystem(
    fstype: &str,
    source: Option<&str>,
    parameters: &[(String, Option<String>)],
    bits: u64,
) -> Result<OwnedFd, StepError> {
    let attributes = MountAttrFlags::from_bits_retain(u32::try_from(bits).unwrap_or(u32::MAX));
    if fstype == "overlay"
        && let Some(at) = parameters.iter().position(|(key, _)| key == LAYERS)
    {
        // There may be more of them than a parameter has room for.
        let mut others = parameters.to_vec();
        let layers = layers(&others.remove(at).1.unwrap_or_default());
        return of_layers(&layers, attributes, |context| set(context, fstype, source, &others));
    }
    let context = fsopen(fstype, FsOpenFlags::FSOPEN_CLOEXEC)
        .attempt("mount", || format!("fsopen({fstype:?})"))?;
    set(&context, fstype, source, parameters)?;
    fsconfig_create(&context)
        .attempt("mount", || format!("fsconfig({fstype}, create){}", complaint(&context)))?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        .attempt("mount", || format!("fsmount({fstype}, {attributes:?})"))
}

/// Sets what a file system has parameters for.
fn set(
    context: &OwnedFd,
    fstype: &str,
    source: Option<&str>,
    parameters: &[(String, Option<String>)],
) -> Result<(), StepError> {
    if let Some(source) = source {
        fsconfig_set_string(context, "source", source)
            .attempt("mount", || format!("fsconfig({fstype}, \"source\", {source:?})"))?;
    }
    for (key, value) in parameters {
        let result = match value {
            Some(value) => fsconfig_set_string(context, key, value),
            None => fsconfig_set_flag(context, key),
        };
        result.attempt("mount", || {
            let value = value.as_deref().unwrap_or_default();
            format!("fsconfig({fstype}, {key:?}, {value:?}){}", complaint(context))
        })?;
    }
    Ok(())
}

/// Paths between colons; a backslash takes the meaning from the character behind it.
fn layers(text: &str) -> Vec<PathBuf> {
    let (mut layers, mut layer) = (Vec::new(), String::new());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            ':' => layers.push(std::mem::take(&mut layer).into()),
            '\\' => layer.extend(characters.next()),
            other => layer.push(other),
        }
    }
    layers.push(layer.into());
    layers
}

/// What the file system said about the failure, where it said something.
pub(crate) fn complaint(context: &OwnedFd) -> String {
    let mut message = [0_u8; MESSAGE_MAX];
    match rustix::io::read(context, &mut message) {
        Ok(length) => format!(" [{}]", String::from_utf8_lossy(&message[..length]).trim()),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_between_colons() {
        assert_eq!(layers("/a:/b"), [PathBuf::from("/a"), PathBuf::from("/b")]);
        assert_eq!(layers(r"/a\:b\\c"), [PathBuf::from(r"/a:b\c")]);
    }
}
