//! Version 2: one tree; cgroup-v2.rst.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{CgroupError, CgroupPlan, Details, Stats, Write, details, devices, files, stats};

/// How long freezing may take.
const FREEZE_LIMIT: Duration = Duration::from_secs(10);

/// Controllers that a container's group gets if the layout has them: for limits and for statistics.
const CONTROLLERS: [&str; 6] = ["cpuset", "cpu", "io", "memory", "hugetlb", "pids"];

/// The group of one container.
pub(super) struct Group {
    directory: PathBuf,
    /// Of [`CONTROLLERS`], those of the host.
    controllers: Vec<&'static str>,
}

impl Group {
    pub(super) fn new(path: &str, mount: &Path, host: &[String]) -> Self {
        let has = |name: &&'static str| host.iter().any(|controller| controller == name);
        Self {
            directory: mount.join(path.trim_start_matches('/')),
            controllers: CONTROLLERS.into_iter().filter(has).collect(),
        }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn create(&self, plan: &CgroupPlan) -> Result<(), CgroupError> {
        let made = files::make(&self.directory);
        match made {
            Err(CgroupError::Create { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                if let Some(above) = self.directory.parent() {
                    std::fs::create_dir_all(above)
                        .map_err(|source| CgroupError::Create { path: above.to_owned(), source })?;
                }
                files::make(&self.directory)?;
            }
            made => made?,
        }
        self.set(plan)
    }

    /// Sets limits and device rules of the group, which is there.
    pub(super) fn set(&self, plan: &CgroupPlan) -> Result<(), CgroupError> {
        enable(&self.directory, &self.controllers)?;
        self.limit(&plan.limits)?;
        if plan.devices.is_empty() {
            return Ok(());
        }
        devices::attach(&self.open_directory()?, &plan.devices).map_err(|(call, source)| {
            CgroupError::Devices { path: self.directory.clone(), call, source }
        })
    }

    /// A descriptor of the directory, close-on-exec.
    pub(super) fn open_directory(&self) -> Result<OwnedFd, CgroupError> {
        files::open_directory(&self.directory)
    }

    pub(super) fn limit(&self, limits: &[Write]) -> Result<(), CgroupError> {
        files::limit(limits, |_| Ok(&self.directory))
    }

    /// The values that these limits are about to replace.
    pub(super) fn present(&self, limits: &[Write]) -> Result<Vec<Write>, CgroupError> {
        files::present(limits, |_| Ok(&self.directory))
    }

    pub(super) fn attach(&self, pid: i32) -> Result<(), CgroupError> {
        files::write(&self.directory.join("cgroup.procs"), &pid.to_string())
    }

    pub(super) fn freeze(&self) -> Result<(), CgroupError> {
        self.start_freezing()?;
        if files::wait_until(FREEZE_LIMIT, || self.stands()) {
            return Ok(());
        }
        self.thaw()?;
        Err(CgroupError::Timeout { what: "freezing", path: self.directory.clone() })
    }

    pub(super) fn start_freezing(&self) -> Result<(), CgroupError> {
        files::write(&self.directory.join("cgroup.freeze"), "1")
    }

    pub(super) fn stands(&self) -> bool {
        let events = files::read_or_empty(&self.directory.join("cgroup.events"));
        files::keyed(&events, "frozen") == Some(1)
    }

    pub(super) fn thaw(&self) -> Result<(), CgroupError> {
        files::write(&self.directory.join("cgroup.freeze"), "0")
    }

    pub(super) fn is_frozen(&self) -> bool {
        files::read_or_empty(&self.directory.join("cgroup.freeze")).trim() == "1"
    }

    /// `cgroup.kill` is of Linux 5.14, and this whole version is not expected on older ones.
    /// A group that is not there, say after a reboot, has nobody in it.
    pub(super) fn kill(&self) -> Result<(), CgroupError> {
        if !self.directory.exists() {
            return Ok(());
        }
        files::write(&self.directory.join("cgroup.kill"), "1")
    }

    pub(super) fn pids(&self) -> Result<Vec<i32>, CgroupError> {
        let mut pids = Vec::new();
        files::pids(&self.directory, &mut pids);
        Ok(pids)
    }

    pub(super) fn oom_kills(&self) -> u64 {
        let events = files::read_or_empty(&self.directory.join("memory.events"));
        files::keyed(&events, "oom_kill").unwrap_or(0)
    }

    pub(super) fn stats(&self) -> Result<Stats, CgroupError> {
        stats::version_2(&self.directory)
    }

    pub(super) fn details(&self) -> Details {
        details::version_2(&self.directory)
    }

    pub(super) fn remove(&self) -> Result<(), CgroupError> {
        files::remove(&self.directory)
    }
}

/// Has the groups above hand controllers down to `directory`, those that they have. One that is
/// not handed down shows when a limit is written.
pub(super) fn enable(directory: &Path, controllers: &[&str]) -> Result<(), CgroupError> {
    let missing = |group: &Path, file: &str| -> Vec<&str> {
        let text = files::read_or_empty(&group.join(file));
        let has = |name: &&&str| text.split_whitespace().any(|word| word == **name);
        controllers.iter().filter(|name| !has(name)).copied().collect()
    };
    if missing(directory, "cgroup.controllers").is_empty() {
        return Ok(());
    }
    let above: Vec<&Path> = directory
        .ancestors()
        .skip(1)
        .take_while(|above| above.join("cgroup.subtree_control").exists())
        .collect();
    for group in above.into_iter().rev() {
        let absent = missing(group, "cgroup.controllers");
        for name in missing(group, "cgroup.subtree_control") {
            if !absent.contains(&name) {
                files::write(&group.join("cgroup.subtree_control"), &format!("+{name}"))?;
            }
        }
    }
    Ok(())
}
