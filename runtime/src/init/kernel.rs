//! What is written to the kernel's own files: parameters and the OOM score, and the names of the UTS
//! namespace. All writes go through a trusted procfs, and never by a path of the container.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
use rustix::system::{setdomainname, sethostname};

use super::mounts::{Mounted, on_procfs};
use crate::error::{Attempt, StepError, StepErrorKind};
use crate::plan::Plan;

/// A handle of procfs: the one just made for the container, or else the host's, which is still at its
/// place until the root or the namespace is changed.
fn procfs(mounted: &mut Mounted) -> Result<BorrowedFd<'_>, StepError> {
    let made = match mounted.proc.take() {
        Some(made) => made,
        None => open("/proc", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .attempt("procfs", || "open(\"/proc\", O_PATH)".to_owned())?,
    };
    let kept: &OwnedFd = mounted.proc.insert(made);
    Ok(kept.as_fd())
}

/// Writes the plan's kernel parameters.
pub(super) fn set_parameters(plan: &Plan, mounted: &mut Mounted) -> Result<(), StepError> {
    if plan.sysctls.is_empty() {
        return Ok(());
    }
    let proc = procfs(mounted)?;
    for sysctl in &plan.sysctls {
        write(proc, &Path::new("sys").join(&sysctl.path), &sysctl.value, "kernel parameter")?;
    }
    Ok(())
}

/// Sets how likely the process is killed when memory runs out; proc_pid_oom_score_adj(5).
pub(super) fn set_oom_score(score: i32, mounted: &mut Mounted) -> Result<(), StepError> {
    let proc = procfs(mounted)?;
    write(proc, Path::new("self/oom_score_adj"), &score.to_string(), "oom score")
}

/// Sets host and domain name of the process's UTS namespace.
pub(super) fn set_names(plan: &Plan) -> Result<(), StepError> {
    if let Some(name) = &plan.hostname {
        sethostname(name.as_bytes()).attempt("hostname", || format!("sethostname({name:?})"))?;
    }
    if let Some(name) = &plan.domainname {
        setdomainname(name.as_bytes())
            .attempt("domainname", || format!("setdomainname({name:?})"))?;
    }
    Ok(())
}

fn write(proc: BorrowedFd<'_>, path: &Path, value: &str, step: &str) -> Result<(), StepError> {
    let file: OwnedFd = openat2(
        proc,
        path,
        OFlags::WRONLY | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS,
    )
    .attempt(step, || format!("openat2(procfs, {path:?})"))?;
    if !on_procfs(file.as_fd()) {
        let why = format!("{path:?} is not on procfs");
        return Err(StepError::refused(step, why, StepErrorKind::Other));
    }
    let written = rustix::io::write(&file, value.as_bytes())
        .attempt(step, || format!("write({path:?}, {value:?})"))?;
    if written == value.len() {
        return Ok(());
    }
    let why = format!("only {written} bytes of {value:?} were taken by {path:?}");
    Err(StepError::refused(step, why, StepErrorKind::Other))
}
