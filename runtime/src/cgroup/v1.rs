//! Version 1: the same path in every hierarchy. On hybrid hosts version 2 is one more of them.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use std::{fs, io};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    CgroupError, CgroupPlan, Details, DeviceClass, DeviceRule, Hierarchy, Stats, Write, details,
    files, stats,
};

/// How long freezing may take.
const FREEZE_LIMIT: Duration = Duration::from_millis(500);

/// How often it is tried: 10 s in all.
const FREEZE_TRIES: u32 = 20;

/// What lies between two tries.
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

/// How often the list of processes is read again while killing without a freezer.
const KILL_ROUNDS: usize = 50;

/// The groups of one container in all hierarchies.
pub(super) struct Groups {
    /// Controllers and directory, in the order in which processes are attached.
    groups: Vec<(Vec<String>, PathBuf)>,
    unified: Option<PathBuf>,
}

impl Groups {
    pub(super) fn new(path: &str, hierarchies: &[Hierarchy], unified: Option<&Path>) -> Self {
        let below = |mount: &Path| mount.join(path.trim_start_matches('/'));
        let groups = hierarchies
            .iter()
            .map(|hierarchy| (hierarchy.controllers.clone(), below(&hierarchy.mount)))
            .collect();
        Self { groups, unified: unified.map(below) }
    }

    pub(super) fn directories(&self) -> impl Iterator<Item = &Path> {
        self.groups.iter().map(|(_, directory)| directory.as_path()).chain(self.unified.as_deref())
    }

    /// The directory in the hierarchy of a controller. On hybrid hosts, a controller that no
    /// version 1 hierarchy has can only be in version 2.
    fn of(&self, controller: &str) -> Option<&Path> {
        self.groups
            .iter()
            .find(|(controllers, _)| controllers.iter().any(|name| name == controller))
            .map(|(_, directory)| directory.as_path())
    }

    /// `taken`: groups with processes in them are systemd's, made for this container.
    pub(super) fn create(&self, plan: &CgroupPlan, taken: bool) -> Result<(), CgroupError> {
        let make = |directory: &Path, cpuset| match make(directory, cpuset) {
            Err(CgroupError::Populated { .. }) if taken => Ok(()),
            made => made,
        };
        for (controllers, directory) in &self.groups {
            make(directory, controllers.iter().any(|name| name == "cpuset"))?;
        }
        if let Some(directory) = &self.unified {
            make(directory, false)?;
        }
        self.limit(&plan.limits)?;
        self.allow_devices(&plan.devices)
    }

    pub(super) fn limit(&self, limits: &[Write]) -> Result<(), CgroupError> {
        files::limit(limits, |limit| self.limited_by(limit))
    }

    /// The values that these limits are about to replace.
    pub(super) fn present(&self, limits: &[Write]) -> Result<Vec<Write>, CgroupError> {
        files::present(limits, |limit| self.limited_by(limit))
    }

    /// The directory that has the file of a limit.
    fn limited_by(&self, limit: &Write) -> Result<&Path, CgroupError> {
        if let Some(directory) = self.of(&limit.controller) {
            return Ok(directory);
        }
        let none = || CgroupError::NoController { controller: limit.controller.clone() };
        let unified = self.unified.as_deref().ok_or_else(none)?;
        super::v2::enable(unified, &[&limit.controller])?;
        Ok(unified)
    }

    /// `devices.deny` and `devices.allow` take one rule a write; cgroup-v1/devices.rst.
    fn allow_devices(&self, rules: &[DeviceRule]) -> Result<(), CgroupError> {
        let Some(directory) = self.of("devices").filter(|_| !rules.is_empty()) else {
            return Ok(());
        };
        let open = |name: &str| {
            let path = directory.join(name);
            match OpenOptions::new().write(true).open(&path) {
                Ok(file) => Ok((file, path)),
                Err(source) => Err(CgroupError::Write { path, value: String::new(), source }),
            }
        };
        let (mut allow, mut deny) = (open("devices.allow")?, open("devices.deny")?);
        for rule in rules {
            let (file, path) = if rule.allow { &mut allow } else { &mut deny };
            let value = device_line(rule);
            file.write_all(value.as_bytes()).map_err(|source| CgroupError::Write {
                path: path.clone(),
                value,
                source,
            })?;
        }
        Ok(())
    }

