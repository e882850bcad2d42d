//! Logs: what a container has said, later.

use std::time::Duration;

use harness::{Daemon, eventually, stdcopy};
use serde_json::json;

const SCRIPT: &str = "for n in 1 2 3 4 5; do echo out$n; echo err$n >&2; sleep 0.02; done";

fn logs(daemon: &Daemon, id: &str, query: &str) -> stdcopy::Output {
    let path = format!("/containers/{id}/logs?{query}");
    stdcopy::split(&daemon.http().get(&path).expect(200).body)
}

/// Route: GET /containers/{id}/logs
#[test]
fn gives_the_asked_streams_and_the_last_lines() {
    let daemon = Daemon::start();
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", SCRIPT] }));
    daemon.wait(&id);
    let out = "out1\nout2\nout3\nout4\nout5\n";
    for (query, stdout, stderr) in [
        ("stdout=1&stderr=1", out, "err1\nerr2\nerr3\nerr4\nerr5\n"),
        ("stdout=1", out, ""),
        ("stdout=true", out, ""),
        ("stderr=1&tail=all", "", "err1\nerr2\nerr3\nerr4\nerr5\n"),
        ("stdout=1&tail=0", "", ""),
        ("stdout=1&stderr=1&tail=2", "out5\n", "err5\n"),
        ("stdout=1&since=4102444800", "", ""),
        ("stdout=1&until=1", "", ""),
        ("stdout=1&since=1.5", out, ""),
    ] {
        let seen = logs(&daemon, &id, query);
        assert_eq!((seen.stdout.as_str(), seen.stderr.as_str()), (stdout, stderr), "{query}");
    }
    let none = daemon.http().get(&format!("/containers/{id}/logs")).expect(400);
    assert!(none.message().contains("you must choose at least one stream"), "{}", none.message());
}

#[test]
fn stamps_lines_when_asked() {
    let daemon = Daemon::start();
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", SCRIPT] }));
    daemon.wait(&id);
    let seen = logs(&daemon, &id, "stdout=1&timestamps=1");
    let stamps: Vec<_> =
        seen.stdout.lines().map(|line| line.split_once(' ').expect("a stamp").0).collect();
    assert_eq!(stamps.len(), 5);
    assert!(stamps.is_sorted(), "{stamps:?}");
    for stamp in &stamps {
        // RFC 3339 with nine digits, as in 2024-02-03T04:05:06.000000007Z.
        assert!(stamp.len() == 30 && stamp.ends_with('Z') && &stamp[19..20] == ".", "{stamp}");
    }
    let from = stamps[3].parse::<jiff::Timestamp>().expect("a time");
    let since = format!("{}.{:09}", from.as_second(), from.subsec_nanosecond());
    let seen = logs(&daemon, &id, &format!("stdout=1&since={since}"));
    assert_eq!(seen.stdout, "out4\nout5\n");
}

#[test]
fn follows_until_the_container_ends() {
    let daemon = Daemon::start();
    let script = "echo first; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo last";
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", script] }));
    eventually("the first line", Duration::from_secs(20), || {
        logs(&daemon, &id, "stdout=1").stdout.contains("first").then_some(())
    });
    let path = format!("/containers/{id}/logs?stdout=1&follow=1");
    let stream = daemon.http().open("GET", &path, &[], b"");
    assert_eq!(stream.status, 200);
    assert_eq!(daemon.exec(&id, &["touch", "/tmp/go"]).0, 0);
    assert_eq!(stdcopy::split(&stream.finish().body).stdout, "first\nlast\n");
    let ended = daemon.http().get(&path).expect(200);
    assert_eq!(stdcopy::split(&ended.body).stdout, "first\nlast\n");
}

#[test]
fn a_terminal_s_log_is_raw() {
    let daemon = Daemon::start();
    let id = daemon.launch(&json!({ "Tty": true, "Cmd": ["sh", "-c", "echo a; echo b >&2"] }));
    daemon.wait(&id);
    let answer = daemon.http().get(&format!("/containers/{id}/logs?stdout=1&stderr=1")).expect(200);
    assert_eq!(answer.text(), "a\r\nb\r\n");
    assert_eq!(answer.header("content-type"), Some("application/vnd.docker.raw-stream"));
}

