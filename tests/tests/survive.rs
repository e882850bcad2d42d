//! `kill -9` of the daemon: containers go on, and the next daemon knows them and how they ended.

use std::path::Path;
use std::time::Duration;

use harness::daemon::Options;
use harness::{Daemon, eventually};
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
    let pid = nix::unistd::Pid::from_raw(i32::try_from(killed_pid).expect("a pid"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("kill");
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

#[test]
fn the_launcher_s_death_is_repaired_or_told() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let id = daemon.sleeper();
    let daemon_pid = daemon.pid();
    let children =
        std::fs::read_to_string(format!("/proc/{daemon_pid}/task/{daemon_pid}/children"));
    for pid in children.unwrap_or_default().split_whitespace() {
        let pid = nix::unistd::Pid::from_raw(pid.parse().expect("a pid"));
        let _gone_already = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    }
    assert_eq!(daemon.inspect(&id)["State"]["Running"], true);
    let next = daemon.create(&json!({ "Cmd": ["true"] }));
    let answer = daemon.http().post(&format!("/containers/{next}/start"));
    if answer.status != 204 {
        assert!(!answer.message().is_empty());
        daemon.kill9();
        daemon.start_again(&Options::new());
        daemon.start_container(&next);
    }
    assert_eq!(daemon.wait(&next), 0);
    assert_eq!(daemon.inspect(&id)["State"]["Running"], true);
}