    /// Moves the calling thread, the only one of its process, into the groups of version 1. For a thread that moves
    /// itself the kernel skips the lock whose grace period makes [`Self::attach`] slow (`cgroup_procs_write_start`).
    pub(super) fn enter(&self) -> Result<(), CgroupError> {
        for (_, directory) in &self.groups {
            match files::write(&directory.join("tasks"), "0") {
                Err(error) if error.errno() == Some(libc::ENOSPC) => {
                    inherit_cpuset(directory)?;
                    files::write(&directory.join("tasks"), "0")?;
                }
                done => done?,
            }
        }
        Ok(())
    }

    /// The version 2 part of a hybrid host; `None` where there is none, or not this group.
    pub(super) fn open_unified(&self) -> Result<Option<OwnedFd>, CgroupError> {
        let Some(unified) = self.unified.as_deref().filter(|unified| unified.exists()) else {
            return Ok(None);
        };
        files::open_directory(unified).map(Some)
    }

    pub(super) fn attach(&self, pid: i32) -> Result<(), CgroupError> {
        let value = pid.to_string();
        for directory in self.directories() {
            match files::write(&directory.join("cgroup.procs"), &value) {
                // An empty cpuset takes no process.
                Err(error) if error.errno() == Some(libc::ENOSPC) => {
                    inherit_cpuset(directory)?;
                    files::write(&directory.join("cgroup.procs"), &value)?;
                }
                done => done?,
            }
        }
        Ok(())
    }

    pub(super) fn freeze(&self) -> Result<(), CgroupError> {
        // A process that is killed while it stands does not end, and the init that waits for its end does not stand: only
        // between two tries both can go.
        for _ in 0..FREEZE_TRIES {
            self.start_freezing()?;
            if files::wait_until(FREEZE_LIMIT, || self.stands()) {
                return Ok(());
            }
            self.thaw()?;
            thread::sleep(BETWEEN_TRIES);
        }
        Err(CgroupError::Timeout { what: "freezing", path: self.freezer()?.to_owned() })
    }

    pub(super) fn start_freezing(&self) -> Result<(), CgroupError> {
        files::write(&self.freezer()?.join("freezer.state"), "FROZEN")
    }

    pub(super) fn stands(&self) -> bool {
        self.state().trim() == "FROZEN"
    }

    pub(super) fn thaw(&self) -> Result<(), CgroupError> {
        files::write(&self.freezer()?.join("freezer.state"), "THAWED")
    }

    pub(super) fn is_frozen(&self) -> bool {
        matches!(self.state().trim(), "FROZEN" | "FREEZING")
    }

    /// What the freezer says; empty when the group is gone.
    fn state(&self) -> String {
        let read = |group: &Path| files::read_or_empty(&group.join("freezer.state"));
        self.freezer().map(read).unwrap_or_default()
    }

    fn freezer(&self) -> Result<&Path, CgroupError> {
        self.of("freezer")
            .ok_or_else(|| CgroupError::NoController { controller: "freezer".to_owned() })
    }

