//! Attach: the hijacked connection, its directions and its ends.

use std::time::Duration;

use harness::stdcopy::Output;
use harness::{Daemon, eventually};
use serde_json::json;

fn attach(id: &str, query: &str) -> String {
    format!("/containers/{id}/attach?stream=1&{query}")
}

/// Route: POST /containers/{id}/attach
#[test]
fn answers_101_with_the_form_of_the_stream() {
    let daemon = Daemon::start();
    for (tty, kind) in [
        (false, "application/vnd.docker.multiplexed-stream"),
        (true, "application/vnd.docker.raw-stream"),
    ] {
        let id = daemon.create(&json!({ "Tty": tty, "Cmd": ["echo", "hi"] }));
        let mut stream = daemon.http().upgrade(&attach(&id, "stdout=1&stderr=1"), None).expect(101);
        assert_eq!(stream.header("content-type"), Some(kind));
        assert_eq!(stream.header("upgrade"), Some("tcp"));
        assert_eq!(stream.header("connection"), Some("Upgrade"));
        daemon.start_container(&id);
        if tty {
            assert_eq!(stream.text(), "hi\r\n");
        } else {
            assert_eq!(stream.output(), Output { stdout: "hi\n".into(), stderr: String::new() });
        }
    }
}

#[test]
fn serves_old_clients_that_ask_for_no_upgrade() {
    let daemon = Daemon::start();
    let id = daemon.create(&json!({ "Tty": true, "Cmd": ["echo", "hi"] }));
    let mut stream = daemon.http().take_over(&attach(&id, "stdout=1&stderr=1"), None).expect(200);
    assert_eq!(stream.header("content-type"), Some("application/vnd.docker.raw-stream"));
    daemon.start_container(&id);
    assert_eq!(stream.text(), "hi\r\n");
}

#[test]
fn gives_only_the_streams_that_are_asked_for() {
    let daemon = Daemon::start();
    let body = json!({ "Cmd": ["sh", "-c", "echo out; echo err >&2"] });
    for (query, out, err) in [
        ("stdout=1", "out\n", ""),
        ("stderr=1", "", "err\n"),
        ("stdout=1&stderr=1", "out\n", "err\n"),
    ] {
        let id = daemon.create(&body);
        let mut stream = daemon.http().upgrade(&attach(&id, query), None).expect(101);
        daemon.start_container(&id);
        assert_eq!(stream.output(), Output { stdout: out.into(), stderr: err.into() }, "{query}");
    }
}

#[test]
fn carries_stdin_and_its_end() {
    let daemon = Daemon::start();
    let body = json!({ "OpenStdin": true, "StdinOnce": true, "AttachStdin": true,
        "Cmd": ["sh", "-c", "cat; echo end"] });
    let id = daemon.create(&body);
    let mut stream = daemon.http().upgrade(&attach(&id, "stdin=1&stdout=1"), None).expect(101);
    stream.write(b"before the start\n");
    daemon.start_container(&id);
    stream.write(b"after the start\n");
    stream.half_close();
    assert_eq!(stream.output().stdout, "before the start\nafter the start\nend\n");
    assert_eq!(daemon.wait(&id), 0);
}

#[test]
fn keeps_stdin_open_for_the_next_client_without_stdin_once() {
    let daemon = Daemon::start();
    let body = json!({ "OpenStdin": true, "Tty": false, "Cmd": ["sh", "-c",
        "read a; echo \"got $a\"; read b; echo \"got $b\""] });
    let id = daemon.launch(&body);
    let mut first = daemon.http().upgrade(&attach(&id, "stdin=1&stdout=1"), None).expect(101);
    first.write(b"one\n");
    first.read_until("got one");
    first.half_close();
    drop(first);
    let mut second = daemon.http().upgrade(&attach(&id, "stdin=1&stdout=1"), None).expect(101);
    second.write(b"two\n");
    assert_eq!(second.output().stdout, "got two\n");
}

