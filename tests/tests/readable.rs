//! Starts that can be read: what one does, as a plan, and what it did, as a timeline. Not Docker's.

use std::time::Duration;

use harness::daemon::Options;
use harness::{Daemon, IMAGE, eventually, name};
use serde_json::{Value, json};

fn steps(timeline: &Value) -> Vec<&str> {
    let steps = timeline["Steps"].as_array().expect("steps").iter();
    steps.map(|step| step["Name"].as_str().expect("a name")).collect()
}

/// Every step is later than the one before, and `Took` is what lies between them.
fn check_times(timeline: &Value) {
    let mut last = 0;
    for step in timeline["Steps"].as_array().expect("steps") {
        let (done, took) = (step["Done"].as_u64().unwrap(), step["Took"].as_u64().unwrap());
        assert_eq!(done - last, took, "{timeline}");
        last = done;
    }
    assert!(last > 100, "microseconds: {timeline}");
}

/// The names of `wanted` are there, in this order.
fn check_order(timeline: &Value, wanted: &[&str]) {
    let steps = steps(timeline);
    let mut rest = steps.iter();
    for name in wanted {
        assert!(rest.any(|step| step == name), "{name:?} is not there in its turn: {steps:?}");
    }
}

/// Route: GET /containers/{id}/timeline
#[test]
fn a_start_tells_when_its_steps_were_done() {
    let Some(daemon) = Daemon::ours() else { return };
    let id = daemon.create(&json!({ "Cmd": ["sleep", "1000"] }));
    let path = format!("/containers/{id}/timeline");
    let none = daemon.http().get(&path).expect(409);
    assert!(none.message().contains("no start"), "{}", none.message());
    daemon.http().post(&format!("/containers/{id}/start")).expect(204);
    let first = daemon.http().get(&path).expect(200).json();
    assert_eq!(first["Id"], id.as_str());
    check_times(&first);
    let order = [
        "start asked for",
        "plan compiled",
        "request received",
        "root file system mounted",
        "process cloned",
        "file systems mounted",
        "root entered",
        "filter loaded, program executed",
        "heard that it runs",
    ];
    check_order(&first, &order);
    assert!(!steps(&first).contains(&"terminal opened"), "it has none: {first}");
    // The beginning is not before the container, and the program does not run before the last step but one.
    let inspect = daemon.inspect(&id);
    let [created, began] = [&inspect["Created"], &first["Began"]].map(|at| at.as_str().unwrap());
    assert!(created[..19] <= began[..19], "{created} {began}");

    daemon.http().post(&format!("/containers/{id}/restart?t=0")).expect(204);
    let second = daemon.http().get(&path).expect(200).json();
    assert!(second["Began"].as_str() > first["Began"].as_str(), "{second}");
}

/// Route: GET /exec/{id}/timeline
#[test]
fn an_exec_tells_when_its_steps_were_done() {
    let Some(daemon) = Daemon::ours() else { return };
    let id = daemon.launch(&json!({ "Cmd": ["sleep", "1000"] }));
    let body = json!({ "Cmd": ["true"], "Tty": true });
    let exec = daemon.http().post_json(&format!("/containers/{id}/exec"), &body).expect(201);
    let exec = exec.json()["Id"].as_str().unwrap().to_owned();
    let path = format!("/exec/{exec}/timeline");
    daemon.http().get(&path).expect(409);
    let start = json!({ "Detach": true });
    daemon.http().post_json(&format!("/exec/{exec}/start"), &start).expect(200);
    let timeline = daemon.http().get(&path).expect(200).json();
    check_times(&timeline);
    let order = ["plan compiled", "process cloned", "namespaces joined", "heard that it runs"];
    check_order(&timeline, &order);
    let whole = daemon.http().get(&format!("/containers/{id}/timeline")).expect(200).json();
    assert_eq!(whole["Exec"], timeline);
    daemon.http().get("/exec/0123/timeline").expect(404);
}

#[test]
fn timelines_of_running_containers_outlive_the_daemon() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let id = daemon.launch(&json!({ "Cmd": ["sleep", "1000"] }));
    let path = format!("/containers/{id}/timeline");
    let before = daemon.http().get(&path).expect(200).json();
    daemon.kill9();
    daemon.start_again(&Options::new());
    let after = eventually("the monitor's word", Duration::from_secs(10), || {
        let answer = daemon.http().get(&path);
        (answer.status == 200).then(|| answer.json())
    });
    assert_eq!(after["Began"], before["Began"]);
    // What the daemon of that time did with the word that it runs, is its own.
    assert_eq!(steps(&after).len() + 1, steps(&before).len());
}

/// Route: GET /containers/{id}/plan
#[test]
fn a_start_tells_what_it_does() {
    let Some(daemon) = Daemon::ours() else { return };
    let id = daemon.create(&json!({
        "Cmd": ["sh", "-c", "exit 0"],
        "Hostname": "readable",
        "HostConfig": { "ReadonlyRootfs": true, "PidsLimit": 77, "CapDrop": ["MKNOD"] },
    }));
    let path = format!("/containers/{id}/plan");
    let plan = daemon.http().get(&path).expect(200).json();
    assert_eq!(plan["hostname"], "readable");
    assert_eq!(plan["root"]["readonly"], true);
    assert_eq!(plan["process"]["args"], json!(["sh", "-c", "exit 0"]));
    let text = daemon.http().get(&format!("{path}?format=text")).expect(200);
    assert_eq!(text.header("content-type"), Some("text/plain; charset=utf-8"));
    let text = text.text();
    for line in ["  host readable\n", "  read-only\n", "pids.max = 77\n", "/proc/kcore\n"] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
    let capabilities = text.lines().find(|line| line.starts_with("  capabilities")).unwrap();
    assert!(capabilities.contains("CHOWN") && !capabilities.contains("MKNOD"), "{capabilities}");
    let refused = daemon.http().get(&format!("{path}?format=xml")).expect(400);
    assert!(refused.message().contains("xml"), "{}", refused.message());
    daemon.http().get("/containers/no-such-one/plan").expect(404);
}

#[test]
fn the_client_shows_both() {
    let Some(daemon) = Daemon::ours() else { return };
    let called = name();
    let run = daemon.jocker(&["run", "-d", "--name", &called, IMAGE, "sleep", "1000"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(daemon.jocker(&["exec", &called, "true"]).code, 0);
    let shown = daemon.jocker(&["timeline", &called]);
    assert_eq!(shown.code, 0, "{shown:?}");
    for part in ["DONE (us)", "root entered", "\nexec ", "namespaces joined"] {
        assert!(shown.stdout.contains(part), "{part:?} is not in {}", shown.stdout);
    }
    let shown = daemon.jocker(&["timeline", "--format", "json", &called]);
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    let exec = shown["Exec"]["Id"].as_str().expect("an exec").to_owned();
    assert_eq!(daemon.jocker(&["timeline", "--exec", &exec]).code, 0);

    let plan = daemon.jocker(&["plan", &called]);
    assert!(plan.stdout.starts_with("namespaces: "), "{plan:?}");
    let plan = daemon.jocker(&["plan", "--format", "json", &called]);
    let plan: Value = serde_json::from_str(&plan.stdout).expect("JSON");
    assert_eq!(plan["process"]["args"], json!(["sleep", "1000"]));
    assert_eq!(daemon.jocker(&["timeline", "no-such-one"]).code, 1);
    daemon.remove(&called);
}
