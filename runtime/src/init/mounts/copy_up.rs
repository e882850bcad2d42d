//! `tmpcopyup`: what an image has at the target of a tmpfs is put into the new tmpfs.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, chmodat, chownat,
    mkdirat, mknodat, openat, readlinkat, statat, symlinkat, utimensat,
};
use rustix::io::Errno;

use crate::error::{Attempt, StepError, StepErrorKind};
use crate::init::resolve;

const STEP: &str = "copy up";

/// Deepest nesting that is copied.
const DEPTH_MAX: usize = 256;

/// Copies the content of `path` inside `root` into the directory `to`. A path that does not exist,
/// or is no directory, has nothing to copy.
pub(super) fn copy(root: BorrowedFd<'_>, path: &Path, to: BorrowedFd<'_>) -> Result<(), StepError> {
    let from = match resolve::open(root, path, OFlags::RDONLY | OFlags::DIRECTORY) {
        Ok(from) => from,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        Err(errno) => return Err(StepError::call(STEP, format!("openat2(root, {path:?})"), errno)),
    };
    directory(&from, to, 0)
}

fn directory(from: &OwnedFd, to: BorrowedFd<'_>, depth: usize) -> Result<(), StepError> {
    if depth >= DEPTH_MAX {
        let why = format!("directories are nested deeper than {DEPTH_MAX}");
        return Err(StepError::refused(STEP, why, StepErrorKind::Other));
    }
    let entries = Dir::read_from(from).attempt(STEP, || "getdents".to_owned())?;
    for entry in entries {
        let entry = entry.attempt(STEP, || "getdents".to_owned())?;
        let name = entry.file_name();
        if name.to_bytes() != b"." && name.to_bytes() != b".." {
            one(from, to, &name.to_owned(), depth)?;
        }
    }
    Ok(())
}

fn one(from: &OwnedFd, to: BorrowedFd<'_>, name: &CString, depth: usize) -> Result<(), StepError> {
    let failed = |call: &'static str| move || format!("{call}({name:?})");
    let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW).attempt(STEP, failed("fstatat"))?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    match kind {
        FileType::Directory => {
            let below = openat(from, name, flags | OFlags::DIRECTORY, Mode::empty())
                .attempt(STEP, failed("openat"))?;
            mkdirat(to, name, Mode::RWXU).attempt(STEP, failed("mkdirat"))?;
            let made = openat(to, name, flags | OFlags::DIRECTORY, Mode::empty())
                .attempt(STEP, failed("openat"))?;
            directory(&below, made.as_fd(), depth + 1)?;
        }
        FileType::RegularFile => {
            let source =
                openat(from, name, flags, Mode::empty()).attempt(STEP, failed("openat"))?;
            file(source, to, name).attempt(STEP, failed("copy"))?;
        }
        FileType::Symlink => {
            let target = readlinkat(from, name, Vec::new()).attempt(STEP, failed("readlinkat"))?;
            symlinkat(&target, to, name).attempt(STEP, failed("symlinkat"))?;
        }
        _ => mknodat(to, name, kind, Mode::RUSR | Mode::WUSR, stat.st_rdev)
            .attempt(STEP, failed("mknodat"))?,
    }
    take_over(&stat, to, name).attempt(STEP, failed("fchmodat"))
}

fn file(source: OwnedFd, to: BorrowedFd<'_>, name: &CString) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let made = openat(to, name, flags, Mode::RUSR | Mode::WUSR)?;
    io::copy(&mut File::from(source), &mut File::from(made))?;
    Ok(())
}

/// Owner, mode and times.
fn take_over(stat: &Stat, to: BorrowedFd<'_>, name: &CString) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        chmodat(to, name, Mode::from_raw_mode(stat.st_mode & 0o7777), AtFlags::empty())?;
    }
    let time = |tv_sec: i64, nanoseconds: u64| Timespec {
        tv_sec,
        tv_nsec: i64::try_from(nanoseconds).unwrap_or(0),
    };
    let times = Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    };
    utimensat(to, name, &times, AtFlags::SYMLINK_NOFOLLOW)
}
