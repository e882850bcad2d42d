//! Pausing, restarting and renaming containers.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use harness::audit::cgroups_of_container;
use harness::daemon::Options;
use harness::{Daemon, escaped, eventually, name, now};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// What happened to a container since `begin`.
fn actions(daemon: &Daemon, id: &str, begin: u64) -> Vec<Value> {
    let filters = json!({ "container": [id], "type": ["container"] }).to_string();
    let only = escaped(&filters);
    let path = format!("/events?since={begin}&until={}&filters={only}", now() + 1);
    daemon.http().get(&path).expect(200).json_lines()
}

fn words(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["Action"].as_str()).collect()
}

/// `container's verb`, and the status expected.
#[track_caller]
fn post(daemon: &Daemon, id: &str, verb: &str, status: u16) -> String {
    let answer = daemon.http().post(&format!("/containers/{id}/{verb}")).expect(status);
    if status < 400 { String::new() } else { answer.message() }
}

fn status(daemon: &Daemon, id: &str) -> String {
    daemon.inspect(id)["State"]["Status"].as_str().expect("a status").to_owned()
}

fn pid(daemon: &Daemon, id: &str) -> i32 {
    let pid = daemon.inspect(id)["State"]["Pid"].as_i64().expect("a pid");
    i32::try_from(pid).expect("a pid")
}

/// Counts lines of its log; frozen containers write none.
fn counter(daemon: &Daemon) -> String {
    let script = "trap 'exit 7' TERM; while :; do echo x; sleep 0.02; done";
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", script] }));
    lives(daemon, &id);
    id
}

#[track_caller]
fn lives(daemon: &Daemon, id: &str) {
    let before = daemon.logs(id).stdout.len();
    eventually("new output", Duration::from_secs(20), || {
        (daemon.logs(id).stdout.len() > before).then_some(())
    });
}

/// Route: POST /containers/{id}/pause
/// Route: POST /containers/{id}/unpause
#[test]
fn a_paused_container_stands_still() {
    let daemon = Daemon::start();
    let begin = now();
    let id = counter(&daemon);
    post(&daemon, &id, "pause", 204);
    let state = daemon.inspect(&id)["State"].clone();
    assert_eq!((&state["Status"], &state["Running"]), (&json!("paused"), &json!(true)));
    assert_eq!((&state["Paused"], &state["ExitCode"]), (&json!(true), &json!(0)));
    std::thread::sleep(Duration::from_millis(200));
    let stood = daemon.logs(&id).stdout.len();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(daemon.logs(&id).stdout.len(), stood);
    let listed = daemon.list_all().into_iter().find(|row| row["Id"] == id).expect("in the list");
    assert_eq!(listed["State"], "paused");
    assert!(listed["Status"].as_str().is_some_and(|text| text.ends_with(" (Paused)")), "{listed}");
    assert!(daemon.http().get("/info").json()["ContainersPaused"].as_u64() >= Some(1));
    post(&daemon, &id, "unpause", 204);
    assert_eq!(status(&daemon, &id), "running");
    lives(&daemon, &id);
    let events = actions(&daemon, &id, begin);
    assert_eq!(words(&events), ["create", "start", "pause", "unpause"]);
}

