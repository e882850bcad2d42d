//! `kill -9` of the daemon: containers go on, and the next daemon knows them and how they ended.

use std::path::Path;
use std::time::Duration;

use harness::churn::launchers;
use harness::daemon::Options;
use harness::{Daemon, eventually, now};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

fn alive(pid: &Value) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn containers_go_on_and_are_adopted() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let script = "trap 'exit 33' TERM; n=0; while :; do echo $n; n=$((n+1)); sleep 0.05; done";
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", script],
        "HostConfig": { "NetworkMode": "bridge" } }));
    eventually("some output", Duration::from_secs(20), || {
        daemon.logs(&id).stdout.contains("3\n").then_some(())
    });
    let before = daemon.inspect(&id);
    daemon.kill9();
    assert!(alive(&before["State"]["Pid"]));
    std::thread::sleep(Duration::from_millis(500));
    assert!(alive(&before["State"]["Pid"]));
    daemon.start_again(&Options::new());
    let after = daemon.inspect(&id);
    for field in ["Pid", "StartedAt", "Status", "Running"] {
        assert_eq!(after["State"][field], before["State"][field], "{field}");
    }
    let address = |seen: &Value| seen["NetworkSettings"]["Networks"]["bridge"]["IPAddress"].clone();
    assert_eq!(address(&after), address(&before));
    let (code, output) = daemon.exec(&id, &["echo", "still here"]);
    assert_eq!((code, output.stdout.as_str()), (0, "still here\n"));
    let lines = daemon.logs(&id).stdout;
    let numbers: Vec<u32> = lines.lines().map(|line| line.parse().expect("a number")).collect();
    assert!(numbers.len() > 8, "{numbers:?}");
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "lines are lost: {numbers:?}");
    daemon.http().post(&format!("/containers/{id}/stop")).expect(204);
    assert_eq!(daemon.wait(&id), 33);
}

#[test]
fn ends_that_nobody_saw_are_told_truly() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let sleep_and = |script: &str| {
        let body = json!({ "Cmd": ["sh", "-c", format!("sleep 1; {script}")] });
        daemon.launch(&body)
    };
    let five = sleep_and("exit 5");
    let zero = sleep_and("true");
    let killed = daemon.launch(&json!({ "Cmd": ["sleep", "1000"] }));
    let killed_pid = daemon.inspect(&killed)["State"]["Pid"].as_i64().expect("a pid");
    let auto =
        daemon.launch(&json!({ "Cmd": ["sleep", "1"], "HostConfig": { "AutoRemove": true } }));
    let pids: Vec<Value> = [&five, &zero, &killed, &auto]
        .iter()
        .map(|id| daemon.inspect(id)["State"]["Pid"].clone())
        .collect();
    daemon.kill9();
    let pid = Pid::from_raw(i32::try_from(killed_pid).expect("a pid"));
    kill(pid, Signal::SIGKILL).expect("kill");
    eventually("all have ended", Duration::from_secs(20), || {
        pids.iter().all(|pid| !alive(pid)).then_some(())
    });
    daemon.start_again(&Options::new());
    for (id, code) in [(&five, 5), (&zero, 0), (&killed, 137)] {
        let state = daemon.inspect(id)["State"].clone();
        assert_eq!(
            (&state["Status"], &state["ExitCode"]),
            (&json!("exited"), &json!(code)),
            "{state}"
        );
        assert!(state["FinishedAt"].as_str() > state["StartedAt"].as_str(), "{state}");
        assert_eq!(daemon.wait(id), code);
    }
    eventually("the container is removed", Duration::from_secs(10), || {
        (daemon.http().get(&format!("/containers/{auto}/json")).status == 404).then_some(())
    });
}

#[test]
fn terminals_and_stdin_are_reached_again() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let body = json!({ "Tty": true, "OpenStdin": true, "Cmd": ["sh"] });
    let id = daemon.launch(&body);
    daemon.kill9();
    daemon.start_again(&Options::new());
    let path = format!("/containers/{id}/attach?stream=1&stdin=1&stdout=1");
    let mut stream = daemon.http().upgrade(&path, None).expect(101);
    stream.write(b"echo back-$((40+2))\n");
    stream.read_until("back-42");
    daemon.http().post(&format!("/containers/{id}/resize?h=21&w=43")).expect(200);
    stream.write(b"stty size; exit 8\n");
    stream.read_until("21 43");
    assert_eq!(daemon.wait(&id), 8);
}

#[test]
fn created_and_ended_ones_are_still_known() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let created = daemon.create(&json!({ "Cmd": ["sh", "-c", "exit 4"], "Labels": { "a": "b" } }));
    let ended = daemon.launch(&json!({ "Cmd": ["sh", "-c", "echo said; exit 6"] }));
    daemon.wait(&ended);
    daemon.kill9();
    daemon.start_again(&Options::new());
    assert_eq!(daemon.inspect(&created)["State"]["Status"], "created");
    assert_eq!(daemon.inspect(&created)["Config"]["Labels"]["a"], "b");
    assert_eq!(daemon.inspect(&ended)["State"]["ExitCode"], 6);
    assert_eq!(daemon.logs(&ended).stdout, "said\n");
    daemon.start_container(&created);
    assert_eq!(daemon.wait(&created), 4);
    daemon.start_container(&ended);
    assert_eq!(daemon.wait(&ended), 6);
}

#[test]
fn a_restart_takes_no_container_with_it() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let ids: Vec<_> = (0..5).map(|_| daemon.sleeper()).collect();
    for _ in 0..3 {
        assert_eq!(daemon.stop(), Some(0));
        daemon.start_again(&Options::new());
        for id in &ids {
            assert_eq!(daemon.inspect(id)["State"]["Running"], true);
        }
    }
}

