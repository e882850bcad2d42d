//! The floor's child, between clone3 and exec: plain system calls, each a numbered step.

use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mkdirat, mknodat};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, UnmountFlags, mount, mount_bind,
    mount_change, mount_remount, move_mount, unmount,
};
use rustix::process::{chdir, pivot_root};

use super::sys;

/// Exit codes of the child begin here: this plus the number of the step that failed.
pub(super) const FIRST_STEP: i32 = 100;

/// Files that a container has of its own.
pub(super) const ETC: [&str; 3] = ["hostname", "hosts", "resolv.conf"];

/// Of the paths that Docker hides, those that most kernels have.
const HIDDEN_FILES: [&str; 4] = ["proc/kcore", "proc/keys", "proc/timer_list", "proc/interrupts"];
const HIDDEN_DIRECTORIES: [&str; 3] = ["proc/acpi", "proc/scsi", "sys/firmware"];
/// What Docker makes read-only.
const READ_ONLY: [&str; 5] = ["proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"];

/// What the child is to do.
#[derive(Debug)]
pub(super) struct Work<'a> {
    /// The root, a detached mount.
    pub(super) mount: &'a OwnedFd,
    pub(super) point: &'a Path,
    /// Control groups to enter.
    pub(super) groups: &'a [PathBuf],
    /// A directory with the files of [`ETC`]: Docker's further mounts are made too.
    pub(super) etc: Option<&'a Path>,
}

/// Becomes `/bin/true` inside; gives the exit code when it can not.
pub(super) fn run(work: &Work<'_>) -> i32 {
    let steps: [&dyn Fn() -> Result<(), Errno>; 10] = [
        &|| work.groups.iter().try_for_each(|group| enter(group)),
        &|| mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC),
        &|| move_mount(work.mount, "", CWD, work.point, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH),
        &|| chdir(work.point),
        &system_mounts,
        &devices,
        &|| work.etc.map_or(Ok(()), |etc| docker_mounts(etc, work.groups)),
        &|| pivot_root(".", "."),
        &|| unmount(".", UnmountFlags::DETACH),
        &|| chdir("/"),
    ];
    for (number, step) in (1..).zip(steps) {
        if step().is_err() {
            return FIRST_STEP + number;
        }
    }
    sys::execute(c"/bin/true");
    FIRST_STEP + 11
}

/// A process that moves itself alone by `tasks` spares the kernel a grace period.
fn enter(group: &Path) -> Result<(), Errno> {
    let open = |file| rustix::fs::open(group.join(file), OFlags::WRONLY, Mode::empty());
    let file = open("tasks").or_else(|_| open("cgroup.procs"))?;
    rustix::io::write(file, b"0").map(drop)
}

/// What Docker mounts beyond the file systems that every container has: the files in `/etc`, the control groups, and
/// what hides the host.
fn docker_mounts(etc: &Path, groups: &[PathBuf]) -> Result<(), Errno> {
    let quiet = MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV;
    let read_only = MountFlags::BIND | MountFlags::RDONLY | quiet;
    let mut point = PathBuf::from("sys/fs/cgroup");
    mount("tmpfs", &point, "tmpfs", quiet, Some(c"mode=755"))?;
    for (number, group) in groups.iter().enumerate() {
        point.push(number.to_string());
        mkdirat(CWD, &point, Mode::from_raw_mode(0o755))?;
        mount_bind(group, &point)?;
        mount_remount(&point, read_only, "")?;
        point.pop();
    }
    for file in ETC {
        mount_bind(etc.join(file), Path::new("etc").join(file))?;
    }
    for path in HIDDEN_FILES.iter().filter(|path| Path::new(path).exists()) {
        mount_bind("dev/null", *path)?;
    }
    for path in HIDDEN_DIRECTORIES.iter().filter(|path| Path::new(path).exists()) {
        mount("tmpfs", *path, "tmpfs", MountFlags::RDONLY, None)?;
    }
    for path in READ_ONLY.iter().filter(|path| Path::new(path).exists()) {
        mount_bind(*path, *path)?;
        mount_remount(*path, read_only, "")?;
    }
    Ok(())
}

fn system_mounts() -> Result<(), Errno> {
    let quiet = MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV;
    mount("proc", "proc", "proc", quiet, None)?;
    mount("sysfs", "sys", "sysfs", quiet | MountFlags::RDONLY, None)?;
    mount("tmpfs", "dev", "tmpfs", MountFlags::NOSUID, Some(c"mode=755,size=65536k"))?;
    for dir in ["dev/pts", "dev/shm", "dev/mqueue"] {
        mkdirat(CWD, dir, Mode::from_raw_mode(0o755))?;
    }
    let options = c"newinstance,ptmxmode=0666,mode=0620,gid=5";
    mount("devpts", "dev/pts", "devpts", MountFlags::NOSUID | MountFlags::NOEXEC, Some(options))?;
    mount("shm", "dev/shm", "tmpfs", quiet, Some(c"mode=1777,size=65536k"))?;
    mount("mqueue", "dev/mqueue", "mqueue", quiet, None)
}

fn devices() -> Result<(), Errno> {
    for (name, major, minor) in [
        ("dev/null", 1, 3),
        ("dev/zero", 1, 5),
        ("dev/full", 1, 7),
        ("dev/random", 1, 8),
        ("dev/urandom", 1, 9),
        ("dev/tty", 5, 0),
    ] {
        let mode = Mode::from_raw_mode(0o666);
        mknodat(CWD, name, FileType::CharacterDevice, mode, makedev(major, minor))?;
    }
    Ok(())
}
