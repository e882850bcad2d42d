//! A path that a client names in a container: looked up by the kernel with the container's root as
//! the root. What comes back is a descriptor, so nothing that is exchanged meanwhile leads elsewhere.

use std::collections::VecDeque;
use std::ffi::CString;
use std::os::fd::{BorrowedFd, OwnedFd};

use api_spec::container::PathStat;
use jiff::Timestamp;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, StatVfsMountFlags, StatxAttributes, StatxFlags,
    fstat, fstatvfs, openat2, readlinkat, statx,
};
use rustix::io::Errno;
use store::layer::pack::is_kernel_file_system;

use crate::containers::error::Error;

const LOCATION: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
/// Look-ups that fail because something is renamed are done again so many times; openat2(2), EAGAIN.
const RETRIES: usize = 64;
/// Symbolic links on one way, as the kernel has it; path_resolution(7).
const LINKS: usize = 40;

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Place {
    /// Absolute.
    path: String,
    /// As the client wrote it.
    asked: String,
    /// What the client calls the container.
    called: String,
}

/// What is there.
#[derive(Debug)]
pub(super) enum Opened {
    Directory(OwnedFd),
    /// The directory that it is in, and its name there.
    Entry(OwnedFd, CString),
}

impl Place {
    pub(super) fn new(path: &str, called: &str) -> Result<Self, Error> {
        if path.is_empty() {
            return Err(Error::Invalid("bad parameter: pathcannot be empty".to_owned()));
        }
        let (asked, called) = (path.to_owned(), called.to_owned());
        let path = format!("/{}", path.trim_start_matches('/'));
        Ok(Self { path, asked, called })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.path.as_bytes()
    }

    /// The last name; `/` for the root, `.` for the content of a directory.
    fn base(&self) -> &str {
        let base = self.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        if base.is_empty() { "/" } else { base }
    }

    pub(super) fn stat(&self, root: BorrowedFd<'_>) -> Result<PathStat, Error> {
        let found = self.find(root, OFlags::NOFOLLOW)?;
        let stat = fstat(&found).map_err(|errno| self.failed(errno))?;
        let link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        let nanos = i32::try_from(stat.st_mtime_nsec).unwrap_or_default();
        let mtime = Timestamp::new(stat.st_mtime, nanos).unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(PathStat {
            name: self.base().to_owned(),
            size: stat.st_size,
            mode: PathStat::go_mode(stat.st_mode),
            mtime: mtime.to_string(),
            link_target: if link { self.target(root)? } else { String::new() },
        })
    }

