//! `jocker-runtime` in runc's place: podman and containerd run containers with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use harness::daemon::built;
use harness::eventually;
use harness::image::Image;
use harness::isolation::isolate;
use harness::packages::program;
use tempfile::TempDir;

const IMAGE: &str = "localhost/box:1";

/// How long a daemon may take to come up.
const UP: Duration = Duration::from_secs(20);

/// Every hierarchy of control groups.
const GROUPS: &str = "/sys/fs/cgroup";

fn runtime() -> PathBuf {
    built("jocker-runtime", "JOCKER_RUNTIME")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn well(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// A directory with the image as an archive.
fn directory() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let archive = Image::busybox().archive(IMAGE);
    fs::write(directory.path().join("image.tar"), archive).expect("an archive");
    directory
}

/// podman with a store of its own.
struct Podman {
    directory: TempDir,
    program: PathBuf,
    /// Its control groups.
    parent: String,
}

impl Podman {
    fn new() -> Self {
        isolate();
        let (directory, program) = (directory(), program("podman", "podman"));
        // Its own limits are above what a process may have that is not the machine's root.
        let config = "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=4096:4096\"]\n\
            [engine]\nevents_logger = \"none\"\n";
        fs::write(directory.path().join("containers.conf"), config).expect("a configuration");
        let parent = format!("/jocker-test-podman-{}", std::process::id());
        let podman = Self { directory, program, parent };
        let archive = podman.directory.path().join("image.tar");
        well(&podman.call(&["load", "--input", &archive.to_string_lossy()]));
        podman
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let place = |name: &str| self.directory.path().join(name);
        let mut command = Command::new(&self.program);
        command
            .env("CONTAINERS_CONF", place("containers.conf"))
            .args(["--root".as_ref(), place("root").as_os_str()])
            .args(["--runroot".as_ref(), place("run").as_os_str()])
            .args(["--tmpdir".as_ref(), place("tmp").as_os_str()])
            .args(["--storage-driver=vfs", "--cgroup-manager=cgroupfs"])
            .args(["--runtime".as_ref(), runtime().as_os_str()])
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    fn call(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("podman is executed")
    }

    /// `podman run` with these flags and this command.
    fn run(&self, flags: &[&str], command: &[&str]) -> Output {
        let own = ["run", "--network=none", "--log-driver=k8s-file", "--cgroup-parent"];
        let all = [&own[..], &[self.parent.as_str()], flags, &[IMAGE], command].concat();
        self.call(&all)
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        self.call(&["rm", "--all", "--force", "--time=0"]);
        // What the clean-up in the background leaves a moment longer.
        let _ = eventually_gone(&self.parent);
        self.call(&["umount", "--all"]);
    }
}

/// Removes the empty groups of this name from every hierarchy; whether they are gone.
fn eventually_gone(name: &str) -> bool {
    harness::becomes(Duration::from_secs(10), || {
        let hierarchies = fs::read_dir(GROUPS).into_iter().flatten().flatten();
        let own = hierarchies.map(|entry| entry.path()).chain([PathBuf::from(GROUPS)]);
        own.map(|hierarchy| hierarchy.join(name.trim_start_matches('/'))).all(|group| {
            let below = fs::read_dir(&group).into_iter().flatten().flatten();
            below.filter(|entry| entry.path().is_dir()).for_each(|entry| {
                let _ = fs::remove_dir(entry.path());
            });
            let _ = fs::remove_dir(&group);
            !group.exists()
        })
    })
}

#[test]
fn podman_runs_containers() {
    let podman = Podman::new();
    assert_eq!(well(&podman.run(&["--rm"], &["echo", "hello"])), "hello\n");
    assert_eq!(podman.run(&["--rm"], &["sh", "-c", "exit 7"]).status.code(), Some(7));
    assert_eq!(podman.run(&["--rm"], &["no-such-program"]).status.code(), Some(127));
    let limits = ["--rm", "--memory=64m", "--read-only", "--cap-drop=all", "--user=5:6"];
    let script = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max; \
        touch /x; id -u; id -g; grep CapEff /proc/self/status";
    let said = text(&podman.run(&limits, &["sh", "-c", script]).stdout);
    let lines = ["67108864", "5", "6", "CapEff:\t0000000000000000"];
    assert_eq!(said.lines().collect::<Vec<_>>(), lines);
    let terminal = well(&podman.run(&["--rm", "--tty"], &["sh", "-c", "test -t 1 && echo yes"]));
    assert_eq!(terminal.trim(), "yes");
}

#[test]
fn podman_goes_through_a_container_s_life() {
    let podman = Podman::new();
    well(&podman.run(&["--detach", "--name=one", "--stop-signal=KILL"], &["sleep", "1000"]));
    let shown = |format: &str| well(&podman.call(&["inspect", "--format", format, "one"]));
    assert_eq!(shown("{{.OCIRuntime}}").trim(), runtime().to_string_lossy());
    assert_eq!(well(&podman.call(&["exec", "one", "echo", "inside"])), "inside\n");
    assert_eq!(podman.call(&["exec", "one", "sh", "-c", "exit 3"]).status.code(), Some(3));
    let terminal = ["exec", "--tty", "one", "sh", "-c", "test -t 0 && echo yes"];
    assert_eq!(well(&podman.call(&terminal)).trim(), "yes");
    well(&podman.call(&["pause", "one"]));
    assert_eq!(shown("{{.State.Status}}").trim(), "paused");
    well(&podman.call(&["unpause", "one"]));
    assert_eq!(shown("{{.State.Status}}").trim(), "running");
    well(&podman.call(&["stop", "--time=1", "one"]));
    assert_eq!(shown("{{.State.Status}} {{.State.ExitCode}}").trim(), "exited 137");
    well(&podman.call(&["start", "one"]));
    assert_eq!(shown("{{.State.Status}}").trim(), "running");
    well(&podman.call(&["rm", "--force", "--time=0", "one"]));
    assert!(eventually_gone(&podman.parent), "control groups are left");
}

/// containerd with everything of its own; ended when this is dropped, with its containers.
struct Containerd {
    directory: TempDir,
    child: Child,
}

impl Containerd {
    fn start() -> Self {
        isolate();
        let directory = directory();
        let place = |name: &str| directory.path().join(name).display().to_string();
        let plugins = ["grpc.v1.cri", "snapshotter.v1.devmapper", "snapshotter.v1.btrfs"];
        let plugins = plugins.map(|name| format!("\"io.containerd.{name}\""));
        let config = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [{}]\n\
            [grpc]\naddress = {:?}\n[ttrpc]\naddress = {:?}\n",
            place("root"),
            place("state"),
            plugins.join(", "),
            place("sock"),
            place("ttrpc")
        );
        fs::write(directory.path().join("config.toml"), config).expect("a configuration");
        let log = fs::File::create(directory.path().join("log")).expect("a log");
        let child = Command::new(program("containerd", "containerd"))
            .args(["--config".as_ref(), directory.path().join("config.toml").as_os_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("containerd is executed");
        let containerd = Self { directory, child };
        eventually("containerd", UP, || {
            containerd.call(&["version"]).status.success().then_some(())
        });
        let archive = containerd.directory.path().join("image.tar");
        well(&containerd.call(&["image", "import", &archive.to_string_lossy()]));
        containerd
    }

    fn call(&self, arguments: &[&str]) -> Output {
        Command::new(program("ctr", "containerd"))
            .args(["--address".as_ref(), self.directory.path().join("sock").as_os_str()])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("ctr is executed")
    }

    /// `ctr run` with our runtime.
    fn run(&self, flags: &[&str], id: &str, command: &[&str]) -> Output {
        let runtime = runtime().display().to_string();
        let own = ["run", "--snapshotter=native", "--runc-binary", &runtime];
        let all = [&own[..], flags, &[IMAGE, id], command].concat();
        self.call(&all)
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let tasks = text(&self.call(&["task", "list", "--quiet"]).stdout);
        for task in tasks.lines() {
            self.call(&["task", "delete", "--force", task]);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A name that nobody else's container has: it is the name of control groups, too.
fn named(what: &str) -> String {
    format!("jocker-test-{what}-{}", std::process::id())
}

#[test]
fn containerd_runs_containers() {
    let containerd = Containerd::start();
    let id = named("run");
    assert_eq!(well(&containerd.run(&["--rm"], &id, &["echo", "hello"])), "hello\n");
    let seven = containerd.run(&["--rm"], &id, &["sh", "-c", "exit 7"]);
    assert_eq!(seven.status.code(), Some(7), "{}", text(&seven.stderr));
    let missing = containerd.run(&["--rm"], &id, &["no-such-program"]);
    assert!(!missing.status.success());
    assert!(text(&missing.stderr).contains("no-such-program"), "{}", text(&missing.stderr));
}

#[test]
fn containerd_goes_through_a_task_s_life() {
    let containerd = Containerd::start();
    let id = named("life");
    well(&containerd.run(&["--detach"], &id, &["sleep", "1000"]));
    let status = || {
        let list = well(&containerd.call(&["task", "list"]));
        let row = list.lines().find(|line| line.starts_with(&id)).unwrap_or_default();
        row.split_whitespace().last().unwrap_or_default().to_owned()
    };
    assert_eq!(status(), "RUNNING");
    let exec = ["task", "exec", "--exec-id", "e1", &id, "echo", "inside"];
    assert_eq!(well(&containerd.call(&exec)), "inside\n");
    well(&containerd.call(&["task", "pause", &id]));
    assert_eq!(status(), "PAUSED");
    well(&containerd.call(&["task", "resume", &id]));
    assert_eq!(status(), "RUNNING");
    let processes = well(&containerd.call(&["task", "ps", &id]));
    assert_eq!(processes.lines().count(), 2, "{processes}");
    well(&containerd.call(&["task", "kill", "--signal", "KILL", &id]));
    eventually("the end", UP, || (status() == "STOPPED").then_some(()));
    let deleted = containerd.call(&["task", "delete", &id]);
    assert!(text(&deleted.stderr).contains("code 137"), "{}", text(&deleted.stderr));
    well(&containerd.call(&["container", "delete", &id]));
    assert!(!Path::new(GROUPS).join("memory/default").join(&id).exists());
}
