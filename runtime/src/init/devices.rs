//! Device nodes and links in the container's `/dev`.
//!
//! `/dev` is reached by the descriptor of its own fresh mount, never by path: an image whose `/dev`
//! is a symbolic link changes nothing outside.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, chownat, fstat, makedev, mknodat, open, symlinkat,
};
use rustix::io::Errno;

use super::mounts::{self, Mounted};
use super::resolve::{self, Leaf};
use crate::error::{Attempt, StepError, StepErrorKind};
use crate::plan::{Attribute, Device, DeviceKind};

const STEP: &str = "device";

/// Links that every `/dev` has: name and target.
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Makes the nodes and links of the plan. The caller's umask is 0.
pub(super) fn make(
    root: BorrowedFd<'_>,
    devices: &[Device],
    mounted: &Mounted,
) -> Result<(), StepError> {
    if mounted.dev.is_none() && !devices.is_empty() {
        // Nodes would be made elsewhere in the root than where they are looked for.
        mounts::refuse_symlink(root, Path::new("/dev"))?;
    }
    for device in devices {
        one(root, device, mounted.dev.as_ref()).map_err(|e| e.of(device.path.display()))?;
    }
    let Some(dev) = &mounted.dev else {
        return Ok(());
    };
    for (name, target) in LINKS {
        link(dev, name, target)?;
    }
    // proc(5): there is a /proc/kcore only where the kernel was built so.
    if rustix::fs::access("/proc/kcore", rustix::fs::Access::EXISTS).is_ok() {
        link(dev, "core", "/proc/kcore")?;
    }
    Ok(())
}

fn link(dev: &OwnedFd, name: &str, target: &str) -> Result<(), StepError> {
    match symlinkat(target, dev, name) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => {
            Err(StepError::call("link in /dev", format!("symlinkat({target:?}, {name:?})"), errno))
        }
    }
}

fn one(root: BorrowedFd<'_>, device: &Device, dev: Option<&OwnedFd>) -> Result<(), StepError> {
    let (base, path) = match (dev, device.path.strip_prefix("/dev")) {
        (Some(dev), Ok(below)) => (dev.as_fd(), below),
        _ => (root, device.path.as_path()),
    };
    let name = path.file_name().ok_or_else(|| {
        StepError::refused(STEP, format!("{:?} names no file", device.path), StepErrorKind::Other)
    })?;
    let made;
    let parent = match path.parent() {
        Some(parent) if parent.components().next().is_some() => {
            made = resolve::make(base, parent, Leaf::Directory)?;
            made.as_fd()
        }
        _ => base,
    };
    let node = Path::new(name);
    match mknodat(parent, node, file_type(device.kind), mode(device), number(device)) {
        Ok(()) => own(parent, node, device),
        Err(Errno::PERM) if device.kind != DeviceKind::Fifo => bind(parent, node, device),
        Err(errno) => {
            let Device { kind, major, minor, .. } = device;
            Err(StepError::call(STEP, format!("mknodat({kind:?}, {major}:{minor})"), errno))
        }
    }
}

fn own(parent: BorrowedFd<'_>, node: &Path, device: &Device) -> Result<(), StepError> {
    let (uid, gid) = (device.uid, device.gid);
    if (uid, gid) == (0, 0) {
        return Ok(());
    }
    let (owner, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    chownat(parent, node, owner, group, AtFlags::SYMLINK_NOFOLLOW)
        .attempt(STEP, || format!("fchownat({uid}, {gid})"))
}

/// Where nodes may not be made: the host's node of the same path, if it is the same device.
fn bind(parent: BorrowedFd<'_>, node: &Path, device: &Device) -> Result<(), StepError> {
    let (tree, _) = mounts::clone_path(&device.path, false)?;
    if !is_device(tree.as_fd(), device.kind, device.major, device.minor) {
        let why = format!("{:?} of the host is another device", device.path);
        return Err(StepError::refused(STEP, why, StepErrorKind::Other));
    }
    let bits = mounts::attribute_bits(&[Attribute::NoSuid, Attribute::NoExec]);
    mounts::change(tree.as_fd(), false, bits, 0).attempt(STEP, || "mount_setattr".to_owned())?;
    let target = resolve::make(parent, node, Leaf::File)?;
    mounts::onto(tree.as_fd(), target.as_fd())
}

/// The host's `/dev/null`, checked to be it.
pub(super) fn host_null() -> Result<OwnedFd, StepError> {
    let null = open("/dev/null", OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
        .attempt(STEP, || "open(\"/dev/null\", O_PATH)".to_owned())?;
    if !is_device(null.as_fd(), DeviceKind::Character, 1, 3) {
        let why = "/dev/null of the host is not the null device";
        return Err(StepError::refused(STEP, why, StepErrorKind::Other));
    }
    Ok(null)
}

/// Whether the descriptor is of this very device.
pub(super) fn is_device(file: BorrowedFd<'_>, kind: DeviceKind, major: u32, minor: u32) -> bool {
    fstat(file).is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == file_type(kind)
            && stat.st_rdev == makedev(major, minor)
    })
}

fn file_type(kind: DeviceKind) -> FileType {
    match kind {
        DeviceKind::Character => FileType::CharacterDevice,
        DeviceKind::Block => FileType::BlockDevice,
        DeviceKind::Fifo => FileType::Fifo,
    }
}

fn mode(device: &Device) -> Mode {
    Mode::from_raw_mode(device.mode & 0o7777)
}

fn number(device: &Device) -> rustix::fs::Dev {
    match device.kind {
        DeviceKind::Fifo => 0,
        DeviceKind::Character | DeviceKind::Block => makedev(device.major, device.minor),
    }
}
