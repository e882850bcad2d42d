//! A monitor in this process, in the place of the real one: it plays what was recorded of a monitor of another build.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::daemon::Daemon;
use crate::isolation::monitors;

/// What a monitor of version 1 and its clients said.
const VERSION_1: &str = include_str!("../../runtime/tests/data/monitor-1.txt");

/// What the fake says when it is not told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plays {
    /// The recording.
    Version1,
    /// That it does not speak the client's version, but this one.
    OnlyVersion(u32),
}

/// A monitor that is none.
#[derive(Debug)]
pub struct FakeMonitor {
    controls: Arc<Mutex<Vec<UnixStream>>>,
    /// The first lines of all clients.
    heard: Arc<Mutex<Vec<String>>>,
}

/// The lines of a section of the recording that begin with `mark`, without it.
fn recorded(section: &str, mark: &str) -> Vec<&'static str> {
    let begin = format!("\n[{section}]\n");
    let rest = VERSION_1.split(&begin).nth(1).expect("a section of the recording");
    let lines = rest.split("\n[").next().unwrap_or_default().lines();
    lines.filter_map(|line| line.strip_prefix(mark)).collect()
}

/// Replaces numbers and times of the recording by those of the process that really runs.
fn made_true(line: &str, state: &Value) -> String {
    let pid = state["Pid"].as_u64().expect("a pid");
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the container's process");
    // proc_pid_stat(5), field 22; the name in parentheses is field 2.
    let (_, rest) = stat.rsplit_once(") ").expect("a stat line");
    let ticks = rest.split(' ').nth(19).expect("its start time");
    let started = state["StartedAt"].as_str().expect("a time");
    line.replace("13453", &pid.to_string())
        .replace("1393562", ticks)
        .replace("2026-11-22T16:19:06.967509802Z", started)
}

impl FakeMonitor {
    /// Kills the monitor of the only running container of a daemon that is dead, and takes its place. `state`: of
    /// the container, before the daemon died.
    #[track_caller]
    pub fn replace(daemon: &Daemon, id: &str, state: &Value, plays: Plays) -> Self {
        for pid in monitors() {
            let pid = Pid::from_raw(i32::try_from(pid).expect("a pid"));
            kill(pid, Signal::SIGKILL).expect("the monitor's end");
        }
        let path = daemon.exec_root().join("containers").join(id).join("monitor.sock");
        fs::remove_file(&path).expect("the monitor's socket");
        let fake = Self { controls: Arc::default(), heard: Arc::default() };
        fake.listen(&path, state, plays);
        fake
    }

    fn listen(&self, path: &Path, state: &Value, plays: Plays) {
        // Socket addresses end at 107 bytes, unix(7).
        let short = format!("/proc/self/fd/{}", {
            use std::os::fd::IntoRawFd;
            fs::File::open(path.parent().expect("a directory"))
                .expect("its directory")
                .into_raw_fd()
        });
        let listener = UnixListener::bind(Path::new(&short).join("monitor.sock"));
        let listener = listener.expect("a socket in the monitor's place");
        let (controls, heard) = (Arc::clone(&self.controls), Arc::clone(&self.heard));
        let running = made_true(recorded("control", "< ")[1], state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a client");
                let mut lines = BufReader::new(stream.try_clone().expect("its connection"));
                let mut hello = String::new();
                lines.read_line(&mut hello).expect("its hello");
                let hello = hello.trim_end().to_owned();
                let control = hello == recorded("control", "> ")[0];
                heard.lock().expect("what is heard").push(hello);
                let said = match plays {
                    Plays::OnlyVersion(version) => {
                        let line = recorded("another version", "< ")[0];
                        line.replace(":1}", &format!(":{version}}}")) + "\n"
                    }
                    Plays::Version1 if control => running.clone() + "\n",
                    Plays::Version1 => {
                        for frame in recorded("attach", "frame ") {
                            let bytes = hex::decode(frame.replace(' ', "")).expect("digits");
                            stream.write_all(&bytes).expect("a frame is sent");
                        }
                        continue;
                    }
                };
                stream.write_all(said.as_bytes()).expect("a line is sent");
                if control && plays == Plays::Version1 {
                    controls.lock().expect("the clients").push(stream);
                }
            }
        });
    }

    /// Tells that the container has ended, as recorded, and ends.
    #[track_caller]
    pub fn tell_exit(&self, state: &Value) {
        let line = made_true(recorded("control", "< ")[2], state) + "\n";
        for mut stream in self.controls.lock().expect("the clients").drain(..) {
            stream.write_all(line.as_bytes()).expect("the last line is sent");
        }
    }

    /// The first lines of all clients so far.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("what is heard").clone()
    }
}

/// What a client of version 1 says first when it wants to be told the state.
pub fn control_hello() -> &'static str {
    recorded("control", "> ")[0]
}