    /// By `cgroup.kill` (Linux 5.14) where version 2 is mounted beside; else frozen, so that none
    /// forks away and no pid is used anew, signalled and thawed.
    pub(super) fn kill(&self) -> Result<(), CgroupError> {
        if let Some(unified) = &self.unified
            && files::write(&unified.join("cgroup.kill"), "1").is_ok()
        {
            // Frozen ones take the signal when they are thawed.
            return self.freezer().map_or(Ok(()), |_| self.thaw_rest());
        }
        for _ in 0..KILL_ROUNDS {
            let pids = self.pids()?;
            if pids.is_empty() {
                break;
            }
            let frozen = self.freeze().is_ok();
            for pid in if frozen { self.pids()? } else { pids } {
                if let Some(pid) = Pid::from_raw(pid) {
                    // Gone already is as good.
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            if frozen {
                return self.thaw_rest();
            }
        }
        Ok(())
    }

    /// Thaws what is left after a kill: groups whose processes have ended may be gone already.
    fn thaw_rest(&self) -> Result<(), CgroupError> {
        self.thaw().or_else(|error| match error.errno() {
            Some(libc::ENOENT | libc::ENODEV) => Ok(()),
            _ => Err(error),
        })
    }

    pub(super) fn pids(&self) -> Result<Vec<i32>, CgroupError> {
        let mut pids = Vec::new();
        if let Some(directory) = self.of("freezer").or_else(|| self.directories().next()) {
            files::pids(directory, &mut pids);
        }
        Ok(pids)
    }

    pub(super) fn oom_kills(&self) -> u64 {
        self.of("memory")
            .map(|directory| files::read_or_empty(&directory.join("memory.oom_control")))
            .and_then(|text| files::keyed(&text, "oom_kill"))
            .unwrap_or(0)
    }

    pub(super) fn stats(&self) -> Result<Stats, CgroupError> {
        stats::version_1(|controller| self.of(controller))
    }

    pub(super) fn details(&self) -> Details {
        details::version_1(|controller| self.of(controller))
    }

    pub(super) fn remove(&self) -> Result<(), CgroupError> {
        let mut first = Ok(());
        for directory in self.directories() {
            let removed = files::remove(directory);
            if first.is_ok() {
                first = removed;
            }
        }
        first
    }
}

/// Makes a group and, if need be, those above it. In a cpuset hierarchy those above hand their
/// processors and memory nodes down to each new group (`cgroup.clone_children`), which saves every
/// later start the copying.
fn make(directory: &Path, cpuset: bool) -> Result<(), CgroupError> {
    match files::make(directory) {
        Err(CgroupError::Create { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        made => return made,
    }
    let missing: Vec<&Path> =
        directory.ancestors().skip(1).take_while(|above| !above.exists()).collect();
    for above in missing.into_iter().rev() {
        match fs::create_dir(above) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(CgroupError::Create { path: above.to_owned(), source: error });
            }
            _ if cpuset => {
                inherit_cpuset(above)?;
                files::write(&above.join("cgroup.clone_children"), "1")?;
            }
            _ => {}
        }
    }
    files::make(directory)
}

/// Gives a cpuset without processors or memory nodes those of the group above.
fn inherit_cpuset(directory: &Path) -> Result<(), CgroupError> {
    let Some(above) = directory.parent() else { return Ok(()) };
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let own = files::read(&directory.join(file))?;
        if own.trim().is_empty() {
            let mut value = files::read(&above.join(file))?;
            if value.trim().is_empty() {
                inherit_cpuset(above)?;
                value = files::read(&above.join(file))?;
            }
            files::write(&directory.join(file), value.trim())?;
        }
    }
    Ok(())
}

/// `c 1:3 rwm`; `a` for everything.
fn device_line(rule: &DeviceRule) -> String {
    let letter = match rule.kind {
        DeviceClass::All => return "a".to_owned(),
        DeviceClass::Block => 'b',
        DeviceClass::Character => 'c',
    };
    let number = |number: Option<u32>| number.map_or("*".to_owned(), |number| number.to_string());
    let mut line = format!("{letter} {}:{} ", number(rule.major), number(rule.minor));
    for (letter, given) in [('r', rule.read), ('w', rule.write), ('m', rule.mknod)] {
        if given {
            line.push(letter);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_lines() {
        let rule = DeviceRule {
            allow: true,
            kind: DeviceClass::Character,
            major: Some(136),
            minor: None,
            read: true,
            write: true,
            mknod: false,
        };
        assert_eq!(device_line(&rule), "c 136:* rw");
        assert_eq!(device_line(&DeviceRule { kind: DeviceClass::All, ..rule }), "a");
    }
}