#[test]
fn a_paused_container_refuses_what_it_can_not_do() {
    let daemon = Daemon::start();
    let id = daemon.create(&json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL" }));
    assert_eq!(post(&daemon, &id, "pause", 409), format!("container {id} is not running"));
    assert_eq!(post(&daemon, &id, "unpause", 500), format!("Container {id} is not paused"));
    daemon.start_container(&id);
    post(&daemon, &id, "pause", 204);
    assert_eq!(post(&daemon, &id, "pause", 409), format!("Container {id} is already paused"));
    let text = post(&daemon, &id, "start", 409);
    assert_eq!(text, "cannot start a paused container, try unpause instead");
    let exec = daemon.http().post_json(&format!("/containers/{id}/exec"), &json!({ "Cmd": ["w"] }));
    let text = exec.expect(409).message();
    assert!(text.ends_with("is paused, unpause the container before exec"), "{text}");
    let text = daemon.http().delete(&format!("/containers/{id}")).expect(409).message();
    assert!(text.ends_with("container is paused and must be unpaused first"), "{text}");
    daemon.http().delete(&format!("/containers/{id}?force=1")).expect(204);
    daemon.http().get(&format!("/containers/{id}/json")).expect(404);
}

#[test]
fn a_paused_container_hears_signals_that_end_it() {
    let daemon = Daemon::start();
    let id = counter(&daemon);
    post(&daemon, &id, "pause", 204);
    let begin = Instant::now();
    post(&daemon, &id, "stop", 204);
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    assert_eq!(daemon.wait(&id), 7);
    daemon.start_container(&id);
    post(&daemon, &id, "pause", 204);
    post(&daemon, &id, "kill", 204);
    assert_eq!(daemon.wait(&id), 137);
    let script = "trap 'exit 8' QUIT; while :; do echo x; sleep 0.02; done";
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", script], "StopSignal": "SIGQUIT" }));
    lives(&daemon, &id);
    post(&daemon, &id, "pause", 204);
    post(&daemon, &id, "kill?signal=WINCH", 204);
    assert_eq!(status(&daemon, &id), "paused", "WINCH is not its stop signal");
    post(&daemon, &id, "kill?signal=QUIT", 204);
    assert_eq!(daemon.wait(&id), 8);
}

/// Its processes are stopped from outside and its init is killed: on version 1 of control groups it dies when they go
/// on.
fn freeze_and_kill(id: &str, pid: i32) {
    // In that order: a hybrid hierarchy has both, and the engine's is the first.
    let files = [("freezer.state", "FROZEN"), ("cgroup.freeze", "1")];
    let groups = cgroups_of_container(id);
    let of_groups = |(name, text)| groups.iter().map(move |group| (group.join(name), text));
    let freezer = files.into_iter().flat_map(of_groups).find(|(file, _)| file.exists());
    let (file, text) = freezer.expect("a freezer");
    fs::write(file, text).expect("a freezer that can be written");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("a process");
}

/// Nobody may stand in the way of an init that is being killed.
#[test]
fn who_is_being_killed_is_not_paused() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let id = counter(&daemon);
    freeze_and_kill(&id, pid(&daemon, &id));
    assert_eq!(post(&daemon, &id, "pause", 409), format!("container {id} is not running"));
    assert_eq!(daemon.wait(&id), 137);
    daemon.start_container(&id);
    lives(&daemon, &id);
    let init = pid(&daemon, &id);
    daemon.kill9();
    freeze_and_kill(&id, init);
    daemon.start_again(&Options::new());
    assert_eq!(daemon.wait(&id), 137);
}

/// A daemon that comes up finds its paused containers paused.
#[test]
fn a_paused_container_is_adopted() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let id = counter(&daemon);
    post(&daemon, &id, "pause", 204);
    let pid = daemon.inspect(&id)["State"]["Pid"].clone();
    daemon.kill9();
    daemon.start_again(&Options::new());
    assert_eq!(status(&daemon, &id), "paused");
    assert!(Path::new(&format!("/proc/{pid}")).exists());
    post(&daemon, &id, "unpause", 204);
    lives(&daemon, &id);
    assert_eq!(daemon.inspect(&id)["State"]["Pid"], pid);
}

/// Route: POST /containers/{id}/restart
#[test]
fn restarts_what_runs_and_what_does_not() {
    let daemon = Daemon::start();
    let begin = now();
    let script = "echo run; trap 'exit 3' TERM; while :; do sleep 0.02; done";
    let id = daemon.create(&json!({ "Cmd": ["sh", "-c", script] }));
    let runs = |count: usize| {
        eventually("another run", Duration::from_secs(20), || {
            (daemon.logs(&id).stdout == "run\n".repeat(count)).then_some(())
        });
    };
    post(&daemon, &id, "restart", 204);
    runs(1);
    let first = daemon.inspect(&id)["State"].clone();
    std::thread::sleep(Duration::from_millis(200));
    post(&daemon, &id, "restart", 204);
    runs(2);
    let second = daemon.inspect(&id)["State"].clone();
    assert_eq!(second["Status"], "running");
    assert_ne!(first["Pid"], second["Pid"]);
    assert!(first["StartedAt"].as_str() < second["StartedAt"].as_str());
    std::thread::sleep(Duration::from_millis(200));
    post(&daemon, &id, "pause", 204);
    post(&daemon, &id, "restart?t=5&signal=SIGKILL", 204);
    runs(3);
    assert_eq!(status(&daemon, &id), "running");
    let events = actions(&daemon, &id, begin);
    // dockerd tells `stop` and `die` in either order, and `unpause` only if the end does not come before it.
    let mut words: Vec<&str> = words(&events);
    words.retain(|word| !matches!(*word, "kill" | "unpause"));
    words.iter_mut().for_each(|word| *word = if *word == "stop" { "die" } else { *word });
    let again = ["die", "die", "start", "restart"];
    let mut expected = vec!["create", "start", "restart"];
    expected.extend(again);
    expected.push("pause");
    expected.extend(again);
    assert_eq!(words, expected);
}

