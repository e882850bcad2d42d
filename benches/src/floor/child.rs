//! The floor's child, between clone3 and exec: plain system calls, each a numbered step.

use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, FileType, Mode, makedev, mkdirat, mknodat};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, UnmountFlags, mount, mount_change,
    move_mount, unmount,
};
use rustix::process::{chdir, pivot_root};

use super::sys;

/// Exit codes of the child begin here: this plus the number of the step that failed.
pub(super) const FIRST_STEP: i32 = 100;

/// Becomes `/bin/true` inside; gives the exit code when it can not.
pub(super) fn run(root: &OwnedFd, point: &Path, gate: &OwnedFd) -> i32 {
    let steps: [&dyn Fn() -> Result<(), Errno>; 9] = [
        &|| rustix::io::read(gate, &mut [0; 1]).map(|_| ()),
        &|| mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC),
        &|| move_mount(root, "", CWD, point, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH),
        &|| chdir(point),
        &system_mounts,
        &devices,
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
    FIRST_STEP + 10
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
