//! Stopping: which signal, how long, what then; and clients that want contradictory things of one container at once.

use std::path::Path;
use std::time::{Duration, Instant};

use harness::audit::pids_of_container;
use harness::{Client, Daemon, eventually};
use nix::sys::ptrace;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// Runs this shell script, which says `ready` when its traps are set.
fn traps(daemon: &Daemon, script: &str, more: &Value) -> String {
    let script = format!("{script}; echo ready; while :; do sleep 0.05; done");
    let mut body = json!({ "Cmd": ["sh", "-c", script] });
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    let id = daemon.launch(&body);
    eventually("its traps", Duration::from_secs(20), || {
        daemon.logs(&id).stdout.contains("ready").then_some(())
    });
    id
}

#[test]
fn the_signal_is_the_client_s_or_the_container_s_or_term() {
    let daemon = Daemon::start();
    let script = "trap 'exit 31' USR1; trap 'exit 32' TERM; trap 'exit 33' HUP";
    for (own, query, code) in [
        (json!({}), "", 32),
        (json!({ "StopSignal": "USR1" }), "", 31),
        (json!({ "StopSignal": "SIGUSR1" }), "signal=HUP", 33),
        (json!({ "StopSignal": "1" }), "t=20", 33),
        (json!({ "StopSignal": "USR1" }), "signal=15&t=20", 32),
    ] {
        let id = traps(&daemon, script, &own);
        daemon.http().post(&format!("/containers/{id}/stop?{query}")).expect(204);
        assert_eq!(daemon.wait(&id), code, "{own} {query}");
        daemon.http().post(&format!("/containers/{id}/stop?{query}")).expect(304);
    }
}

#[test]
fn who_does_not_hear_is_killed_in_time() {
    let daemon = Daemon::start();
    for (own, query, least) in [
        (json!({}), "t=1", 1),
        (json!({}), "t=0", 0),
        (json!({ "StopTimeout": 2 }), "", 2),
        (json!({ "StopTimeout": 60 }), "t=1", 1),
    ] {
        let id = traps(&daemon, "trap '' TERM", &own);
        let begin = Instant::now();
        daemon.http().post(&format!("/containers/{id}/stop?{query}")).expect(204);
        let took = begin.elapsed();
        let fits = Duration::from_secs(least)..Duration::from_secs(least + 8);
        assert!(fits.contains(&took), "{own} {query}: {took:?}");
        assert_eq!(daemon.wait(&id), 137, "{own} {query}");
    }
}

#[test]
fn a_kill_takes_names_and_numbers() {
    let daemon = Daemon::start();
    let id = traps(&daemon, "trap 'echo heard' USR1", &json!({ "StopSignal": "KILL" }));
    for (count, signal) in ["USR1", "SIGUSR1", "10", "usr1"].into_iter().enumerate() {
        daemon.http().post(&format!("/containers/{id}/kill?signal={signal}")).expect(204);
        eventually(signal, Duration::from_secs(20), || {
            (daemon.logs(&id).stdout.matches("heard").count() == count + 1).then_some(())
        });
    }
    daemon.http().post(&format!("/containers/{id}/kill")).expect(204);
    assert_eq!(daemon.wait(&id), 137);
    daemon.http().post(&format!("/containers/{id}/kill")).expect(409);
}

/// A debugger that does not look at the end of a child keeps the first process, and so the container, in its exit.
#[test]
fn what_does_not_end_is_told_and_ends_later() {
    let daemon = Daemon::start();
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", "sleep 1000 & wait"] }));
    let init = daemon.inspect(&id)["State"]["Pid"].as_u64().expect("a pid");
    let child = eventually("its child", Duration::from_secs(20), || {
        pids_of_container(&id).into_iter().find(|pid| u64::from(*pid) != init)
    });
    let child = Pid::from_raw(i32::try_from(child).expect("a pid"));
    ptrace::seize(child, ptrace::Options::empty()).expect("PTRACE_SEIZE");
    let said = daemon.http().post(&format!("/containers/{id}/kill")).expect(500).message();
    assert!(said.contains(&id), "{said}");
    assert_eq!(daemon.inspect(&id)["State"]["Status"], "running");
    daemon.http().delete(&format!("/containers/{id}?force=1")).expect(500);
    assert!(matches!(waitpid(child, None), Ok(WaitStatus::Signaled(..))));
    assert_eq!(daemon.wait(&id), 137);
    daemon.http().delete(&format!("/containers/{id}")).expect(204);
}

/// Each gets an answer, a legal one, and the state is the kernel's. dockerd answers pauses that come too late with 500.
#[test]
fn contradictory_wishes_leave_a_legal_state() {
    let Some(daemon) = Daemon::ours() else { return };
    let id = daemon.sleeper();
    let wishes = [
        ("start", [204, 304, 409].as_slice()),
        ("stop?t=0", &[204, 304]),
        ("restart?t=0", &[204]),
        ("kill", &[204, 409]),
        ("pause", &[204, 409]),
        ("unpause", &[204, 409, 500]),
    ];
    std::thread::scope(|scope| {
        for (wish, legal) in wishes {
            let (socket, path) = (daemon.socket().to_owned(), format!("/containers/{id}/{wish}"));
            scope.spawn(move || {
                for _ in 0..12 {
                    let answer = Client::new(&socket).post(&path);
                    let text = || String::from_utf8_lossy(&answer.body).into_owned();
                    assert!(
                        legal.contains(&answer.status),
                        "{wish}: {}: {}",
                        answer.status,
                        text()
                    );
                }
            });
        }
    });
    let state = daemon.inspect(&id)["State"].clone();
    let there = |pid: &Value| Path::new(&format!("/proc/{pid}")).exists();
    match state["Status"].as_str() {
        Some("running" | "paused") => assert!(there(&state["Pid"]), "{state}"),
        Some("exited") => assert_eq!(state["Pid"], 0, "{state}"),
        _ => panic!("{state}"),
    }
    daemon.http().delete(&format!("/containers/{id}?force=1")).expect(204);
    daemon.http().get(&format!("/containers/{id}/json")).expect(404);
}
