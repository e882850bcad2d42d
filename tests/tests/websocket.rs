//! Attach over a WebSocket.

use std::time::Duration;

use harness::client::websocket::{BINARY, CLOSE, PING, PONG, TEXT};
use harness::{Daemon, eventually};
use serde_json::json;

fn attach(version: &str, id: &str, query: &str) -> String {
    format!("/{version}/containers/{id}/attach/ws?{query}")
}

fn cat(daemon: &Daemon) -> String {
    let body = json!({ "Cmd": ["cat"], "OpenStdin": true, "AttachStdin": true });
    daemon.launch(&body)
}

fn until_logged(daemon: &Daemon, id: &str, line: &str) {
    eventually("the line is in the log", Duration::from_secs(20), || {
        daemon.logs(id).stdout.ends_with(line).then_some(())
    });
}

/// Route: GET /containers/{id}/attach/ws
#[test]
fn messages_go_both_ways() {
    let daemon = Daemon::start();
    let id = cat(&daemon);
    for (version, query, kind) in [
        ("v1.45", "stream=1&stdin=1&stdout=1", BINARY),
        // Before 1.42 all streams, whatever is asked for; before 1.28 text.
        ("v1.41", "stream=1", BINARY),
        ("v1.27", "stream=1&stdout=1", TEXT),
    ] {
        let mut socket = daemon.http().websocket(&attach(version, &id, query));
        for sent in [BINARY, TEXT] {
            socket.send(sent, b"hello\n");
            assert_eq!(socket.receive(), Some((kind, b"hello\n".to_vec())), "{version}");
        }
        socket.send(PING, b"p");
        assert_eq!(socket.receive(), Some((PONG, b"p".to_vec())));
        socket.send(CLOSE, &1000_u16.to_be_bytes());
        assert_eq!(socket.receive(), Some((CLOSE, 1000_u16.to_be_bytes().to_vec())));
        assert_eq!(socket.receive(), None);
    }
    assert_eq!(daemon.inspect(&id)["State"]["Running"], true);
    let path = attach("v1.45", &id, "stream=1&stdin=1&stderr=1");
    let mut silent = daemon.http().websocket(&path);
    silent.send(BINARY, b"into the log\n");
    until_logged(&daemon, &id, "into the log\n");
    daemon.http().post(&format!("/containers/{id}/kill")).expect(204);
    assert_eq!(silent.until_close(), (String::new(), None));
}

#[test]
fn gives_both_outputs_and_a_close_at_the_end() {
    let daemon = Daemon::start();
    let body = json!({ "Cmd": ["sh", "-c", "echo out; sleep 0.5; echo err >&2"] });
    for (query, expected) in [
        ("stream=1&stdout=1&stderr=1", "out\nerr\n"),
        ("stream=1&stdout=1", "out\n"),
        ("stream=1&stderr=1", "err\n"),
        ("stream=1", ""),
    ] {
        let id = daemon.create(&body);
        let mut socket = daemon.http().websocket(&attach("v1.45", &id, query));
        daemon.start_container(&id);
        assert_eq!(socket.until_close().0, expected, "{query}");
        assert_eq!(daemon.wait(&id), 0);
    }
}

#[test]
fn replays_the_log_when_asked() {
    let daemon = Daemon::start();
    let id = cat(&daemon);
    let path = attach("v1.45", &id, "stream=1&stdin=1&stdout=1");
    let mut socket = daemon.http().websocket(&path);
    socket.send(BINARY, b"early\n");
    assert_eq!(socket.receive(), Some((BINARY, b"early\n".to_vec())));
    // Clients have it first.
    until_logged(&daemon, &id, "early\n");
    let mut past = daemon.http().websocket(&attach("v1.45", &id, "logs=1&stdout=1"));
    assert_eq!(past.until_close().0, "early\n");
    let mut both = daemon.http().websocket(&attach("v1.45", &id, "logs=1&stream=1&stdout=1"));
    assert_eq!(both.receive(), Some((BINARY, b"early\n".to_vec())));
    socket.send(BINARY, b"late\n");
    assert_eq!(both.receive(), Some((BINARY, b"late\n".to_vec())));
}

#[test]
fn a_terminal_is_left_by_the_keys() {
    let daemon = Daemon::start();
    let id = daemon.launch(&json!({ "Tty": true, "OpenStdin": true, "Cmd": ["sh"] }));
    let query = "stream=1&stdin=1&stdout=1&detachKeys=x,ctrl-y";
    let mut socket = daemon.http().websocket(&attach("v1.45", &id, query));
    socket.send(BINARY, b"echo up-$((3+4))\n");
    let mut seen = String::new();
    while !seen.contains("up-7") {
        seen += &String::from_utf8_lossy(&socket.receive().expect("more").1);
    }
    socket.send(BINARY, b"x");
    socket.send(BINARY, b"\x19");
    socket.until_close();
    assert_eq!(daemon.inspect(&id)["State"]["Running"], true);
}

#[test]
fn carries_large_output_whole() {
    let daemon = Daemon::start();
    let id = daemon.create(&json!({ "Cmd": ["seq", "1", "200000"] }));
    let mut socket = daemon.http().websocket(&attach("v1.45", &id, "stream=1&stdout=1"));
    daemon.start_container(&id);
    let expected: String = (1..=200_000).map(|number| format!("{number}\n")).collect();
    assert!(socket.until_close().0 == expected, "lines are missing");
}

#[test]
fn says_why_it_can_not() {
    let daemon = Daemon::start();
    let id = cat(&daemon);
    let http = daemon.http();
    let missing = http.try_websocket(&attach("v1.45", "no-such-one", "stream=1"));
    let missing = missing.finish().expect(404);
    assert_eq!(missing.message(), "No such container: no-such-one");
    let keys = attach("v1.45", &id, "stream=1&stdin=1&stdout=1&detachKeys=bogus");
    let refused = http.try_websocket(&keys).finish().expect(400);
    assert_eq!(refused.message(), "Invalid detach keys (bogus) provided");
    let plain = http.get(&attach("v1.45", &id, "stream=1&stdout=1")).expect(400);
    assert!(plain.text().contains("not websocket protocol"), "{}", plain.text());
}
