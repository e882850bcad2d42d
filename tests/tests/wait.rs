//! Wait: when the answer's head comes, and when its body.

use std::time::Duration;

use harness::{Daemon, eventually};
use serde_json::json;

/// Route: POST /containers/{id}/wait
#[test]
fn heads_come_at_once_and_the_code_at_the_end() {
    let daemon = Daemon::start();
    let script = "while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 12";
    let id = daemon.create(&json!({ "Cmd": ["sh", "-c", script] }));
    let path = format!("/containers/{id}/wait?condition=next-exit");
    let waiting = daemon.http().open("POST", &path, &[], b"");
    assert_eq!(waiting.status, 200);
    daemon.start_container(&id);
    assert_eq!(daemon.exec(&id, &["touch", "/tmp/go"]).0, 0);
    assert_eq!(waiting.finish().json()["StatusCode"], 12);
}

#[test]
fn conditions_differ() {
    let daemon = Daemon::start();
    let id = daemon.create(&json!({ "Cmd": ["sh", "-c", "exit 3"] }));
    let not_running = daemon.http().post(&format!("/containers/{id}/wait?condition=not-running"));
    assert_eq!(not_running.expect(200).json()["StatusCode"], 0);
    daemon.start_container(&id);
    for query in ["", "?condition=not-running", "?condition="] {
        let answer = daemon.http().post(&format!("/containers/{id}/wait{query}")).expect(200);
        assert_eq!(answer.json()["StatusCode"], 3, "{query}");
    }
    let removed = format!("/containers/{id}/wait?condition=removed");
    let waiting = daemon.http().open("POST", &removed, &[], b"");
    daemon.remove(&id);
    assert_eq!(waiting.finish().json()["StatusCode"], 3);
}

#[test]
fn a_next_exit_is_the_next_one() {
    let daemon = Daemon::start();
    let script = "n=$(cat /n || echo 0); echo $((n+1)) > /n; exit $((n+1))";
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", script] }));
    assert_eq!(daemon.wait(&id), 1);
    let path = format!("/containers/{id}/wait?condition=next-exit");
    let waiting = daemon.http().open("POST", &path, &[], b"");
    daemon.start_container(&id);
    assert_eq!(waiting.finish().json()["StatusCode"], 2);
}

#[test]
fn many_may_wait_for_one() {
    let daemon = Daemon::start();
    let id = daemon.sleeper();
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..8).map(|_| scope.spawn(|| daemon.wait(&id))).collect();
        std::thread::sleep(Duration::from_millis(300));
        daemon.http().post(&format!("/containers/{id}/kill")).expect(204);
        for waiter in waiters {
            assert_eq!(waiter.join().expect("a code"), 137);
        }
    });
}

#[test]
fn refuses_unknown_conditions_and_containers() {
    let daemon = Daemon::start();
    let id = daemon.create(&json!({ "Cmd": ["true"] }));
    let refused = daemon.http().post(&format!("/containers/{id}/wait?condition=tomorrow"));
    assert!(refused.expect(400).message().contains("invalid condition"));
    daemon.http().post("/containers/no-such-one/wait").expect(404);
}

#[test]
fn lists_never_wait_for_a_busy_container() {
    let daemon = Daemon::start();
    let body = json!({ "Cmd": ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"] });
    let id = daemon.launch(&body);
    std::thread::scope(|scope| {
        let stop = scope.spawn(|| daemon.http().post(&format!("/containers/{id}/stop?t=3")).status);
        std::thread::sleep(Duration::from_millis(200));
        let begin = std::time::Instant::now();
        assert!(daemon.list_all().iter().any(|container| container["Id"] == *id));
        daemon.inspect(&id);
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        assert_eq!(stop.join().expect("a status"), 204);
    });
    eventually("the end", Duration::from_secs(5), || {
        (daemon.inspect(&id)["State"]["Running"] == false).then_some(())
    });
}