    pub(super) fn open(&self, root: BorrowedFd<'_>) -> Result<Opened, Error> {
        let found = self.find(root, OFlags::NOFOLLOW)?;
        let stat = fstat(&found).map_err(|errno| self.failed(errno))?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            return Ok(Opened::Directory(found));
        }
        let base = self.base();
        let above = self.path.trim_end_matches('/').strip_suffix(base).unwrap_or("/");
        let parent = look_up(root, above, OFlags::DIRECTORY).map_err(|errno| self.failed(errno))?;
        let base = CString::new(base).map_err(|_| self.failed(Errno::INVAL))?;
        Ok(Opened::Entry(parent, base))
    }

    /// Refuses what is no directory or cannot be written to.
    pub(super) fn check_writable(
        &self,
        root: BorrowedFd<'_>,
        is_readonly: bool,
    ) -> Result<(), Error> {
        let found = self.find(root, OFlags::empty())?;
        let call = |errno| self.failed(errno);
        let stat = fstat(&found).map_err(call)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return Err(Error::Internal("extraction point is not a directory".to_owned()));
        }
        let is_in_root = stat.st_dev == fstat(root).map_err(call)?.st_dev;
        let flags = fstatvfs(&found).map_err(call)?.f_flag;
        let why = match (is_in_root, flags.contains(StatVfsMountFlags::RDONLY)) {
            (true, true) => "container rootfs is marked read-only",
            (true, false) if is_readonly => "container rootfs is marked read-only",
            (false, true) => "mounted volume is marked read-only",
            (_, false) => return Ok(()),
        };
        Err(Error::Internal(why.to_owned()))
    }

    /// The location. What the kernel's own file systems show is no file of the container; where they
    /// are mounted is an empty directory.
    fn find(&self, root: BorrowedFd<'_>, flags: OFlags) -> Result<OwnedFd, Error> {
        let found = look_up(root, &self.path, flags).map_err(|errno| self.failed(errno))?;
        let is_kernel_s = is_kernel_file_system(&found).map_err(|errno| self.failed(errno))?;
        if is_kernel_s && !is_mount_root(&found).map_err(|errno| self.failed(errno))? {
            return Err(self.failed(Errno::NOENT));
        }
        Ok(found)
    }

    /// Where a symbolic link leads to in the end, or as far as there is anything.
    fn target(&self, root: BorrowedFd<'_>) -> Result<String, Error> {
        let mut names: VecDeque<String> = self.path.split('/').map(str::to_owned).collect();
        let mut way: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(name) = names.pop_front() {
            match name.as_str() {
                "" | "." => continue,
                ".." => {
                    way.pop();
                    continue;
                }
                _ => way.push(name),
            }
            let path = format!("/{}", way.join("/"));
            let Ok(found) = look_up(root, &path, OFlags::NOFOLLOW) else { continue };
            let Ok(link) = readlinkat(&found, "", Vec::new()) else { continue };
            links += 1;
            if links > LINKS {
                return Err(self.failed(Errno::LOOP));
            }
            let link = link.to_string_lossy().into_owned();
            way.pop();
            if link.starts_with('/') {
                way.clear();
            }
            for name in link.rsplit('/') {
                names.push_front(name.to_owned());
            }
        }
        Ok(format!("/{}", way.join("/")))
    }

    fn failed(&self, errno: Errno) -> Error {
        let path = &self.path;
        let why = match errno {
            Errno::NOENT => {
                let (path, container) = (self.asked.clone(), self.called.clone());
                return Error::NoFile { path, container };
            }
            Errno::NOTDIR => "not a directory".to_owned(),
            Errno::LOOP => "too many levels of symbolic links".to_owned(),
            errno => errno.to_string(),
        };
        Error::Internal(format!("lstat {path}: {why}"))
    }
}

fn is_mount_root(location: &OwnedFd) -> Result<bool, Errno> {
    let stat = statx(location, "", AtFlags::EMPTY_PATH, StatxFlags::empty())?;
    Ok(stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

fn look_up(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..RETRIES {
        match openat2(root, path, flags | LOCATION, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
    Err(Errno::AGAIN)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;

    use super::*;

    fn target(root: &File, path: &str) -> String {
        Place::new(path, "c").unwrap().stat(root.as_fd()).unwrap().link_target
    }

    #[test]
    fn links_are_told_to_their_end() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("a/b")).unwrap();
        symlink("/a/b", directory.path().join("abs")).unwrap();
        symlink("../../../abs/../c", directory.path().join("a/up")).unwrap();
        symlink("loop", directory.path().join("loop")).unwrap();
        let root = File::open(directory.path()).unwrap();
        assert_eq!(target(&root, "/abs"), "/a/b");
        assert_eq!(target(&root, "a/up"), "/a/c");
        assert_eq!(target(&root, "/abs/"), "");
        assert!(Place::new("/loop", "c").unwrap().stat(root.as_fd()).is_err());
    }

    #[test]
    fn names_and_kinds() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("f"), "text").unwrap();
        let root = File::open(directory.path()).unwrap();
        let stat = |path: &str| Place::new(path, "c").unwrap().stat(root.as_fd());
        let name = |path: &str| stat(path).unwrap().name;
        assert_eq!(
            (name("/").as_str(), name("/.").as_str(), name("//f").as_str()),
            ("/", ".", "f")
        );
        assert_eq!(stat("f").unwrap().size, 4);
        assert_eq!(
            stat("/x").unwrap_err().to_string(),
            "Could not find the file /x in container c"
        );
        assert_eq!(stat("/f/x").unwrap_err().to_string(), "lstat /f/x: not a directory");
    }
}
