//! A bundle, a state directory, and the binary run over them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A static program with many names.
const BUSYBOX: &str = "/usr/bin/busybox";

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(20);

static COUNT: AtomicU32 = AtomicU32::new(0);

/// One bundle and one state directory; what is left of its container goes with it.
pub(crate) struct Bed {
    directory: tempfile::TempDir,
    pub(crate) id: String,
    pub(crate) spec: Value,
    pub(crate) binary: PathBuf,
}

/// Whether these tests can run here.
pub(crate) fn possible() -> bool {
    let possible = rustix::process::geteuid().is_root() && Path::new(BUSYBOX).exists();
    if !possible {
        eprintln!("skipped: needs root and {BUSYBOX}");
    }
    possible
}

impl Bed {
    /// A bundle whose container runs a shell script.
    pub(crate) fn new(script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("bundle/rootfs");
        for below in ["bin", "dev", "etc", "filled", "proc", "tmp"] {
            fs::create_dir_all(root.join(below)).unwrap();
        }
        fs::write(root.join("filled/file"), "content").unwrap();
        fs::copy(BUSYBOX, root.join("bin/busybox")).unwrap();
        for name in
            ["sh", "cat", "id", "ls", "sleep", "touch", "tty", "readlink", "stat", "hostname"]
        {
            symlink("busybox", root.join("bin").join(name)).unwrap();
        }
        let id = format!("test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let binary = env!("CARGO_BIN_EXE_jocker-runtime").into();
        Self { directory, id, spec: spec(script), binary }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }

    /// A path inside the container's root.
    pub(crate) fn inside(&self, below: &str) -> PathBuf {
        self.path("bundle/rootfs").join(below)
    }

    /// The binary with these arguments; `ID` stands for the container's id.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--root").arg(self.path("state"));
        command.args(arguments.iter().map(|word| if *word == "ID" { &self.id } else { *word }));
        command.current_dir(self.path("bundle")).stdin(Stdio::null());
        command
    }

    /// Writes config.json and runs the binary to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        fs::write(self.path("bundle/config.json"), self.spec.to_string()).unwrap();
        self.command(arguments).output().unwrap()
    }

    /// The same with nobody reading: for what leaves a process behind. Its errors are in a file.
    pub(crate) fn run_detached(&self, arguments: &[&str]) -> (bool, String) {
        fs::write(self.path("bundle/config.json"), self.spec.to_string()).unwrap();
        let errors = fs::File::create(self.path("errors")).unwrap();
        let status = self.command(arguments).stdout(Stdio::null()).stderr(errors).status().unwrap();
        (status.success(), fs::read_to_string(self.path("errors")).unwrap())
    }

    /// The same, and it has to go well.
    pub(crate) fn must(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Creates the container without standard streams of ours.
    pub(crate) fn create(&self) {
        let (done, errors) = self.run_detached(&["create", "ID"]);
        assert!(done, "{errors}");
    }

    pub(crate) fn start(&self) {
        self.create();
        self.must(&["start", "ID"]);
    }

    pub(crate) fn state(&self) -> Value {
        serde_json::from_str(&self.must(&["state", "ID"])).unwrap()
    }

    pub(crate) fn status(&self) -> String {
        self.state()["status"].as_str().unwrap().to_owned()
    }

    pub(crate) fn pid(&self) -> i64 {
        self.state()["pid"].as_i64().unwrap()
    }

    pub(crate) fn wait_for_status(&self, wanted: &str) {
        wait(|| self.status() == wanted, wanted);
    }

    /// Adds a mount to the spec.
    pub(crate) fn mount(&mut self, mount: Value) {
        self.spec["mounts"].as_array_mut().unwrap().push(mount);
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = self.command(&["delete", "--force", "ID"]).output();
    }
}

/// Waits, bounded, until something is so.
pub(crate) fn wait(mut done: impl FnMut() -> bool, what: &str) {
    let give_up = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < give_up, "waited too long: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn spec(script: &str) -> Value {
    let caps = ["CAP_CHOWN", "CAP_SETUID", "CAP_SETGID", "CAP_KILL"];
    json!({
        "ociVersion": "1.2.0",
        "root": {"path": "rootfs"},
        "hostname": "box",
        "annotations": {"org.example.note": "value"},
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["sh", "-c", script],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": {"bounding": caps, "permitted": caps, "effective": caps},
        },
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
        ],
        "linux": {
            "namespaces": [
                {"type": "mount"}, {"type": "uts"}, {"type": "pid"}, {"type": "ipc"}, {"type": "network"},
            ],
        },
    })
}
