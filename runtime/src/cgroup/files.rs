//! Reading and writing the files of control groups; what both versions share.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::{CgroupError, Write};

/// Longest file of a group that is read, in bytes.
const FILE_MAX: u64 = 4 << 20;

/// Room for most files of a group, in bytes: saves reading in many small steps.
const USUAL_BYTES: usize = 1024;

/// How long a removal waits for processes that are still ending.
const REMOVE_LIMIT: Duration = Duration::from_secs(5);

/// First pause between two tries of a removal; each further one is twice as long.
const REMOVE_PAUSE: Duration = Duration::from_micros(500);

/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// Deepest nesting of groups below a container's own that is followed.
const DEPTH_MAX: usize = 64;

/// Writes one value.
pub(super) fn write(path: &Path, value: &str) -> Result<(), CgroupError> {
    try_write(path, value).map_err(|source| CgroupError::Write {
        path: path.to_owned(),
        value: value.to_owned(),
        source,
    })
}

fn try_write(path: &Path, value: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

/// A descriptor of a group's directory, close-on-exec.
pub(super) fn open_directory(path: &Path) -> Result<OwnedFd, CgroupError> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECTORY | libc::O_CLOEXEC)
        .open(path)
        .map(OwnedFd::from)
        .map_err(|source| CgroupError::Read { path: path.to_owned(), source })
}

/// Reads a file to its end.
pub(super) fn read(path: &Path) -> Result<String, CgroupError> {
    let read = || {
        let mut text = String::with_capacity(USUAL_BYTES);
        File::open(path)?.take(FILE_MAX).read_to_string(&mut text)?;
        Ok(text)
    };
    read().map_err(|source| CgroupError::Read { path: path.to_owned(), source })
}

/// Reads a file that the host may not have.
pub(super) fn read_or_empty(path: &Path) -> String {
    read(path).unwrap_or_default()
}

/// Sets limits. A value that the kernel refuses (EINVAL, EBUSY) is tried again after the others:
/// memory and memory with swap must be raised in the one order and lowered in the other.
pub(super) fn limit<'a>(
    limits: &'a [Write],
    directory: impl Fn(&'a Write) -> Result<&'a Path, CgroupError>,
) -> Result<(), CgroupError> {
    let mut refused = Vec::new();
    for limit in limits {
        let directory = directory(limit)?;
        match write_limit(directory, limit) {
            Err(error) if matches!(error.errno(), Some(libc::EINVAL | libc::EBUSY)) => {
                refused.push((directory, limit));
            }
            done => done?,
        }
    }
    refused.into_iter().try_for_each(|(directory, limit)| write_limit(directory, limit))
}

/// The values that `limits` are about to replace, as limits. Of files with a line a device, devices that have no line
/// stay out.
pub(super) fn present<'a>(
    limits: &'a [Write],
    directory: impl Fn(&'a Write) -> Result<&'a Path, CgroupError>,
) -> Result<Vec<Write>, CgroupError> {
    let mut values = Vec::with_capacity(limits.len());
    for limit in limits {
        let directory = directory(limit)?;
        let other = limit.or_file.as_ref().filter(|_| !directory.join(&limit.file).exists());
        let file = other.unwrap_or(&limit.file);
        let text = read(&directory.join(file))?;
        values.extend(writable(file, &text).into_iter().map(|value| Write {
            controller: limit.controller.clone(),
            file: file.clone(),
            or_file: None,
            value,
        }));
    }
    Ok(values)
}

/// What has to be written to a file of a group so that it reads like this again, one write an element.
fn writable(file: &str, text: &str) -> Vec<String> {
    if file == "memory.oom_control" {
        return keyed(text, "oom_kill_disable").iter().map(ToString::to_string).collect();
    }
    match text.trim() {
        // A write of nothing would be none.
        "" => vec!["\n".to_owned()],
        text => text.lines().map(str::to_owned).collect(),
    }
}

fn write_limit(directory: &Path, limit: &Write) -> Result<(), CgroupError> {
    let path = directory.join(&limit.file);
    match (try_write(&path, &limit.value), &limit.or_file) {
        (Ok(()), _) => Ok(()),
        (Err(error), Some(other)) if error.kind() == io::ErrorKind::NotFound => {
            write(&directory.join(other), &limit.value)
        }
        (Err(source), _) => Err(CgroupError::Write { path, value: limit.value.clone(), source }),
    }
}

/// The value behind a key in a file of `key value` lines.
pub(super) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        (name == key).then(|| value.trim().parse().ok())?
    })
}

/// Makes a directory; one that is there is taken if no process is in it.
pub(super) fn make(directory: &Path) -> Result<(), CgroupError> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if read_or_empty(&directory.join("cgroup.procs")).is_empty() {
                Ok(())
            } else {
                Err(CgroupError::Populated { path: directory.to_owned() })
            }
        }
        made => made.map_err(|source| CgroupError::Create { path: directory.to_owned(), source }),
    }
}

/// Pids of a group and of those below it.
pub(super) fn pids(directory: &Path, pids: &mut Vec<i32>) {
    visit(directory, 0, &mut |group| {
        let procs = read_or_empty(&group.join("cgroup.procs"));
        pids.extend(procs.lines().filter_map(|line| line.parse::<i32>().ok()));
    });
}

/// Removes a group and those below it, and waits for processes that are still ending.
pub(super) fn remove(directory: &Path) -> Result<(), CgroupError> {
    let give_up = Instant::now() + REMOVE_LIMIT;
    let mut pause = REMOVE_PAUSE;
    loop {
        let error = match fs::remove_dir(directory) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => error,
        };
        let busy = matches!(error.raw_os_error(), Some(libc::EBUSY | libc::ENOTEMPTY));
        if !busy || Instant::now() >= give_up {
            return Err(CgroupError::Remove { path: directory.to_owned(), source: error });
        }
        visit(directory, 0, &mut |group| {
            if group != directory {
                // Tried again with the whole; the outermost group's error is the one that counts.
                let _ = fs::remove_dir(group);
            }
        });
        thread::sleep(pause);
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Calls `each` for every group below `directory`, innermost first, and for itself.
fn visit(directory: &Path, depth: usize, each: &mut dyn FnMut(&Path)) {
    if depth < DEPTH_MAX
        && let Ok(entries) = fs::read_dir(directory)
    {
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                visit(&entry.path(), depth + 1, each);
            }
        }
    }
    each(directory);
}

/// Waits until `done`, with pauses; false when it took longer than `limit`.
pub(super) fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let give_up = Instant::now() + limit;
    let mut pause = Duration::from_micros(200);
    while !done() {
        if Instant::now() >= give_up {
            return false;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(PAUSE_MAX);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(keyed(text, "oom_kill"), Some(3));
        assert_eq!(keyed(text, "oom"), None);
    }

    #[test]
    fn limits_are_retried_and_fall_back() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("blkio.bfq.weight"), "").unwrap();
        let limit_of = |file: &str, or_file: Option<&str>| Write {
            controller: "blkio".to_owned(),
            file: file.to_owned(),
            or_file: or_file.map(str::to_owned),
            value: "7".to_owned(),
        };
        let limits = [limit_of("blkio.weight", Some("blkio.bfq.weight"))];
        limit(&limits, |_| Ok(directory.path())).unwrap();
        assert_eq!(read(&directory.path().join("blkio.bfq.weight")).unwrap(), "7");
        assert!(limit(&[limit_of("missing", None)], |_| Ok(directory.path())).is_err());
    }
}
