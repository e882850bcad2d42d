//! What the kernel's security modules are to see in the program: SELinux's context, AppArmor's profile. Both take
//! effect with the exec; proc_pid_attr(5).

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, open};

use crate::error::{Attempt, StepError, StepErrorKind};
use crate::plan::Process;

const STEP: &str = "security label";

/// The files that the labels are written to, and the labels. Opened by the host's procfs, before the container's may be
/// in its place.
#[derive(Debug, Default)]
pub(super) struct Labels(Vec<(OwnedFd, String)>);

impl Labels {
    pub(super) fn open(process: &Process) -> Result<Self, StepError> {
        let mut all = Vec::new();
        if let Some(profile) = &process.apparmor_profile {
            let file = match attribute("/proc/self/attr/apparmor/exec") {
                // Before Linux 5.8 the modules share one file.
                Err(error) if error.errno == Some(libc::ENOENT) => {
                    attribute("/proc/self/attr/exec")
                }
                file => file,
            };
            all.push((file?, format!("exec {profile}")));
        }
        if let Some(label) = &process.selinux_label {
            all.push((attribute("/proc/self/attr/exec")?, label.clone()));
        }
        Ok(Self(all))
    }

    /// Has the next exec of this process take them on.
    pub(super) fn set(&self) -> Result<(), StepError> {
        self.0.iter().try_for_each(|(file, label)| {
            let call = || format!("write(\"/proc/self/attr\", {label:?})");
            match rustix::io::write(file, label.as_bytes()) {
                Ok(length) if length == label.len() => Ok(()),
                Ok(_) => Err(StepError::refused(STEP, call(), StepErrorKind::Other)),
                Err(errno) => Err(StepError::call(STEP, call(), errno)),
            }
        })
    }
}

fn attribute(path: &str) -> Result<OwnedFd, StepError> {
    open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
        .attempt(STEP, || format!("open({path:?})"))
}
