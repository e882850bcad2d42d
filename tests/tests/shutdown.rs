//! A daemon that takes its containers along when it is told to end, and brings back what restart policies want.

use std::time::{Duration, Instant};

use harness::audit::pids_of_container;
use harness::daemon::Options;
use harness::{Daemon, eventually};
use serde_json::{Value, json};

/// Ends by SIGTERM after so many seconds, with code 3.
fn ends_after(seconds: &str) -> Value {
    let script =
        format!("trap 'sleep {seconds}; exit 3' TERM; echo up; while :; do sleep 0.05; done");
    json!(["sh", "-c", script])
}

fn runs(daemon: &Daemon, body: &Value) -> String {
    let id = daemon.launch(body);
    eventually("its trap is set", Duration::from_secs(20), || {
        daemon.logs(&id).stdout.starts_with("up").then_some(())
    });
    id
}

fn policy(name: &str) -> Value {
    json!({ "RestartPolicy": { "Name": name } })
}

#[track_caller]
fn is(daemon: &Daemon, id: &str, status: &str, code: i64) {
    let state = daemon.inspect(id)["State"].clone();
    assert_eq!((&state["Status"], &state["ExitCode"]), (&json!(status), &json!(code)), "{state}");
}

#[track_caller]
fn comes_up(daemon: &Daemon, id: &str) {
    eventually("it runs again", Duration::from_secs(20), || {
        (daemon.inspect(id)["State"]["Running"] == true).then_some(())
    });
}

#[test]
fn containers_are_stopped_each_in_its_way_and_come_back_by_policy() {
    let flag = Options::new().arg("--shutdown-containers");
    let Some(mut daemon) = flag.start() else { return };
    assert_eq!(daemon.http().get("/info").json()["LiveRestoreEnabled"], false);
    let always = runs(&daemon, &json!({ "Cmd": ends_after("0"), "HostConfig": policy("always") }));
    let unless =
        runs(&daemon, &json!({ "Cmd": ends_after("0"), "HostConfig": policy("unless-stopped") }));
    let stopped =
        runs(&daemon, &json!({ "Cmd": ends_after("0"), "HostConfig": policy("unless-stopped") }));
    daemon.http().post(&format!("/containers/{stopped}/stop")).expect(204);
    let plain = runs(&daemon, &json!({ "Cmd": ends_after("0") }));
    let deaf = "trap '' TERM; echo up; while :; do sleep 0.05; done";
    let deaf = runs(&daemon, &json!({ "Cmd": ["sh", "-c", deaf], "StopTimeout": 1 }));
    let quits = "trap 'exit 8' QUIT; echo up; while :; do sleep 0.05; done";
    let quits = runs(&daemon, &json!({ "Cmd": ["sh", "-c", quits], "StopSignal": "SIGQUIT" }));
    let paused = runs(&daemon, &json!({ "Cmd": ends_after("0") }));
    daemon.http().post(&format!("/containers/{paused}/pause")).expect(204);
    let removed =
        runs(&daemon, &json!({ "Cmd": ends_after("0"), "HostConfig": { "AutoRemove": true } }));
    let failing =
        runs(&daemon, &json!({ "Cmd": ends_after("0"), "HostConfig": policy("on-failure") }));
    let well = "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done";
    let well = runs(
        &daemon,
        &json!({ "Cmd": ["sh", "-c", well],
        "HostConfig": policy("on-failure") }),
    );
    let all =
        [&always, &unless, &stopped, &plain, &deaf, &quits, &paused, &removed, &failing, &well];

    let begin = Instant::now();
    assert_eq!(daemon.stop(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(9), "{:?}", begin.elapsed());
    for id in all {
        assert_eq!(pids_of_container(id), [0_u32; 0], "{id} goes on");
    }
    daemon.start_again(&Options::new());
    is(&daemon, &plain, "exited", 3);
    is(&daemon, &deaf, "exited", 137);
    is(&daemon, &quits, "exited", 8);
    is(&daemon, &paused, "exited", 3);
    is(&daemon, &stopped, "exited", 3);
    comes_up(&daemon, &always);
    comes_up(&daemon, &unless);
    comes_up(&daemon, &failing);
    is(&daemon, &well, "exited", 0);
    daemon.http().get(&format!("/containers/{removed}/json")).expect(404);
}

#[test]
fn containers_that_others_need_are_stopped_after_them_and_started_before_them() {
    let file = Options::new().config(json!({ "live-restore": false }));
    let Some(mut daemon) = file.start() else { return };
    let id = runs(
        &daemon,
        &json!({ "Cmd": ends_after("0"), "HostConfig":
        { "NetworkMode": "bridge", "RestartPolicy": { "Name": "always" } } }),
    );
    let network = format!("container:{id}");
    let sharing = runs(
        &daemon,
        &json!({ "Cmd": ends_after("0.6"), "HostConfig":
        { "NetworkMode": network, "RestartPolicy": { "Name": "always" } } }),
    );
    let linked = runs(
        &daemon,
        &json!({ "Cmd": ends_after("0.6"), "HostConfig":
        { "NetworkMode": "bridge", "Links": [format!("{id}:db")],
          "RestartPolicy": { "Name": "unless-stopped" } } }),
    );
    let processes = |id: &str| daemon.inspect(id)["State"]["Pid"].clone();
    let before = [processes(&id), processes(&sharing), processes(&linked)];
    assert_eq!(daemon.stop(), Some(0));
    daemon.start_again(&Options::new());
    for (id, pid) in [&id, &sharing, &linked].into_iter().zip(before) {
        comes_up(&daemon, id);
        let seen = daemon.inspect(id);
        assert_ne!(seen["State"]["Pid"], pid);
        assert_eq!(seen["State"]["Error"], "");
    }
    let ended = |id: &str| daemon.inspect(id)["State"]["FinishedAt"].as_str().map(str::to_owned);
    assert!(ended(&sharing) < ended(&id), "{:?} {:?}", ended(&sharing), ended(&id));
    assert!(ended(&linked) < ended(&id), "{:?} {:?}", ended(&linked), ended(&id));
}

#[test]
fn nothing_is_stopped_by_the_daemon_s_death() {
    let flag = Options::new().arg("--shutdown-containers");
    let Some(mut daemon) = flag.start() else { return };
    let id = daemon.sleeper();
    let pid = daemon.inspect(&id)["State"]["Pid"].clone();
    daemon.kill9();
    daemon.start_again(&Options::new());
    assert_eq!(daemon.inspect(&id)["State"]["Pid"], pid);
}