#[test]
fn keeps_bytes_lines_without_end_and_long_lines() {
    let daemon = Daemon::start();
    let id = daemon
        .launch(&json!({ "Cmd": ["awk", "BEGIN { printf \"no end\"; printf \"\\n\\n\"; \
        for (i = 0; i < 40000; i++) printf \"x\"; printf \"\\ntail\" }"] }));
    daemon.wait(&id);
    let seen = logs(&daemon, &id, "stdout=1").stdout;
    assert_eq!(seen.len(), 6 + 2 + 40_000 + 1 + 4);
    assert!(seen.starts_with("no end\n\nxxx") && seen.ends_with("x\ntail"));
}

#[test]
fn ten_thousand_lines_come_back_in_order() {
    let daemon = Daemon::start();
    let id = daemon.launch(&json!({ "Cmd": ["seq", "1", "10000"] }));
    daemon.wait(&id);
    let expected: String = (1..=10_000).map(|number| format!("{number}\n")).collect();
    assert!(logs(&daemon, &id, "stdout=1").stdout == expected);
    let last = logs(&daemon, &id, "stdout=1&tail=3").stdout;
    assert_eq!(last, "9998\n9999\n10000\n");
}

#[test]
fn by_the_cli_with_follow_and_tail() {
    let daemon = Daemon::start();
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", SCRIPT] }));
    let run = daemon.docker(&["logs", "-f", &id]);
    assert_eq!((run.code, run.stdout.lines().count(), run.stderr.lines().count()), (0, 5, 5));
    let seen = daemon.docker(&["logs", "--tail", "2", &id]);
    assert_eq!((seen.stdout.as_str(), seen.stderr.as_str()), ("out5\n", "err5\n"));
    let missing = daemon.docker(&["logs", "no-such-one"]).fails(1);
    assert!(missing.contains("No such container: no-such-one"), "{missing}");
}

#[test]
fn a_log_driver_of_none_keeps_nothing() {
    let daemon = Daemon::start();
    let body = json!({ "Cmd": ["echo", "x"], "HostConfig": { "LogConfig": { "Type": "none" } } });
    let id = daemon.launch(&body);
    daemon.wait(&id);
    let answer = daemon.http().get(&format!("/containers/{id}/logs?stdout=1"));
    assert!(answer.status == 501 || answer.status == 500, "{}", answer.status);
    assert!(answer.message().contains("does not support reading"), "{}", answer.message());
}

#[test]
fn old_log_files_are_turned_over() {
    let daemon = Daemon::start();
    let log = json!({ "Type": "json-file", "Config": { "max-size": "20k", "max-file": "3" } });
    let body = json!({ "Cmd": ["seq", "1", "3000"], "HostConfig": { "LogConfig": log } });
    let id = daemon.launch(&body);
    daemon.wait(&id);
    let seen = logs(&daemon, &id, "stdout=1").stdout;
    let lines: Vec<u32> = seen.lines().map(|line| line.parse().expect("a number")).collect();
    assert_eq!(lines.last(), Some(&3000));
    assert!(lines.len() < 2000 && lines.len() > 200, "{}", lines.len());
    assert!(lines.windows(2).all(|pair| pair[0] + 1 == pair[1]), "the lines have a gap");
}

/// Whoever can put a link in a log's place has it neither read nor written through.
#[test]
fn links_are_not_followed() {
    let Some(daemon) = Daemon::ours() else { return };
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", "echo word"] }));
    daemon.wait(&id);
    let path = daemon.inspect(&id)["LogPath"].as_str().expect("a path").to_owned();
    let other = tempfile::NamedTempFile::new().expect("a file");
    std::fs::copy(&path, other.path()).expect("a copy");
    let before = std::fs::read(other.path()).expect("the copy");
    std::fs::remove_file(&path).expect("the log");
    std::os::unix::fs::symlink(other.path(), &path).expect("a link");
    // The head of the answer is on its way before the log is opened.
    let answer = daemon.http().get(&format!("/containers/{id}/logs?stdout=1")).expect(200);
    let told = String::from_utf8_lossy(&answer.body);
    assert!(!told.contains("word"), "{told}");
    let refused = daemon.http().post(&format!("/containers/{id}/start")).expect(500).message();
    assert!(refused.contains("log file"), "{refused}");
    assert_eq!(std::fs::read(other.path()).expect("the copy"), before);
    daemon.remove(&id);
}