/// Ends the daemon's launcher, by this signal.
fn signal_launcher(daemon: &Daemon, signal: Signal) {
    let found = launchers(daemon.pid());
    assert_eq!(found.len(), 1, "launchers: {found:?}");
    kill(Pid::from_raw(found[0]), signal).expect("the launcher is there");
}

#[test]
fn nobody_notices_the_launcher_s_death() {
    let Some(daemon) = Daemon::ours() else { return };
    let id = daemon.sleeper();
    let waits = daemon.launch(&json!({ "Cmd": ["sh", "-c", "read x; exit $x"], "OpenStdin": true,
        "StdinOnce": true }));
    let path = format!("/containers/{waits}/attach?stream=1&stdin=1&stdout=1");
    let mut attached = daemon.http().upgrade(&path, None).expect(101);
    for round in 0..3 {
        signal_launcher(&daemon, Signal::SIGKILL);
        if round % 2 == 0 {
            let output = daemon.exec(&id, &["echo", "executed"]).1;
            assert_eq!(output.stdout, "executed\n");
        } else {
            let body =
                json!({ "Cmd": ["sh", "-c", "exit 6"], "HostConfig": { "NetworkMode": "bridge" } });
            assert_eq!(daemon.run(&body).code, 6);
        }
        assert_eq!(daemon.inspect(&id)["State"]["Running"], true);
    }
    attached.write(b"9\n");
    assert_eq!(daemon.wait(&waits), 9);
}

#[test]
fn starts_at_the_same_time_outlive_the_launcher() {
    let Some(daemon) = Daemon::ours() else { return };
    let ids: Vec<_> = (0..24)
        .map(|_| daemon.create(&json!({ "Cmd": ["sh", "-c", "echo one; exit 4"] })))
        .collect();
    std::thread::scope(|scope| {
        for ids in ids.chunks(6) {
            let daemon = &daemon;
            scope.spawn(move || ids.iter().for_each(|id| daemon.start_container(id)));
        }
        for _ in 0..6 {
            signal_launcher(&daemon, Signal::SIGKILL);
            eventually("another launcher", Duration::from_secs(20), || {
                // One is started only when something is to be started.
                let made = daemon.run(&json!({ "Cmd": ["true"] }));
                (made.code == 0 && launchers(daemon.pid()).len() == 1).then_some(())
            });
        }
    });
    for id in &ids {
        assert_eq!(daemon.wait(id), 4);
        assert_eq!(daemon.logs(id).stdout, "one\n", "it ran once");
    }
}

/// Policies and `--rm` are carried out, and everybody hears of the ends.
#[test]
fn what_follows_an_end_that_nobody_saw_is_done() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let begin = now();
    // The first run ends while there is no daemon, the second one stays.
    let place = tempfile::TempDir::new().expect("a directory");
    let launch = |name: &str, policy: Value, code: u8| {
        let script = format!(
            "[ -e /shared/{name} ] && exec sleep 1000; touch /shared/{name}; sleep 2; exit {code}"
        );
        daemon.launch(&json!({ "Cmd": ["sh", "-c", script], "StopSignal": "SIGKILL",
            "HostConfig": { "Binds": [format!("{}:/shared", place.path().display())],
                "RestartPolicy": policy } }))
    };
    let policy = |name: &str| json!({ "Name": name, "MaximumRetryCount": 0 });
    let again = [
        (launch("always", policy("always"), 0), 0),
        (launch("unless-stopped", policy("unless-stopped"), 3), 3),
        (launch("on-failure", policy("on-failure"), 4), 4),
    ];
    let rests = [(launch("fine", policy("on-failure"), 0), 0), (launch("no", policy("no"), 5), 5)];
    let removed = daemon.launch(&json!({ "Cmd": ["sh", "-c", "sleep 2; exit 6"],
        "HostConfig": { "AutoRemove": true } }));
    let all: Vec<String> = again.iter().chain(&rests).map(|(id, _)| id.clone()).collect();
    let pids: Vec<Value> =
        all.iter().map(|id| daemon.inspect(id)["State"]["Pid"].clone()).collect();
    daemon.kill9();
    eventually("all have ended", Duration::from_secs(20), || {
        pids.iter().all(|pid| !alive(pid)).then_some(())
    });
    daemon.start_again(&Options::new());
    for ((id, _), pid) in again.iter().zip(&pids) {
        eventually("another run", Duration::from_secs(10), || {
            let state = daemon.inspect(id)["State"].clone();
            (state["Status"] == "running" && state["Pid"] != *pid).then_some(())
        });
    }
    for (id, code) in &rests {
        let state = daemon.inspect(id)["State"].clone();
        let shown = (&state["Status"], &state["ExitCode"]);
        assert_eq!(shown, (&json!("exited"), &json!(code)), "{state}");
    }
    eventually("the removal", Duration::from_secs(10), || {
        (daemon.http().get(&format!("/containers/{removed}/json")).status == 404).then_some(())
    });
    let path = format!("/events?since={begin}&until={}", now() + 2);
    let events = daemon.http().get(&path).expect(200).json_lines();
    let has = |id: &str, action: &str, code: Option<&str>| {
        events.iter().any(|event| {
            let told = event["Actor"]["Attributes"]["exitCode"].as_str();
            event["Actor"]["ID"] == id
                && event["Action"] == action
                && code.is_none_or(|code| told == Some(code))
        })
    };
    for (id, code) in again.iter().chain(&rests).map(|(id, code)| (id.as_str(), *code)) {
        assert!(has(id, "die", Some(&code.to_string())), "{id} {code}: {events:?}");
    }
    assert!(again.iter().all(|(id, _)| has(id, "start", None)), "{events:?}");
    assert!(has(&removed, "die", Some("6")) && has(&removed, "destroy", None), "{events:?}");
}
