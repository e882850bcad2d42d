//! Real containers: clone, namespaces, mounts, exec, of a root made of one static program. They need
//! root; without it they say so and pass.

mod attacks;
mod join;
mod start;

use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;
use rustix::process::{WaitIdOptions, waitid};
use serde_json::{Value, json};

use super::{Go, InitContext, Stdio, clone_flags, join_before_clone, run};
use crate::cgroup::Cgroup;
use crate::error::StepError;
use crate::launch::handshake::{self, FromInit, ToInit};
use crate::plan::{Extras, Host, Plan, compile, compile_exec};
use crate::rootfs::{Rootfs, mount_detached};
use crate::sys::clone::{Side, clone};
use crate::timeline::Timeline;

/// A static program with many names.
const BUSYBOX: &str = "/usr/bin/busybox";

/// What came of a process.
#[derive(Debug, Default)]
struct Outcome {
    output: String,
    failed: Option<StepError>,
    /// The exit status; 128 + n for signal n.
    status: i32,
    master: Option<OwnedFd>,
}

/// A root directory and the spec of a container in it.
#[derive(Debug)]
struct Container {
    root: tempfile::TempDir,
    spec: Value,
    extras: Extras,
}

/// Whether these tests can run here.
fn possible() -> bool {
    let possible = rustix::process::geteuid().is_root() && Path::new(BUSYBOX).exists();
    if !possible {
        eprintln!("skipped: needs root and {BUSYBOX}");
    }
    possible
}

impl Container {
    /// A container that runs a shell script.
    fn new(script: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        for directory in ["bin", "etc", "tmp"] {
            fs::create_dir(root.path().join(directory)).unwrap();
        }
        fs::copy(BUSYBOX, root.path().join("bin/busybox")).unwrap();
        for name in [
            "sh", "cat", "id", "ls", "mount", "umount", "unshare", "hostname", "stat", "tty",
            "mknod", "env", "readlink", "sleep",
        ] {
            symlink("busybox", root.path().join("bin").join(name)).unwrap();
        }
        let passwd = "root:x:0:0::/root:/bin/sh\nwww:x:33:34::/var/www:/bin/sh\n";
        fs::write(root.path().join("etc/passwd"), passwd).unwrap();
        let group = "root:x:0:\nwww:x:34:\naudio:x:29:www\n";
        fs::write(root.path().join("etc/group"), group).unwrap();
        let spec = spec(root.path(), script);
        Self { root, spec, extras: Extras { user: Some(String::new()), ..Extras::default() } }
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.root.path().join(inside)
    }

    fn plan(&self) -> Plan {
        let spec: Spec = serde_json::from_value(self.spec.clone()).unwrap();
        compile(&spec, &self.extras, &Host::probe()).unwrap()
    }

    fn run(&self) -> Outcome {
        self.run_in(None)
    }

    /// Runs the container in a control group.
    fn run_in(&self, group: Option<&Cgroup>) -> Outcome {
        let root = mount_detached(&Rootfs::Directory(self.root.path().to_owned())).unwrap();
        go(&self.plan(), Some(&root), None, group, |_| ()).0
    }

    /// Runs the container; calls `meanwhile` with its pidfd once it runs.
    fn run_and<T>(&self, meanwhile: impl FnOnce(&OwnedFd) -> T) -> (Outcome, T) {
        let root = mount_detached(&Rootfs::Directory(self.root.path().to_owned())).unwrap();
        go(&self.plan(), Some(&root), None, None, meanwhile)
    }

    /// Runs a process in the running container behind `target`.
    fn exec(&self, target: &OwnedFd, process: Value, extras: &Extras) -> Outcome {
        let spec: Spec = serde_json::from_value(self.spec.clone()).unwrap();
        let process = serde_json::from_value(process).unwrap();
        let plan = compile_exec(&spec, &process, extras, &Host::probe()).unwrap();
        go(&plan, None, Some(target.try_clone().unwrap()), None, |_| ()).0
    }
}

/// Clones, plays the monitor's part of the handshake, collects what the process writes.
fn go<T>(
    plan: &Plan,
    rootfs: Option<&OwnedFd>,
    target: Option<OwnedFd>,
    group: Option<&Cgroup>,
    meanwhile: impl FnOnce(&OwnedFd) -> T,
) -> (Outcome, T) {
    let (monitor, sync) = handshake::pair().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let null = fs::File::open("/dev/null").unwrap();
    let error = writer.try_clone().unwrap();
    let stdio = if plan.process.terminal {
        Stdio::Terminal
    } else {
        Stdio::Pipes([null.into(), writer.into(), error.into()])
    };
    join_before_clone(plan, target.as_ref().map(AsFd::as_fd)).unwrap();
    let flags = clone_flags(plan, false);
    let context = InitContext {
        plan,
        sync,
        rootfs: rootfs.map(AsFd::as_fd),
        netns: None,
        target,
        stdio,
        go: Go::Told,
        preserved: 0,
        keeps_keyring: false,
        cgroup: None,
        mapped: Default::default(),
        timeline: Timeline::default(),
    };
    let pidfd = match clone(flags, None).unwrap() {
        Side::Child => run(context),
        Side::Parent { pid, pidfd } => {
            group.into_iter().for_each(|group| group.attach(pid).unwrap());
            pidfd
        }
    };
    drop(context);
    let mut outcome = Outcome::default();
    handshake::send(&monitor, &ToInit::CgroupAttached, None).unwrap();
    while let Some((message, descriptor)) = handshake::receive(&monitor).unwrap() {
        match message {
            FromInit::Terminal => outcome.master = descriptor,
            FromInit::Ready(_) => handshake::send(&monitor, &ToInit::Exec, None).unwrap(),
            FromInit::HooksDue | FromInit::Listening(_) => panic!("no test has {message:?}"),
            FromInit::Failed(error) => outcome.failed = Some(error),
        }
    }
    let result = meanwhile(&pidfd);
    let output = match outcome.master.take() {
        Some(master) => read_all(fs::File::from(master)),
        None => read_all(reader),
    };
    outcome.output = output;
    let id = rustix::process::WaitId::PidFd(pidfd.as_fd());
    let ended = waitid(id, WaitIdOptions::EXITED).unwrap().unwrap();
    outcome.status =
        ended.exit_status().unwrap_or_else(|| 128 + ended.terminating_signal().unwrap());
    (outcome, result)
}

/// All that comes until the other side is closed; a terminal then answers EIO.
fn read_all(mut from: impl Read) -> String {
    let mut all = Vec::new();
    let mut some = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut some) {
        all.extend_from_slice(&some[..length]);
    }
    String::from_utf8_lossy(&all).replace('\r', "")
}

fn spec(root: &Path, script: &str) -> Value {
    let caps: Vec<String> = crate::caps::CapabilitySet::docker_default().names().collect();
    let seccomp = crate::seccomp::default_profile(crate::caps::CapabilitySet::docker_default());
    json!({
        "ociVersion": "1.2.0",
        "root": {"path": root},
        "hostname": "box",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["sh", "-c", script],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": {"bounding": caps, "permitted": caps, "effective": caps},
        },
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"]},
        ],
        "linux": {
            "namespaces": [
                {"type": "mount"}, {"type": "network"}, {"type": "uts"}, {"type": "pid"}, {"type": "ipc"}, {"type": "cgroup"},
            ],
            "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/sys/firmware", "/none"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
            "sysctl": {"net.ipv4.ip_unprivileged_port_start": "0"},
            "seccomp": seccomp,
        },
    })
}
