//! User, groups and capabilities of the program: resolved inside the root, put on in the one order
//! that works; credentials(7), capabilities(7).

use std::io::Read;
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::{FileType, Gid, OFlags, Uid, fstat};
use rustix::io::Errno;
use rustix::thread::{
    self, CapabilitySets, clear_ambient_capability_set, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities,
};

use super::resolve;
use super::users::{self, Identity};
use crate::caps::CapabilitySet;
use crate::error::{Attempt, StepError, StepErrorKind};
use crate::plan::{Capabilities, Process, User};

/// Longest `passwd` or `group` that is read, in bytes.
const FILE_MAX: u64 = 4 << 20;

const STEP: &str = "identity";

/// Finds out who the program runs as. `root` is the container's root directory.
pub(super) fn resolve(root: BorrowedFd<'_>, process: &Process) -> Result<Identity, StepError> {
    let wants_home = !process.env.iter().any(|variable| variable.starts_with("HOME="));
    match &process.user {
        User::Name { user, group_add } => {
            let (passwd, group) = (read(root, "/etc/passwd")?, read(root, "/etc/group")?);
            users::resolve(user, group_add, &passwd, &group)
        }
        User::Id { uid, gid, groups } => {
            let home =
                if wants_home { users::home_of(*uid, &read(root, "/etc/passwd")?) } else { None };
            Ok(Identity { uid: *uid, gid: *gid, groups: groups.clone(), home })
        }
    }
}

/// User and group id of `user[:group]` in the container with this root.
pub(crate) fn owner(root: BorrowedFd<'_>, user: &str) -> Result<(u32, u32), StepError> {
    let (passwd, group) = (read(root, "/etc/passwd")?, read(root, "/etc/group")?);
    users::resolve(user, &[], &passwd, &group).map(|identity| (identity.uid, identity.gid))
}

/// A file of the container, bounded; empty if there is none. Only regular files are read: a FIFO or
/// a device in its place would block or flood.
fn read(root: BorrowedFd<'_>, path: &str) -> Result<String, StepError> {
    let file = match resolve::open(root, Path::new(path), OFlags::RDONLY | OFlags::NONBLOCK) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(String::new()),
        Err(errno) => {
            return Err(StepError::call("user", format!("openat2(root, {path:?})"), errno));
        }
    };
    let stat = fstat(&file).attempt("user", || format!("fstat({path:?})"))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(String::new());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(stat.st_size).unwrap_or(0).min(1 << 16) + 1);
    std::fs::File::from(file)
        .take(FILE_MAX + 1)
        .read_to_end(&mut bytes)
        .attempt("user", || format!("read({path:?})"))?;
    if bytes.len() as u64 > FILE_MAX {
        let why = format!("{path} is longer than {FILE_MAX} bytes");
        return Err(StepError::refused("user", why, StepErrorKind::BadUser));
    }
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// Takes the ids and the capability sets. `keep` are capabilities that later steps still need; they
/// are given up by [`drop_to`].
pub(super) fn assume(
    identity: &Identity,
    wanted: &Capabilities,
    keep: CapabilitySet,
) -> Result<(), StepError> {
    limit_bounding(wanted.bounding)?;
    let groups: Vec<Gid> = identity.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    thread::set_thread_groups(&groups)
        .attempt(STEP, || format!("setgroups({:?})", identity.groups))?;
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    if identity.uid != 0 {
        set_keep_capabilities(true).attempt(STEP, || "prctl(PR_SET_KEEPCAPS, 1)".to_owned())?;
    }
    thread::set_thread_res_gid(gid, gid, gid)
        .attempt(STEP, || format!("setresgid({})", identity.gid))?;
    thread::set_thread_res_uid(uid, uid, uid)
        .attempt(STEP, || format!("setresuid({})", identity.uid))?;
    set(wanted, keep)?;
    if identity.uid != 0 {
        set_keep_capabilities(false).attempt(STEP, || "prctl(PR_SET_KEEPCAPS, 0)".to_owned())?;
    }
    raise_ambient(wanted.ambient)
}

/// Gives up what was only kept for loading the filter.
pub(super) fn drop_to(wanted: &Capabilities) -> Result<(), StepError> {
    set(wanted, CapabilitySet::EMPTY)
}

fn set(wanted: &Capabilities, keep: CapabilitySet) -> Result<(), StepError> {
    let raw = |set: CapabilitySet| thread::CapabilitySet::from_bits_retain(set.bits());
    let sets = CapabilitySets {
        effective: raw(wanted.effective.union(keep)),
        permitted: raw(wanted.permitted.union(keep)),
        inheritable: raw(wanted.inheritable),
    };
    set_capabilities(None, sets).attempt("capabilities", || format!("capset({wanted:?})"))
}

fn limit_bounding(wanted: CapabilitySet) -> Result<(), StepError> {
    for number in 0..u64::BITS {
        let one = CapabilitySet::numbered(number);
        if wanted.contains(one) {
            continue;
        }
        match remove_capability_from_bounding_set(thread::CapabilitySet::from_bits_retain(
            one.bits(),
        )) {
            Ok(()) => {}
            // Beyond the last capability that this kernel knows.
            Err(Errno::INVAL) => break,
            Err(errno) => {
                let call = format!("prctl(PR_CAPBSET_DROP, {number})");
                return Err(StepError::call("capabilities", call, errno));
            }
        }
    }
    Ok(())
}

fn raise_ambient(wanted: CapabilitySet) -> Result<(), StepError> {
    clear_ambient_capability_set()
        .attempt("capabilities", || "prctl(PR_CAP_AMBIENT_CLEAR_ALL)".to_owned())?;
    for number in wanted.numbers() {
        let one = thread::CapabilitySet::from_bits_retain(1 << number);
        configure_capability_in_ambient_set(one, true)
            .attempt("capabilities", || format!("prctl(PR_CAP_AMBIENT_RAISE, {number})"))?;
    }
    Ok(())
}
