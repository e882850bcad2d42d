//! Facts about the machine, read when somebody asks.

use std::fs;

/// The kernel's release, `uname -r`.
pub(crate) fn kernel_version() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// The machine's architecture, `uname -m`.
pub(crate) fn machine() -> String {
    rustix::system::uname().machine().to_string_lossy().into_owned()
}

/// The host's name.
pub(crate) fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The architecture that this binary was made for, in Go's and the images' words.
pub(crate) fn go_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

/// All memory, in bytes (sysinfo(2)).
pub(crate) fn memory_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram.saturating_mul(u64::from(info.mem_unit.max(1)))
}

/// Processors that the daemon may run on (sched_getaffinity(2)), whatever share of them it has.
pub(crate) fn processors() -> usize {
    let set = rustix::thread::sched_getaffinity(None);
    // More than such a set can name.
    let all = || std::thread::available_parallelism().map_or(1, usize::from);
    set.map_or_else(|_| all(), |set| set.count() as usize)
}

/// Name and version of the operating system (os-release(5)).
pub(crate) fn operating_system() -> (String, String) {
    let paths = ["/etc/os-release", "/usr/lib/os-release"];
    let text = paths.iter().find_map(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    let name = os_release(&text, "PRETTY_NAME").unwrap_or_else(|| "Linux".to_owned());
    (name, os_release(&text, "VERSION_ID").unwrap_or_default())
}

fn os_release(text: &str, key: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

/// Open file descriptors and threads of the daemon.
pub(crate) fn own_usage() -> (usize, usize) {
    let entries = |path| fs::read_dir(path).map_or(0, Iterator::count);
    (entries("/proc/self/fd"), entries("/proc/self/task"))
}

/// Bytes of the daemon that are in memory (`VmRSS`, proc_pid_status(5)).
pub(crate) fn own_memory_bytes() -> usize {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<usize>().ok()).unwrap_or(0) * 1024
}

/// True when a file under `/proc/sys` holds anything but 0.
pub(crate) fn sysctl(name: &str) -> bool {
    let text = fs::read_to_string(format!("/proc/sys/{name}"));
    text.is_ok_and(|text| text.trim() != "0")
}

/// The kernel's name for the file system that holds `path` (statfs(2)), as Docker shows it.
pub(crate) fn file_system(path: &std::path::Path) -> &'static str {
    let Ok(found) = rustix::fs::statfs(path) else {
        return "<unknown>";
    };
    match u64::try_from(found.f_type).unwrap_or(0) & 0xffff_ffff {
        0xef53 => "extfs",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x0102_1994 => "tmpfs",
        0x2fc1_2fc1 => "zfs",
        0xf2f5_2010 => "f2fs",
        0x794c_7630 => "overlayfs",
        _ => "<unknown>",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_is_read() {
        let text = "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID='12'\n";
        assert_eq!(os_release(text, "PRETTY_NAME").unwrap(), "Debian GNU/Linux 12 (bookworm)");
        assert_eq!(os_release(text, "VERSION_ID").unwrap(), "12");
        assert_eq!(os_release(text, "VERSION"), None);
    }

    #[test]
    fn the_machine_is_there() {
        assert!(memory_bytes() > 1024 * 1024);
        assert!(!kernel_version().is_empty() && !machine().is_empty());
    }
}
