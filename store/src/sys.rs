//! System calls that the crates in use have no safe function for, one thin function each.

use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;

/// Starts to write a file's dirty pages to the disk and does not wait for it, so that the sync
/// that follows finds little to do; sync_file_range(2). It makes nothing durable. Where a file
/// system has no such call, nothing happens.
pub(crate) fn start_writeback(file: impl AsFd, offset: u64, length: u64) -> Result<(), Errno> {
    let (Ok(offset), Ok(length)) = (i64::try_from(offset), i64::try_from(length)) else {
        return Ok(());
    };
    let file = file.as_fd().as_raw_fd();
    // SAFETY: takes numbers only; the descriptor is borrowed for the call.
    let result =
        unsafe { libc::sync_file_range(file, offset, length, libc::SYNC_FILE_RANGE_WRITE) };
    if result == 0 {
        return Ok(());
    }
    match std::io::Error::last_os_error().raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSYS | Errno::INVAL | Errno::SPIPE) | None => Ok(()),
        Some(errno) => Err(errno),
    }
}

/// Gives free memory of the heap back to the kernel; malloc_trim(3).
pub(crate) fn trim_heap() {
    // SAFETY: takes a number; touches free memory of the heap only.
    unsafe { libc::malloc_trim(0) };
}

/// A project of a file system's quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Project {
    pub(crate) number: u32,
    /// What it may hold, in blocks of 512 bytes; 0 for no limit.
    pub(crate) blocks: u64,
    /// What it holds, in such blocks. Not to be set.
    pub(crate) used: u64,
}

/// `struct fs_disk_quota`; linux/dqblk_xfs.h.
#[repr(C)]
#[derive(Debug, Default)]
struct DiskQuota {
    version: i8,
    flags: i8,
    mask: u16,
    id: u32,
    blocks_hard: u64,
    blocks_soft: u64,
    inodes_hard: u64,
    inodes_soft: u64,
    blocks: u64,
    inodes: u64,
    timers: [i32; 2],
    warnings: [u16; 2],
    padding: i32,
    realtime: [u64; 3],
    realtime_timer: i32,
    realtime_warnings: u16,
    more_padding: [u8; 10],
}

/// `struct fs_quota_stat`; linux/dqblk_xfs.h.
#[repr(C)]
#[derive(Debug, Default)]
struct QuotaState {
    version: i8,
    flags: u16,
    files: [[u64; 3]; 2],
    quotas: u32,
    limits: [i32; 3],
    warnings: [u16; 2],
}

/// `struct fsxattr`; linux/fs.h.
#[repr(C)]
#[derive(Debug, Default)]
struct FileAttributes {
    flags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    copy_extent_size: u32,
    padding: [u8; 8],
}

const Q_XGETQUOTA: u32 = 0x5803;
const Q_XSETQLIM: u32 = 0x5804;
const Q_XGETQSTAT: u32 = 0x5805;
/// Commands are shifted to make room for the kind of quota.
const COMMAND_SHIFT: u32 = 8;
const PRJQUOTA: u32 = 2;
const FS_DQUOT_VERSION: i8 = 1;
const FS_PROJ_QUOTA: i8 = 2;
const FS_DQ_BSOFT: u16 = 1 << 2;
const FS_DQ_BHARD: u16 = 1 << 3;
const FS_QUOTA_PDQ_ENFD: u16 = 1 << 5;
const FS_IOC_FSGETXATTR: u64 = 0x801c_581f;
const FS_IOC_FSSETXATTR: u64 = 0x401c_5820;
const FS_XFLAG_PROJINHERIT: u32 = 0x200;

/// Whether the file system holds projects to their limits; quotactl(2), `Q_XGETQSTAT`.
pub(crate) fn enforces_projects(on: impl AsFd) -> bool {
    let mut state = QuotaState::default();
    quotactl(on, Q_XGETQSTAT, 0, &mut state).is_ok() && state.flags & FS_QUOTA_PDQ_ENFD != 0
}

/// What a project may hold and holds; `Q_XGETQUOTA`.
pub(crate) fn project(on: impl AsFd, number: u32) -> Result<Project, Errno> {
    let mut quota = DiskQuota::default();
    quotactl(on, Q_XGETQUOTA, number, &mut quota)?;
    Ok(Project { number, blocks: quota.blocks_hard, used: quota.blocks })
}

/// Sets what a project may hold; `Q_XSETQLIM`.
pub(crate) fn set_project(on: impl AsFd, project: &Project) -> Result<(), Errno> {
    let mut quota = DiskQuota {
        version: FS_DQUOT_VERSION,
        flags: FS_PROJ_QUOTA,
        mask: FS_DQ_BHARD | FS_DQ_BSOFT,
        id: project.number,
        blocks_hard: project.blocks,
        blocks_soft: project.blocks,
        ..DiskQuota::default()
    };
    quotactl(on, Q_XSETQLIM, project.number, &mut quota)
}

/// The project of a file or directory.
pub(crate) fn project_of(file: impl AsFd) -> Result<u32, Errno> {
    attributes(file).map(|attributes| attributes.project)
}

/// Makes a directory, and what comes into it from now on, part of a project.
pub(crate) fn set_project_of(directory: impl AsFd, number: u32) -> Result<(), Errno> {
    let mut attributes = attributes(directory.as_fd())?;
    attributes.project = number;
    attributes.flags |= FS_XFLAG_PROJINHERIT;
    let directory = directory.as_fd().as_raw_fd();
    // SAFETY: `attributes` is the kernel's structure, and lives through the call.
    check(unsafe { libc::ioctl(directory, FS_IOC_FSSETXATTR, &raw const attributes) }.into())
}

fn attributes(file: impl AsFd) -> Result<FileAttributes, Errno> {
    let mut attributes = FileAttributes::default();
    let file = file.as_fd().as_raw_fd();
    // SAFETY: as long as the kernel's structure, which it fills.
    check(unsafe { libc::ioctl(file, FS_IOC_FSGETXATTR, &raw mut attributes) }.into())?;
    Ok(attributes)
}

/// `T` is what the kernel expects for the command, or longer.
fn quotactl<T>(on: impl AsFd, command: u32, number: u32, value: &mut T) -> Result<(), Errno> {
    let command = command << COMMAND_SHIFT | PRJQUOTA;
    let file = on.as_fd().as_raw_fd();
    // SAFETY: `value` lives through the call; every caller gives the structure of its command.
    check(unsafe {
        libc::syscall(libc::SYS_quotactl_fd, file, command, number, std::ptr::from_mut(value))
    })
}

fn check(result: libc::c_long) -> Result<(), Errno> {
    match result {
        0.. => Ok(()),
        _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_are_as_long_as_the_kernel_s() {
        assert_eq!(size_of::<DiskQuota>(), 112);
        assert_eq!(std::mem::offset_of!(DiskQuota, realtime), 72);
        assert_eq!(size_of::<QuotaState>(), 80);
        assert_eq!(size_of::<FileAttributes>(), 28);
    }
}
