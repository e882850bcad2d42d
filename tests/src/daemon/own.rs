//! A private jockerd: started, killed, started again, and cleared away with everything it made.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Options;
use super::sweep::{end, end_containers, sweep};
use crate::client::Client;
use crate::isolation::{isolate, namespace, processes_in};
use crate::patience::{becomes, eventually};

/// How long a start may take on a loaded machine.
const START: Duration = Duration::from_secs(20);
/// How long an orderly end may take.
const END: Duration = Duration::from_secs(20);
/// How many lines of the log a failing test shows.
const TAIL: usize = 80;

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// The jockerd that was built together with the tests; `JOCKERD` names another.
#[track_caller]
pub fn jockerd() -> PathBuf {
    built("jockerd", "JOCKERD")
}

/// A binary of the workspace, found beside the running test's own directory.
#[track_caller]
pub fn built(program: &str, variable: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    let test = std::env::current_exe().expect("own path");
    let path = test.ancestors().nth(2).map(|dir| dir.join(program)).unwrap_or_default();
    assert!(path.is_file(), "no {}: build it first, or name it by {variable}", path.display());
    path
}

#[derive(Debug)]
pub(super) struct Own {
    /// Data root, configuration, log, socket.
    base: PathBuf,
    /// Short: sockets live below it, and their paths end at 107 bytes, unix(7).
    exec_root: PathBuf,
    namespace: String,
    child: Option<Child>,
}

impl Own {
    #[track_caller]
    pub(super) fn start(options: &Options) -> Self {
        isolate();
        sweep();
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let unique = format!("jt{}-{number}", std::process::id());
        let base = std::env::temp_dir().join(&unique);
        let exec_root = Path::new("/run").join(&unique);
        for dir in [&base, &exec_root] {
            fs::create_dir_all(dir).expect("directory of the test");
            fs::set_permissions(dir, fs::Permissions::from_mode(0o711)).expect("its mode");
        }
        let mut own = Self { base, exec_root, namespace: namespace(), child: None };
        own.start_again(options);
        own
    }

    #[track_caller]
    pub(super) fn start_again(&mut self, options: &Options) {
        let mut child = self.command(options).spawn().expect("jockerd is executed");
        let client = Client::new(&self.socket());
        let up = becomes(START, || {
            client.is_up() || child.try_wait().expect("state of jockerd").is_some()
        });
        if !up || !client.is_up() {
            let _gone_already = child.kill();
            let status = child.wait();
            panic!("jockerd does not answer ({status:?}):\n{}", self.log());
        }
        self.child = Some(child);
    }

    /// The command line of a jockerd on this data root.
    fn command(&self, options: &Options) -> Command {
        let log = OpenOptions::new().create(true).append(true).open(self.base.join("log"));
        let log = log.expect("log file");
        let mut command = Command::new(jockerd());
        command
            .arg("-H")
            .arg(format!("unix://{}", self.socket().display()))
            .arg("--data-root")
            .arg(self.data_root())
            .arg("--exec-root")
            .arg(&self.exec_root)
            .arg("--pidfile")
            .arg(self.base.join("pid"))
            .args(&options.args)
            .envs(options.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("log file"))
            .stderr(log);
        let config = self.base.join("daemon.json");
        let content = options.config.as_ref().map_or_else(|| "{}".to_owned(), ToString::to_string);
        fs::write(&config, content).expect("configuration file");
        command.arg("--config-file").arg(config);
        command
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.base.join("s")
    }

    pub(super) fn data_root(&self) -> PathBuf {
        self.base.join("data")
    }

    pub(super) fn exec_root(&self) -> PathBuf {
        self.exec_root.clone()
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.base.join("log")).unwrap_or_default()
    }

    #[track_caller]
    pub(super) fn pid(&self) -> u32 {
        self.child.as_ref().expect("jockerd runs").id()
    }

    #[track_caller]
    pub(super) fn kill9(&mut self) {
        let mut child = self.child.take().expect("jockerd runs");
        child.kill().expect("kill -9");
        child.wait().expect("its end");
    }

    #[track_caller]
    pub(super) fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take().expect("jockerd runs");
        let pid = i32::try_from(child.id()).expect("a pid");
        kill(Pid::from_raw(pid), Signal::SIGTERM).expect("SIGTERM");
        end_of(&mut child).code()
    }

    #[track_caller]
    pub(super) fn wait_for_end(&mut self) {
        end_of(&mut self.child.take().expect("jockerd runs"));
    }

    /// Ends whatever of ours is still there: processes in our network namespace, and those in the
    /// control groups of our containers.
    fn reap(&self) {
        end_containers(&self.data_root());
        becomes(Duration::from_secs(10), || {
            let pids = processes_in(&self.namespace);
            end(&pids);
            pids.is_empty()
        });
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(TAIL)..];
            eprintln!("--- end of jockerd's log ---\n{}\n---", tail.join("\n"));
        }
        if self.child.is_some() {
            let pid = i32::try_from(self.pid()).expect("a pid");
            let _gone_already = kill(Pid::from_raw(pid), Signal::SIGTERM);
            let mut child = self.child.take().expect("jockerd runs");
            if !becomes(END, || child.try_wait().is_ok_and(|status| status.is_some())) {
                let _gone_already = child.kill();
                let _reaped = child.wait();
            }
        }
        self.reap();
        if std::env::var_os("JOCKER_TEST_KEEP").is_none() {
            let _some_stay = fs::remove_dir_all(&self.exec_root);
            let _some_stay = fs::remove_dir_all(&self.base);
        }
    }
}

#[track_caller]
fn end_of(child: &mut Child) -> ExitStatus {
    eventually("jockerd's end", END, || child.try_wait().expect("state of jockerd"))
}
