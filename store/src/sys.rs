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
