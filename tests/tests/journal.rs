//! Logs in systemd's journal, read back. Each test runs a journal of its own, in a mount namespace that nobody else sees.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use harness::isolation::other_daemon;
use harness::{Daemon, eventually, stdcopy};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};

const SOCKET: &str = "/run/systemd/journal/socket";
/// Debian: systemd.
const PROGRAM: &str = "/usr/lib/systemd/systemd-journald";

/// A running journal.
struct Journal(Child);

impl Journal {
    /// Moves the calling thread into a mount namespace whose `/run` is empty, and starts a journal there.
    fn start() -> Self {
        unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
            .expect("private mounts");
        mount(none, "/run", Some("tmpfs"), MsFlags::empty(), none).expect("an empty /run");
        mount(none, "/var/log", Some("tmpfs"), MsFlags::empty(), none).expect("an empty /var/log");
        fs::create_dir_all("/run/systemd/journal").expect("a directory");
        let mut command = Command::new(PROGRAM);
        let journal = command.stderr(Stdio::null()).spawn().expect("systemd-journald");
        eventually("the journal's socket", Duration::from_secs(20), || {
            fs::metadata(SOCKET).is_ok().then_some(())
        });
        Self(journal)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn body(options: &Value, script: &str) -> Value {
    json!({ "Cmd": ["sh", "-c", script], "Env": ["c=1"], "Labels": { "a": "x y" },
        "HostConfig": { "LogConfig": { "Type": "journald", "Config": options } } })
}

fn logs(daemon: &Daemon, id: &str, query: &str) -> stdcopy::Output {
    let path = format!("/containers/{id}/logs?stdout=1&stderr=1&{query}");
    stdcopy::split(&daemon.http().get(&path).expect(200).body)
}

#[test]
fn is_read_back_with_streams_times_and_attributes() {
    if other_daemon().is_some() {
        return;
    }
    let _journal = Journal::start();
    let daemon = Daemon::start();
    let other = daemon.launch(&body(&json!({}), "echo of another"));
    let script = "echo one; sleep 0.1; echo two >&2; sleep 0.1; printf 'a\\033[0m\\n\\nlast'";
    let id = daemon.launch(&body(&json!({ "labels": "a", "env": "c" }), script));
    daemon.wait(&id);
    let seen = logs(&daemon, &id, "");
    assert_eq!((seen.stdout.as_str(), seen.stderr.as_str()), ("one\na\x1b[0m\n\nlast", "two\n"));
    let errors = daemon.http().get(&format!("/containers/{id}/logs?stderr=1")).expect(200);
    assert_eq!(stdcopy::split(&errors.body).stdout, "");
    assert_eq!(logs(&daemon, &id, "tail=1").stdout, "last");
    assert_eq!(logs(&daemon, &id, "tail=0").stdout, "");
    assert_eq!(logs(&daemon, &id, "details=1&tail=1").stdout, "A=x+y,C=1 last");
    let timed = logs(&daemon, &id, "timestamps=1");
    let stamps: Vec<&str> =
        timed.stdout.lines().map(|line| line.split_once(' ').expect("a stamp").0).collect();
    assert!(stamps.len() == 4 && stamps.is_sorted() && stamps[0].len() == 30, "{stamps:?}");
    let second: jiff::Timestamp = timed.stderr[..30].parse().expect("a time");
    let at = format!("{}.{:09}", second.as_second(), second.subsec_nanosecond());
    let since = logs(&daemon, &id, &format!("since={at}"));
    assert_eq!((since.stdout.as_str(), since.stderr.as_str()), ("a\x1b[0m\n\nlast", "two\n"));
    let until = logs(&daemon, &id, &format!("until={at}"));
    assert_eq!((until.stdout.as_str(), until.stderr.as_str()), ("one\n", "two\n"));
    assert_eq!(logs(&daemon, &id, "since=4102444800").stdout, "");
    assert_eq!(logs(&daemon, &other, "").stdout, "of another\n");
}

#[test]
fn long_lines_and_many_are_whole() {
    if other_daemon().is_some() {
        return;
    }
    let _journal = Journal::start();
    let daemon = Daemon::start();
    let script =
        "awk 'BEGIN { for (i = 0; i < 40000; i++) printf \"x\"; printf \"\\n\" }'; seq 1 3000";
    let id = daemon.launch(&body(&json!({}), script));
    daemon.wait(&id);
    let numbers: String = (1..=3000).map(|number| format!("{number}\n")).collect();
    assert!(logs(&daemon, &id, "").stdout == format!("{}\n{numbers}", "x".repeat(40_000)));
    assert_eq!(logs(&daemon, &id, "tail=2").stdout, "2999\n3000\n");
}

#[test]
fn is_followed_to_the_container_s_end() {
    if other_daemon().is_some() {
        return;
    }
    let _journal = Journal::start();
    let daemon = Daemon::start();
    let script = "echo first; while [ ! -e /tmp/go ]; do sleep 0.05; done; seq 1 500";
    let id = daemon.launch(&body(&json!({}), script));
    eventually("the first line", Duration::from_secs(20), || {
        (logs(&daemon, &id, "").stdout == "first\n").then_some(())
    });
    let follow = |query: &str| {
        let path = format!("/containers/{id}/logs?stdout=1&follow=1&{query}");
        daemon.http().open("GET", &path, &[], b"")
    };
    let (all, new) = (follow(""), follow("tail=0"));
    assert_eq!((all.status, new.status), (200, 200));
    assert_eq!(daemon.exec(&id, &["touch", "/tmp/go"]).0, 0);
    let numbers: String = (1..=500).map(|number| format!("{number}\n")).collect();
    assert_eq!(stdcopy::split(&all.finish().body).stdout, format!("first\n{numbers}"));
    assert_eq!(stdcopy::split(&new.finish().body).stdout, numbers);
    let attached = daemon.docker(&["logs", "-f", "--tail", "1", &id]);
    assert_eq!((attached.code, attached.stdout.as_str()), (0, "500\n"));
}
