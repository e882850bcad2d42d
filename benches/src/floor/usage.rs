//! What a child has used, told by the wait for it.

use anyhow::{Context, Result};

use super::sys;

/// The use of several processes: processor times are added, of memory the highest peak counts.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Usage {
    /// Of user and system, in milliseconds.
    pub(crate) processor_ms: f64,
    /// Resident, in megabytes.
    pub(crate) peak_mb: f64,
}

/// Waits for a child and adds what it and its own children have used. Its exit code, or 128 + n for a signal.
pub(crate) fn wait(child: impl TryInto<i32>, usage: &mut Usage) -> Result<i32> {
    let child = child.try_into().ok().context("no process id")?;
    let (status, spent) = sys::wait_with_usage(child)?;
    let milliseconds = |time: libc::timeval| time.tv_sec as f64 * 1e3 + time.tv_usec as f64 / 1e3;
    usage.processor_ms += milliseconds(spent.ru_utime) + milliseconds(spent.ru_stime);
    usage.peak_mb = usage.peak_mb.max(spent.ru_maxrss as f64 / 1024.0);
    Ok(status)
}

/// Processes whose parents end become children of this one.
pub(crate) fn adopt_orphans() -> Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .context("prctl(PR_SET_CHILD_SUBREAPER)")
}