#[test]
fn replays_the_log_first_when_asked() {
    let daemon = Daemon::start();
    let script = "echo early; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo late";
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", script] }));
    eventually("the first line", Duration::from_secs(20), || {
        daemon.logs(&id).stdout.contains("early").then_some(())
    });
    let mut with = daemon.http().upgrade(&attach(&id, "logs=1&stdout=1"), None).expect(101);
    let mut without = daemon.http().upgrade(&attach(&id, "stdout=1"), None).expect(101);
    with.read_until("early");
    assert_eq!(daemon.exec(&id, &["touch", "/tmp/go"]).0, 0);
    assert_eq!(without.output().stdout, "late\n");
    assert!(String::from_utf8_lossy(&with.read_to_end()).contains("late\n"));
}

#[test]
fn every_client_gets_all_of_it() {
    let daemon = Daemon::start();
    let id = daemon.create(&json!({ "Cmd": ["seq", "1", "20000"] }));
    let mut streams: Vec<_> =
        (0..3).map(|_| daemon.http().upgrade(&attach(&id, "stdout=1"), None).expect(101)).collect();
    daemon.start_container(&id);
    let expected: String = (1..=20_000).map(|number| format!("{number}\n")).collect();
    std::thread::scope(|scope| {
        for stream in &mut streams {
            let expected = &expected;
            scope.spawn(move || assert!(stream.output().stdout == *expected, "lines are missing"));
        }
    });
}

#[test]
fn a_client_that_does_not_read_stops_nobody_else() {
    let daemon = Daemon::start();
    let script = "yes 0123456789 | head -c 3000000; sleep 1; echo; echo end";
    let id = daemon.create(&json!({ "Cmd": ["sh", "-c", script] }));
    let lazy = daemon.http().upgrade(&attach(&id, "stdout=1"), None).expect(101);
    daemon.start_container(&id);
    drop(lazy);
    assert_eq!(daemon.wait(&id), 0);
    assert!(daemon.logs(&id).stdout.ends_with("\nend\n"));
}

/// Route: POST /containers/{id}/resize
#[test]
fn a_terminal_is_resized() {
    let daemon = Daemon::start();
    let body = json!({ "Tty": true, "OpenStdin": true, "Cmd": ["sh"],
        "HostConfig": { "ConsoleSize": [33, 44] } });
    let id = daemon.create(&body);
    let mut stream = daemon.http().upgrade(&attach(&id, "stdin=1&stdout=1"), None).expect(101);
    daemon.http().post(&format!("/containers/{id}/resize?h=20&w=30")).expect(409);
    daemon.start_container(&id);
    stream.write(b"stty size; echo a-$((1+1))\n");
    let seen = stream.read_until("a-2");
    assert!(seen.contains("33 44"), "{seen}");
    daemon.http().post(&format!("/containers/{id}/resize?h=20&w=30")).expect(200);
    stream.write(b"stty size; echo b-$((1+1))\n");
    let seen = stream.read_until("b-2");
    assert!(seen.contains("20 30"), "{seen}");
    stream.write(b"exit 0\n");
    assert_eq!(daemon.wait(&id), 0);
}

#[test]
fn ends_of_an_absent_or_ended_container() {
    let daemon = Daemon::start();
    let missing = daemon.http().post("/containers/no-such-one/attach?stream=1&stdout=1");
    assert!(missing.expect(404).text().contains("No such container: no-such-one"));
    let id = daemon.launch(&json!({ "Cmd": ["echo", "once"] }));
    daemon.wait(&id);
    let mut stream = daemon.http().upgrade(&attach(&id, "stdout=1&logs=1"), None).expect(101);
    assert!(stream.read_until("once").contains("once"));
}

#[test]
fn what_is_typed_before_the_start_reaches_a_terminal() {
    let daemon = Daemon::start();
    let id = daemon.create(&json!({ "Tty": true, "OpenStdin": true, "Cmd": ["sh"] }));
    let mut stream = daemon.http().upgrade(&attach(&id, "stdin=1&stdout=1"), None).expect(101);
    stream.write(b"echo early-$((1+1))\n");
    daemon.start_container(&id);
    stream.read_until("early-2");
    stream.write(b"exit 7\n");
    assert_eq!(daemon.wait(&id), 7);
}
