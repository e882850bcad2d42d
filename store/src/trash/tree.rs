//! Deleting trees that containers wrote: any depth, any names, never through a symbolic link.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, openat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use crate::error::{Context, IoError};

/// Directories held open at once; what lies deeper is first moved up.
const OPEN_LIMIT: usize = 64;

/// Deletes everything in a directory, not the directory.
pub(super) fn empty(path: &Path) -> Result<(), IoError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let trash = openat(CWD, path, flags, Mode::empty()).on("open", path)?;
    // Each pass deletes all that it sees; deep trees leave their lower parts for the next pass.
    let mut moved_up = 0;
    loop {
        let before = moved_up;
        remove_children(&trash, &mut moved_up).on("delete below", path)?;
        if moved_up == before {
            return Ok(());
        }
    }
}

/// Deletes a directory of a tree that somebody uses, with everything in it; what is deeper than
/// [`OPEN_LIMIT`] is moved up first.
pub(crate) fn remove(parent: &OwnedFd, name: &CStr) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(parent, name, flags, Mode::empty())?;
    let mut moved_up = 0;
    loop {
        let before = moved_up;
        remove_children(&directory, &mut moved_up)?;
        if moved_up == before {
            return unlinkat(parent, name, AtFlags::REMOVEDIR);
        }
    }
}

struct Level {
    directory: OwnedFd,
    entries: Dir,
    name: CString,
}

fn remove_children(trash: &OwnedFd, moved_up: &mut u64) -> Result<(), Errno> {
    let mut levels = vec![open_level(trash, c".")?];
    while let Some(level) = levels.last_mut() {
        let Some(entry) = level.entries.read() else {
            let finished = levels.pop();
            if let (Some(parent), Some(finished)) = (levels.last(), finished) {
                tolerate(unlinkat(&parent.directory, &finished.name, AtFlags::REMOVEDIR))?;
            }
            continue;
        };
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        if !is_directory(&level.directory, name, entry.file_type())? {
            tolerate(unlinkat(&level.directory, name, AtFlags::empty()))?;
            continue;
        }
        if levels.len() < OPEN_LIMIT {
            let directory = &levels[levels.len() - 1].directory;
            let next = open_level(directory, name)?;
            levels.push(next);
        } else {
            move_up(&levels[levels.len() - 1].directory, name, trash, moved_up)?;
        }
    }
    Ok(())
}

/// Renames a directory to a new name in the trash; names of an earlier process may be taken.
fn move_up(
    parent: &OwnedFd,
    name: &CStr,
    trash: &OwnedFd,
    moved_up: &mut u64,
) -> Result<(), Errno> {
    loop {
        let target = format!("deep-{moved_up}");
        *moved_up += 1;
        match renameat_with(parent, name, trash, &target, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            result => return result,
        }
    }
}

fn open_level(parent: &OwnedFd, name: &CStr) -> Result<Level, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(parent, name, flags, Mode::empty())?;
    let entries = Dir::read_from(&directory)?;
    Ok(Level { directory, entries, name: name.to_owned() })
}

fn is_directory(parent: &OwnedFd, name: &CStr, hint: FileType) -> Result<bool, Errno> {
    if hint != FileType::Unknown {
        return Ok(hint == FileType::Directory);
    }
    let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// Another process or an earlier pass may have been faster.
fn tolerate(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::NOENT | Errno::NOTEMPTY) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn deep_trees_go_and_links_are_not_followed() {
        let root = tempfile::tempdir().expect("tempdir");
        let outside = root.path().join("outside");
        fs::write(&outside, "stays").expect("write");
        let trash = root.path().join("trash");
        fs::create_dir(&trash).expect("mkdir");
        symlink(root.path(), trash.join("link")).expect("symlink");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let mut at = openat(CWD, &trash, flags, Mode::empty()).expect("open");
        for _ in 0..5_000 {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).expect("mkdirat");
            at = openat(&at, "d", flags, Mode::empty()).expect("openat");
        }
        empty(&trash).expect("empty");
        assert_eq!(fs::read_dir(&trash).expect("readdir").count(), 0);
        assert_eq!(fs::read_to_string(&outside).expect("read"), "stays");
    }
}
