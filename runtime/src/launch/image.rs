//! A read-only image of a program. A container's process that reaches the launcher's or a monitor's
//! `/proc/<pid>/exe` must not be able to write to the binary on disk (CVE-2019-5736).
//!
//! First choice: a detached bind mount of the file with the read-only attribute; no byte is copied
//! and the pages stay shared. Where the kernel lacks open_tree(2) or mount_setattr(2) (before
//! Linux 5.12): a sealed copy in memory.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    CWD, MemfdFlags, SealFlags, StatVfsMountFlags, fcntl_add_seals, fcntl_get_seals, memfd_create,
    statvfs,
};
use rustix::mount::{OpenTreeFlags, open_tree};

use crate::sys;

/// Largest program that is copied into memory, in bytes.
const COPY_MAX: u64 = 256 << 20;

/// Opens a read-only image of `program`. Symbolic links are followed.
pub(crate) fn read_only(program: &Path) -> io::Result<OwnedFd> {
    mounted(program).or_else(|_| copied(program))
}

/// The path by which a child of this process can execute an image.
pub(crate) fn path(image: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", image.as_raw_fd()))
}

/// Whether this process itself runs from such an image.
pub(crate) fn is_own() -> bool {
    const OWN: &str = "/proc/self/exe";
    statvfs(OWN).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY))
        || File::open(OWN).is_ok_and(|own| {
            fcntl_get_seals(&own).is_ok_and(|seals| seals.contains(SealFlags::WRITE))
        })
}

fn mounted(program: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = open_tree(CWD, program, flags)?;
    let attributes = sys::mount::MountAttr { set: libc::MOUNT_ATTR_RDONLY, ..Default::default() };
    sys::mount::mount_setattr(mount.as_fd(), false, &attributes)?;
    Ok(mount)
}

fn copied(program: &Path) -> io::Result<OwnedFd> {
    let mut source = File::open(program)?;
    if source.metadata()?.len() > COPY_MAX {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    let memory = memfd_create("jockerd", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut copy = File::from(memory);
    io::copy(&mut source, &mut copy)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    fcntl_add_seals(&copy, seals)?;
    Ok(copy.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_copy_is_sealed_and_runs() {
        let image = copied(Path::new("/bin/true")).unwrap();
        assert!(Command::new(path(&image)).status().unwrap().success());
        let mut writable = File::options().write(true).open(path(&image)).unwrap();
        assert_eq!(writable.write(b"x").unwrap_err().raw_os_error(), Some(libc::EPERM));
    }

    #[test]
    fn a_mounted_image_is_read_only_and_runs() {
        let image = mounted(Path::new("/bin/true")).unwrap();
        assert!(Command::new(path(&image)).status().unwrap().success());
        let error = File::options().write(true).open(path(&image)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EROFS));
    }
}