#[test]
fn a_restart_keeps_a_container_that_would_be_removed() {
    let daemon = Daemon::start();
    let body = json!({ "Cmd": ["sleep", "1000"], "HostConfig": { "AutoRemove": true } });
    let id = daemon.launch(&body);
    post(&daemon, &id, "restart?t=0", 204);
    assert_eq!(status(&daemon, &id), "running");
    post(&daemon, &id, "kill", 204);
    eventually("it is removed", Duration::from_secs(20), || {
        let answer = daemon.http().get(&format!("/containers/{id}/json"));
        (answer.status == 404).then_some(())
    });
}

#[test]
fn a_restart_says_what_is_wrong() {
    let daemon = Daemon::start();
    let none = name();
    assert_eq!(post(&daemon, &none, "restart", 404), format!("No such container: {none}"));
    let id = daemon.create(&json!({ "Cmd": ["/there/is/none"] }));
    let answer = daemon.http().post(&format!("/containers/{id}/restart"));
    assert!(answer.status >= 400, "{}", answer.status);
    let text = answer.message();
    assert!(text.starts_with(&format!("Cannot restart container {id}: ")), "{text}");
}

/// Route: POST /containers/{id}/rename
#[test]
fn has_another_name() {
    let daemon = Daemon::start();
    let begin = now();
    let (old, new, other) = (name(), name(), name());
    let image = json!({ "Image": harness::IMAGE, "Cmd": ["true"] });
    let make = |called: &str| {
        let path = format!("/containers/create?name={called}");
        let answer = daemon.http().post_json(&path, &image).expect(201);
        answer.json()["Id"].as_str().expect("an id").to_owned()
    };
    let (id, holder) = (make(&old), make(&other));
    post(&daemon, &old, &format!("rename?name={new}"), 204);
    assert_eq!(daemon.inspect(&new)["Id"], id);
    assert_eq!(daemon.inspect(&id)["Name"], format!("/{new}"));
    daemon.http().get(&format!("/containers/{old}/json")).expect(404);
    let events = actions(&daemon, &id, begin);
    let last = &events.last().expect("an event")["Actor"]["Attributes"];
    assert_eq!(last["oldName"], format!("/{old}"));
    assert_eq!(last["name"], new);

    let text = post(&daemon, &new, &format!("rename?name={other}"), 409);
    assert_eq!(
        text,
        format!(
            "Error when allocating new name: Conflict. The container name \"/{other}\" is already in use by \
             container \"{holder}\". You have to remove (or rename) that container to be able to reuse that name."
        )
    );
    for (query, begins) in [
        ("", "Neither old nor new names may be empty".to_owned()),
        ("?name=", "Neither old nor new names may be empty".to_owned()),
        (
            "?name=a/b",
            "Error when allocating new name: Invalid container name (/a/b), only".to_owned(),
        ),
        (
            &format!("?name={new}"),
            "Renaming a container with the same name as its current name".to_owned(),
        ),
    ] {
        let text = post(&daemon, &new, &format!("rename{query}"), 400);
        assert!(text.starts_with(&begins), "{query}: {text}");
    }
    // The old name is free.
    make(&old);
    for called in [&old, &new, &other] {
        daemon.remove(called);
    }
}

#[test]
fn a_new_name_outlives_the_daemon() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let id = daemon.create(&json!({ "Cmd": ["true"] }));
    let new = name();
    post(&daemon, &id, &format!("rename?name=/{new}"), 204);
    daemon.kill9();
    daemon.start_again(&Options::new());
    assert_eq!(daemon.inspect(&new)["Id"], id);
}
