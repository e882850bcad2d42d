//! The machine was started anew while no daemon ran: what ran has ended, and restart policies are carried out. The
//! kernel's id of the machine's start, which the data root remembers, is exchanged for another one.

use std::fs;
use std::time::Duration;

use harness::daemon::Options;
use harness::{Daemon, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

fn sleeps(daemon: &Daemon, host: &Value) -> String {
    daemon.launch(&json!({ "Cmd": ["sleep", "1000"], "StopTimeout": 0, "HostConfig": host }))
}

fn policy(name: &str) -> Value {
    json!({ "RestartPolicy": { "Name": name } })
}

fn pid(daemon: &Daemon, id: &str) -> i64 {
    daemon.inspect(id)["State"]["Pid"].as_i64().expect("a pid")
}

/// The monitor of a running container: its first process' parent, proc_pid_stat(5).
fn monitor(pid: i64) -> Pid {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let rest = stat.rsplit_once(')').expect("a name").1;
    let parent = rest.split_whitespace().nth(1).expect("a parent");
    Pid::from_raw(parent.parse().expect("a pid"))
}

/// Whether there is such a process, and it has not ended.
fn lives(pid: i64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[track_caller]
fn is(daemon: &Daemon, id: &str, status: &str, code: i64) {
    let state = daemon.inspect(id)["State"].clone();
    let expected = (&json!(status), &json!(code), &json!(""));
    assert_eq!((&state["Status"], &state["ExitCode"], &state["Error"]), expected, "{state}");
}

#[test]
fn what_ran_has_ended_and_comes_back_by_policy() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let plain = sleeps(&daemon, &json!({}));
    let paused = sleeps(&daemon, &json!({}));
    daemon.http().post(&format!("/containers/{paused}/pause")).expect(204);
    let always = sleeps(
        &daemon,
        &json!({ "NetworkMode": "bridge",
        "RestartPolicy": { "Name": "always" } }),
    );
    let network = format!("container:{always}");
    let sharing = sleeps(
        &daemon,
        &json!({ "NetworkMode": network,
        "RestartPolicy": { "Name": "always" } }),
    );
    let unless = sleeps(&daemon, &policy("unless-stopped"));
    let failing = sleeps(&daemon, &policy("on-failure"));
    let removed = sleeps(&daemon, &json!({ "AutoRemove": true }));
    let stopped = sleeps(&daemon, &policy("unless-stopped"));
    daemon.http().post(&format!("/containers/{stopped}/stop")).expect(204);
    let ended = daemon.launch(&json!({ "Cmd": ["sh", "-c", "sleep 1; exit 5"] }));
    let running = [&plain, &paused, &always, &sharing, &unless, &failing, &removed];
    let pids: Vec<i64> = running.iter().map(|id| pid(&daemon, id)).collect();
    let ended_pid = pid(&daemon, &ended);

    daemon.kill9();
    eventually("an end that nobody saw", Duration::from_secs(20), || {
        (!lives(ended_pid)).then_some(())
    });
    for pid in &pids {
        kill(monitor(*pid), Signal::SIGKILL).expect("a monitor");
    }
    let remembered = daemon.data_root().join("boot-id");
    let real = fs::read_to_string(&remembered).expect("the id of the machine's start");
    fs::write(&remembered, "0b6c6a3c-0000-4000-8000-000000000000\n").expect("another id");
    daemon.start_again(&Options::new());

    assert_eq!(fs::read_to_string(&remembered).expect("an id"), real);
    for id in [&always, &sharing, &unless, &failing] {
        eventually("it runs again", Duration::from_secs(20), || {
            (daemon.inspect(id)["State"]["Running"] == true).then_some(())
        });
        assert!(!pids.contains(&pid(&daemon, id)));
    }
    is(&daemon, &plain, "exited", 255);
    is(&daemon, &paused, "exited", 255);
    is(&daemon, &stopped, "exited", 137);
    is(&daemon, &ended, "exited", 5);
    eventually("the removal", Duration::from_secs(10), || {
        (daemon.http().get(&format!("/containers/{removed}/json")).status == 404).then_some(())
    });
    let left: Vec<_> = pids.iter().filter(|pid| lives(**pid)).collect();
    assert!(left.is_empty(), "processes of before: {left:?}");
    daemon.start_container(&plain);
}
