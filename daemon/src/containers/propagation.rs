//! What a bind's propagation asks of its source: changes below it come and go only where the source's mount is shared
//! with others, or follows them. kernel: Documentation/filesystems/sharedsubtree.rst.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::Error;
use crate::spec::Bind;

/// The mounts of this process; proc_pid_mountinfo(5).
const MOUNTS: &str = "/proc/self/mountinfo";

/// Refuses binds whose source can not propagate what they ask for, with dockerd's texts.
pub(super) fn check(binds: &[Bind]) -> Result<(), Error> {
    let asks = |bind: &&Bind| wanted(bind).is_some();
    if !binds.iter().any(|bind| asks(&bind)) {
        return Ok(());
    }
    let mounts = fs::read_to_string(MOUNTS).map_err(Error::internal)?;
    for (bind, (tags, what)) in binds.iter().filter_map(|bind| Some((bind, wanted(bind)?))) {
        let source = fs::canonicalize(&bind.source).map_err(Error::internal)?;
        let Some((mount, fields)) = holder(&mounts, &source) else { continue };
        if !tags.iter().any(|tag| fields.split(' ').any(|field| field.starts_with(tag))) {
            let (source, mount) = (source.display(), mount.display());
            let why = format!("path {source} is mounted on {mount} but it is not a {what}");
            return Err(Error::Internal(why));
        }
    }
    Ok(())
}

/// The optional fields of which the source's mount must have one, and what it then is.
fn wanted(bind: &Bind) -> Option<(&'static [&'static str], &'static str)> {
    match bind.propagation.as_str() {
        "shared" | "rshared" => Some((&["shared:"], "shared mount")),
        "slave" | "rslave" => Some((&["shared:", "master:"], "shared or slave mount")),
        _ => None,
    }
}

/// The mount that a path is in, and its optional fields. Of mounts over one another the last counts.
fn holder<'m>(mounts: &'m str, path: &Path) -> Option<(PathBuf, &'m str)> {
    let of_line = |line: &'m str| {
        let (before, _) = line.split_once(" - ")?;
        let mut fields = before.splitn(7, ' ');
        let place = PathBuf::from(unescaped(fields.nth(4)?));
        let optional = fields.nth(1).unwrap_or_default();
        path.starts_with(&place).then_some((place, optional))
    };
    mounts.lines().filter_map(of_line).max_by_key(|(place, _)| place.components().count())
}

/// Blanks and the like are written as `\` and three octal digits.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => plain.extend([char::from(byte)].into_iter().chain(part[3..].chars())),
            None => plain.extend(["\\", part]),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_of_a_path_is_the_deepest_and_last() {
        let mounts = "25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
                      26 25 8:2 / /data rw - xfs /dev/sda2 rw\n\
                      27 26 8:3 / /data/a\\040b rw master:4 shared:7 - xfs /dev/sda3 rw\n\
                      28 25 8:4 / /data rw shared:9 - xfs /dev/sda4 rw\n";
        let found = |path: &str| holder(mounts, Path::new(path)).unwrap();
        assert_eq!(found("/etc"), (PathBuf::from("/"), "shared:1"));
        assert_eq!(found("/data/x"), (PathBuf::from("/data"), "shared:9"));
        assert_eq!(found("/data/a b/c"), (PathBuf::from("/data/a b"), "master:4 shared:7"));
        assert_eq!(found("/database").0, PathBuf::from("/"));
    }
}
