//! What the tests start containers with: a launcher, a directory root with busybox in it, and
//! clients of the monitor's socket. Removes everything it made.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use oci_spec::runtime::Spec;
use runtime::cgroup::{Cgroup, Layout};
use runtime::launch::{
    Kind, LaunchError, LaunchFds, LaunchRequest, Launcher, LogConfig, LogForm, MonitorPid,
    StdioConfig,
};
use runtime::monitor::protocol::{ExitRecord, State};
use runtime::plan::{Extras, Host, Plan, compile, compile_exec};
use runtime::rootfs::Rootfs;
use runtime::timeline::Timeline;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Parent of the control groups of the tests, apart from a daemon's.
pub(crate) const GROUPS: &str = "/jocker-launch-test";

const APPLETS: [&str; 14] = [
    "sh", "cat", "echo", "sleep", "true", "false", "stty", "head", "dd", "kill", "tr", "wc",
    "test", "ls",
];

/// A launcher and a root file system.
pub(crate) struct Bed {
    pub(crate) launcher: Launcher,
    pub(crate) directory: TempDir,
    pub(crate) host: Host,
    /// Control groups of everything that was started.
    started: Mutex<Vec<String>>,
}

/// What is to be started.
pub(crate) struct Order {
    pub(crate) args: Vec<String>,
    pub(crate) stdio: StdioConfig,
    pub(crate) resources: Value,
    pub(crate) log_max: Option<(u64, u32)>,
    pub(crate) namespaces: &'static [&'static str],
}

/// One start and its places.
pub(crate) struct Started {
    pub(crate) id: String,
    pub(crate) monitor: MonitorPid,
    pub(crate) socket: PathBuf,
    pub(crate) record: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) spec: Spec,
}

/// A control client.
pub(crate) struct Control {
    pub(crate) lines: BufReader<UnixStream>,
}

pub(crate) fn order(args: &[&str]) -> Order {
    Order {
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        stdio: StdioConfig::default(),
        resources: json!({}),
        log_max: None,
        namespaces: &["mount", "pid", "ipc", "uts"],
    }
}

/// A shell command in a container.
pub(crate) fn shell(command: &str) -> Order {
    order(&["/bin/sh", "-c", command])
}

impl Drop for Bed {
    fn drop(&mut self) {
        // A test that has failed may leave containers running.
        for path in self.started.lock().unwrap().iter() {
            let cgroup = Cgroup::open(path, &self.host.layout);
            if cgroup.pids().is_ok_and(|pids| !pids.is_empty()) {
                let _ = cgroup.kill();
                let _ = cgroup.remove();
            }
        }
        remove_parents(&self.host.layout);
    }
}

/// Removes the parents of the tests' groups, unless other tests use them still.
pub(crate) fn remove_parents(layout: &Layout) {
    for mount in layout.mounts() {
        let _ = fs::remove_dir(mount.join(GROUPS.trim_start_matches('/')));
    }
}

