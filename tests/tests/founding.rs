//! The two calls of the founding article: `POST /run` and `POST /exec` on the same socket.

use harness::registry::Registry;
use harness::{Daemon, IMAGE, name};
use serde_json::json;

/// Route: POST /run
/// Route: POST /exec
#[test]
fn a_container_is_run_and_executes_a_command() {
    let Some(daemon) = Daemon::ours() else { return };
    let called = name();
    let body = json!({ "image": IMAGE, "name": called, "cmd": ["sleep", "1000"] });
    let answer = daemon.http().post_json("/run", &body);
    let body = if answer.status < 300 { body } else { json!({ "image": IMAGE, "name": called }) };
    let answer = if answer.status < 300 { answer } else { daemon.http().post_json("/run", &body) };
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    assert_eq!(answer.json()["status"], "started");
    assert_eq!(answer.json()["name"], called);
    assert_eq!(daemon.inspect(&called)["Config"]["Image"], IMAGE);
    if daemon.inspect(&called)["State"]["Running"] == true {
        let exec = json!({ "name": called, "cmd": ["echo", "hello", "there"] });
        let answer = daemon.http().post_json("/exec", &exec).expect(200);
        assert!(answer.text().contains("hello there"), "{}", answer.text());
    }
    daemon.remove(&called);
}

#[test]
fn a_missing_image_is_pulled() {
    let Some(daemon) = Daemon::ours() else { return };
    let registry = Registry::start();
    let reference = registry.push("founding", "v1", harness::image::Image::busybox());
    let called = name();
    let answer = daemon.http().post_json("/run", &json!({ "image": reference, "name": called }));
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    daemon.http().get(&format!("/images/{reference}/json")).expect(200);
    daemon.remove(&called);
}

#[test]
fn nonsense_is_refused() {
    let Some(daemon) = Daemon::ours() else { return };
    for (path, body) in [
        ("/run", json!({})),
        ("/run", json!([])),
        ("/run", json!({ "image": "UPPER CASE", "name": name() })),
        ("/run", json!({ "image": IMAGE, "name": "-bad" })),
        ("/exec", json!({})),
        ("/exec", json!({ "name": "no-such-one", "cmd": ["true"] })),
        ("/exec", json!({ "name": "no-such-one", "cmd": [] })),
    ] {
        let answer = daemon.http().post_json(path, &body);
        assert!((400..500).contains(&answer.status), "{path} {body}: {}", answer.status);
        assert!(!answer.message().is_empty());
    }
}
