//! A bundle as `runc spec` makes it, without a terminal: what all runtimes understand.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

/// A directory with the bundle, the runtime's state and what it complains of.
#[derive(Debug)]
pub(crate) struct Bundle {
    path: PathBuf,
    name: String,
}

impl Bundle {
    /// `name` makes the control group's path different from other runtimes'.
    pub(crate) fn make(path: &Path, name: &str) -> Result<Self> {
        let root = path.join("rootfs");
        for directory in ["bin", "proc", "sys", "dev", "etc", "tmp"] {
            fs::create_dir_all(root.join(directory))?;
        }
        fs::copy(harness::packages::busybox(), root.join("bin/busybox"))?;
        for program in ["true", "sleep"] {
            symlink("busybox", root.join("bin").join(program))?;
        }
        let bundle = Self { path: path.to_owned(), name: name.to_owned() };
        bundle.lasts(false)?;
        Ok(bundle)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the runtime keeps what it knows.
    pub(crate) fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    pub(crate) fn errors(&self) -> PathBuf {
        self.path.join("errors")
    }

    /// Whether the container stays until it is killed, or ends at once.
    pub(crate) fn lasts(&self, lasts: bool) -> Result<()> {
        let args = if lasts { json!(["sleep", "1000"]) } else { json!(["true"]) };
        let config = config(&args, &format!("/jocker-bench-{}", self.name));
        Ok(fs::write(self.path.join("config.json"), config.to_string())?)
    }
}

fn config(args: &Value, group: &str) -> Value {
    let capabilities = json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    let mount = |destination: &str, kind: &str, options: &[&str]| json!({ "destination": destination, "type": kind, "source": kind, "options": options });
    let kinds = ["pid", "network", "ipc", "uts", "mount"];
    let namespaces: Vec<_> = kinds.iter().map(|kind| json!({ "type": kind })).collect();
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": { "uid": 0, "gid": 0 },
            "args": args,
            "env": ["PATH=/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
            },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }],
            "noNewPrivileges": true,
        },
        "root": { "path": "rootfs", "readonly": true },
        "hostname": "bench",
        "mounts": [
            mount("/proc", "proc", &[]),
            mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts",
                &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
            mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
            mount("/sys/fs/cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
        ],
        "linux": {
            "cgroupsPath": group,
            "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
            "namespaces": namespaces,
            "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list",
                "/sys/firmware", "/proc/scsi"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                "/proc/sysrq-trigger"],
        },
    })
}