impl Bed {
    pub(crate) fn new() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "these tests make containers: root is needed"
        );
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        for name in ["bin", "dev", "proc", "sys", "tmp", "etc"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
        for name in APPLETS {
            symlink("busybox", root.join("bin").join(name)).unwrap();
        }
        let program = std::env::current_exe().unwrap();
        let program = program.parent().unwrap().parent().unwrap().join("examples/launcher");
        let launcher = Launcher::spawn_from(&program, &["launcher"]).unwrap();
        Self { launcher, directory, host: Host::probe(), started: Mutex::default() }
    }

    fn spec(&self, id: &str, order: &Order) -> Spec {
        let namespaces: Vec<_> =
            order.namespaces.iter().map(|kind| json!({ "type": kind })).collect();
        let spec = json!({
            "ociVersion": "1.2.0",
            "root": { "path": self.directory.path().join("root") },
            "process": {
                "args": order.args,
                "cwd": "/",
                "env": ["PATH=/bin"],
                "terminal": order.stdio.tty,
                "user": { "uid": 0, "gid": 0 },
            },
            "mounts": [
                { "destination": "/proc", "type": "proc", "source": "proc" },
                { "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                  "options": ["nosuid", "strictatime", "mode=755", "size=65536k"] },
                { "destination": "/dev/pts", "type": "devpts", "source": "devpts",
                  "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"] },
            ],
            "linux": {
                "namespaces": namespaces,
                "cgroupsPath": format!("{GROUPS}/{id}"),
                "resources": order.resources,
            },
        });
        serde_json::from_value(spec).unwrap()
    }

    /// Compiles the order and prepares its places; `wait` runs before the launch, with the socket
    /// listening.
    pub(crate) fn start_after(&self, order: Order, before: impl FnOnce(&Path)) -> Started {
        self.try_start(order, before).unwrap()
    }

    pub(crate) fn try_start(
        &self,
        order: Order,
        before: impl FnOnce(&Path),
    ) -> Result<Started, LaunchError> {
        let id = next_id();
        let spec = self.spec(&id, &order);
        let plan = compile(&spec, &Extras::default(), &self.host).unwrap();
        let root = Some(Rootfs::Directory(self.directory.path().join("root")));
        self.launch(id, spec, plan, root, order, None, before)
    }

    pub(crate) fn start(&self, order: Order) -> Started {
        self.start_after(order, |_| ())
    }

    /// Starts with a control client that was there first.
    pub(crate) fn start_controlled(&self, order: Order) -> (Started, Control) {
        let mut control = None;
        let started = self.start_after(order, |socket| control = Some(Control::new(socket)));
        (started, control.unwrap())
    }

    /// Starts a further process in a running container, with a control client.
    pub(crate) fn exec(&self, container: &Started, pid: i32, order: Order) -> (Started, Control) {
        let id = next_id();
        let process = self.spec(&id, &order).process().clone().unwrap();
        let plan = compile_exec(&container.spec, &process, &Extras::default(), &self.host).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        let flags = rustix::process::PidfdFlags::empty();
        let target = rustix::process::pidfd_open(pid, flags).unwrap();
        let spec = container.spec.clone();
        let mut control = None;
        let before = |socket: &Path| control = Some(Control::new(socket));
        let exec = self.launch(id, spec, plan, None, order, Some(target), before).unwrap();
        (exec, control.unwrap())
    }

    #[expect(clippy::too_many_arguments, reason = "the one place where a request is put together")]
    fn launch(
        &self,
        id: String,
        spec: Spec,
        plan: Plan,
        rootfs: Option<Rootfs>,
        order: Order,
        target: Option<OwnedFd>,
        before: impl FnOnce(&Path),
    ) -> Result<Started, LaunchError> {
        let place = |name: &str| self.directory.path().join(format!("{id}.{name}"));
        self.started.lock().unwrap().push(format!("{GROUPS}/{id}"));
        let (socket, record, log) = (place("sock"), place("exit.json"), place("log"));
        let listener = UnixListener::bind(&socket).unwrap();
        before(&socket);
        let (max_size, max_file) = order.log_max.map_or((None, 1), |(size, n)| (Some(size), n));
        let request = LaunchRequest {
            id: id.clone(),
            plan,
            rootfs,
            stdio: order.stdio,
            log: LogConfig::File {
                form: LogForm::Json { attributes: Default::default() },
                path: log.clone(),
                max_size,
                max_file,
                compress: false,
                buffer: None,
            },
            record: Some(record.clone()),
            kind: if target.is_some() { Kind::Exec } else { Kind::Container },
            timeline: Timeline::default(),
        };
        let fds = LaunchFds { listener: Some(listener.into()), target, ..LaunchFds::default() };
        let monitor = self.launcher.launch(&request, fds)?;
        Ok(Started { id, monitor, socket, record, log, spec })
    }

    /// Starts, collects both streams from the first byte on, and waits for the end.
    pub(crate) fn run(&self, order: Order) -> (Vec<u8>, Vec<u8>, ExitRecord) {
        let mut clients = None;
        self.start_after(order, |socket| {
            clients = Some((attach(socket, false), Control::new(socket)));
        });
        let (attached, mut control) = clients.unwrap();
        let (out, err) = frames(attached);
        (out, err, control.exit())
    }
}

impl Started {
    /// Control group directories that exist for this container.
    pub(crate) fn groups(&self, bed: &Bed) -> Vec<PathBuf> {
        let below = format!("{}/{}", GROUPS.trim_start_matches('/'), self.id);
        let mounts = bed.host.layout.mounts().into_iter();
        mounts.map(|mount| mount.join(&below)).filter(|group| group.exists()).collect()
    }

    /// The exit record on disk.
    pub(crate) fn exit_record(&self) -> ExitRecord {
        serde_json::from_slice(&fs::read(&self.record).unwrap()).unwrap()
    }

    /// Waits until nothing of it is left but its files.
    pub(crate) fn wait_gone(&self, bed: &Bed) {
        let process = PathBuf::from(format!("/proc/{}", self.monitor.0));
        wait_until("the monitor's end", || !process.exists());
        assert_eq!(self.groups(bed), Vec::<PathBuf>::new());
    }
}

impl Control {
    pub(crate) fn new(socket: &Path) -> Self {
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"{\"version\":1,\"role\":\"control\"}\n").unwrap();
        Self { lines: BufReader::new(stream) }
    }

    pub(crate) fn next(&mut self) -> Option<State> {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap())
    }

    pub(crate) fn running(&mut self) -> i32 {
        loop {
            match self.next().expect("the monitor has ended") {
                State::Starting => {}
                State::Running { pid, start_ticks, .. } => {
                    assert!(start_ticks > 0);
                    return pid;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// The exit, and the end of file after it.
    pub(crate) fn exit(&mut self) -> ExitRecord {
        loop {
            match self.next().expect("no exit before the monitor's end") {
                State::Exited { exit } => {
                    assert_eq!(self.next(), None);
                    return exit;
                }
                State::Failed { error } => panic!("{error}"),
                _ => {}
            }
        }
    }

    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.lines.get_mut(), "{line}").unwrap();
    }
}

/// Attaches to both streams, and to standard input if `stdin`.
pub(crate) fn attach(socket: &Path, stdin: bool) -> UnixStream {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let hello = json!({
        "version": 1, "role": "attach", "stdin": stdin, "stdout": true, "stderr": true,
    });
    writeln!(stream, "{hello}").unwrap();
    stream
}

/// Reads frames to the end of file: both streams.
pub(crate) fn frames(mut stream: UnixStream) -> (Vec<u8>, Vec<u8>) {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut rest = bytes.as_slice();
    while let Some((header, after)) = rest.split_at_checked(8) {
        let length = u32::from_be_bytes(header[4..].try_into().unwrap()) as usize;
        let to = if header[0] == 1 { &mut out } else { &mut err };
        assert_eq!(header[1..4], [0, 0, 0]);
        to.extend_from_slice(&after[..length]);
        rest = &after[length..];
    }
    assert!(rest.is_empty());
    (out, err)
}

pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < give_up, "{what} took too long");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn next_id() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
