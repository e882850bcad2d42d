//! The pauses of restart policies.

use std::time::Duration;

use harness::{Daemon, escaped, eventually, now};
use serde_json::{Value, json};

/// Milliseconds from each end to the next start.
fn pauses(events: &[Value]) -> Vec<i64> {
    let at = |event: &Value| event["timeNano"].as_i64().expect("a time") / 1_000_000;
    let mut ended = None;
    let mut found = Vec::new();
    for event in events {
        match event["Action"].as_str() {
            Some("die") => ended = Some(at(event)),
            Some("start") => found.extend(ended.take().map(|ended| at(event) - ended)),
            _ => {}
        }
    }
    found
}

#[test]
fn pauses_double_from_a_tenth_of_a_second() {
    let daemon = Daemon::start();
    let begin = now();
    let id = daemon.launch(&json!({ "Cmd": ["false"],
        "HostConfig": { "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 4 } } }));
    eventually("four restarts", Duration::from_secs(30), || {
        let seen = daemon.inspect(&id);
        (seen["RestartCount"] == 4 && seen["State"]["Status"] == "exited").then_some(())
    });
    let filters = json!({ "container": [id], "event": ["start", "die"] }).to_string();
    let only = escaped(&filters);
    let path = format!("/events?since={begin}&until={}&filters={only}", now() + 1);
    let events = daemon.http().get(&path).expect(200).json_lines();
    let pauses = pauses(&events);
    assert_eq!(pauses.len(), 4, "{pauses:?}");
    for (pause, least) in pauses.iter().zip([100, 200, 400, 800]) {
        // A loaded machine takes longer, never less.
        assert!((least..least + 5_000).contains(pause), "{pauses:?}");
    }
}

/// dockerd takes such a container for one that runs.
#[test]
fn a_start_takes_the_place_of_the_restart_that_is_due() {
    let Some(daemon) = Daemon::ours() else { return };
    let shared = tempfile::TempDir::new().expect("a directory");
    let id = daemon.launch(&json!({
        "Cmd": ["sh", "-c", "[ -e /shared/go ] && exec sleep 1000; exit 1"],
        "StopSignal": "SIGKILL",
        "HostConfig": { "Binds": [format!("{}:/shared", shared.path().display())],
            "RestartPolicy": { "Name": "always" } } }));
    let restarting = || {
        let seen = daemon.inspect(&id);
        (seen["RestartCount"] == 4 && seen["State"]["Status"] == "restarting").then_some(())
    };
    eventually("a pause of 1.6 s", Duration::from_secs(30), restarting);
    std::fs::write(shared.path().join("go"), "").expect("a file");
    daemon.start_container(&id);
    let state = || daemon.inspect(&id)["State"].clone();
    let before = state();
    assert_eq!(before["Status"], "running");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(state(), before);
    assert_eq!(daemon.inspect(&id)["RestartCount"], 0);
    daemon.http().post(&format!("/containers/{id}/stop")).expect(204);
    assert_eq!(state()["Status"], "exited");
}

#[test]
fn a_kill_gives_up_the_restart_that_is_due() {
    let daemon = Daemon::start();
    let id = daemon.launch(&json!({ "Cmd": ["false"],
        "HostConfig": { "RestartPolicy": { "Name": "always" } } }));
    // By then the pause is longer than a request takes anywhere.
    eventually("a long pause", Duration::from_secs(30), || {
        let seen = daemon.inspect(&id);
        let waits = seen["State"]["Status"] == "restarting";
        (waits && seen["RestartCount"].as_u64() >= Some(4)).then_some(())
    });
    daemon.http().post(&format!("/containers/{id}/kill")).expect(204);
    let status = || daemon.inspect(&id)["State"]["Status"].clone();
    eventually("the end", Duration::from_secs(5), || (status() == "exited").then_some(()));
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(status(), "exited");
    daemon.http().post(&format!("/containers/{id}/kill")).expect(409);
}
