//! Monitors of other builds: what one of version 1 says was recorded, and is understood for ever; one of a version
//! that this daemon does not know keeps its container.

use std::fs;
use std::path::Path;
use std::time::Duration;

use harness::audit::{cgroups_of_container, pids_of_container};
use harness::daemon::Options;
use harness::monitor::{FakeMonitor, Plays, control_hello};
use harness::{Daemon, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// A running container whose daemon is dead and whose monitor is `plays`; the daemon is started again.
fn adopted(daemon: &mut Daemon, plays: Plays) -> (String, Value, FakeMonitor) {
    let id = daemon.sleeper();
    let state = daemon.inspect(&id)["State"].clone();
    daemon.kill9();
    let monitor = FakeMonitor::replace(daemon, &id, &state, plays);
    daemon.start_again(&Options::new());
    (id, state, monitor)
}

/// Ends the container's process and removes its control groups: a real monitor would do so.
fn end_container(id: &str, state: &Value) {
    let pid = state["Pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("a pid");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("its end");
    eventually("the process is gone", Duration::from_secs(10), || {
        (!Path::new(&format!("/proc/{pid}/root/bin")).exists()).then_some(())
    });
    eventually("the groups can be removed", Duration::from_secs(10), || {
        cgroups_of_container(id).iter().all(|group| fs::remove_dir(group).is_ok()).then_some(())
    });
}

#[test]
fn a_monitor_of_version_1_is_adopted() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let (id, before, monitor) = adopted(&mut daemon, Plays::Version1);
    let state = daemon.inspect(&id)["State"].clone();
    assert_eq!(state, before);
    eventually("the daemon speaks to the monitor", Duration::from_secs(10), || {
        (monitor.heard() == [control_hello()]).then_some(())
    });
    let path = format!("/containers/{id}/attach?stream=1&stdout=1&stderr=1");
    let output = daemon.http().upgrade(&path, None).expect(101).output();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("17\n18\n", "155\n"));
    assert_eq!(daemon.exec(&id, &["echo", "still here"]).1.stdout, "still here\n");
    monitor.tell_exit(&before);
    assert_eq!(daemon.wait(&id), 3);
    let state = daemon.inspect(&id)["State"].clone();
    assert_eq!(state["FinishedAt"], "2026-11-22T16:19:07.897567331Z");
    assert_eq!(state["StartedAt"], before["StartedAt"]);
    end_container(&id, &before);
}

#[test]
fn a_monitor_of_an_unknown_version_keeps_its_container() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let (id, before, _monitor) = adopted(&mut daemon, Plays::OnlyVersion(9));
    eventually("the daemon notices", Duration::from_secs(10), || {
        daemon.log().contains("speaks another version").then_some(())
    });
    assert_eq!(daemon.inspect(&id)["State"], before);
    assert!(!pids_of_container(&id).is_empty());
    assert_eq!(daemon.exec(&id, &["echo", "still here"]).1.stdout, "still here\n");
    let attach = format!("/containers/{id}/attach?stream=1&stdout=1");
    let refused = daemon.http().post(&attach).expect(500).message();
    assert!(refused.contains("newer version"), "{refused}");
    // Its monitor writes the record in a form that has not changed.
    let record = json!({ "exit_code": 5, "signal": null, "oom_killed": false,
        "started_at": before["StartedAt"], "finished_at": "2031-01-02T03:04:05.6Z" });
    let run_dir = daemon.exec_root().join("containers").join(&id);
    fs::write(run_dir.join("monitor.json"), record.to_string()).expect("the record");
    end_container(&id, &before);
    assert_eq!(daemon.wait(&id), 5);
    assert_eq!(daemon.inspect(&id)["State"]["FinishedAt"], "2031-01-02T03:04:05.6Z");
    daemon.start_container(&id);
    assert_eq!(daemon.inspect(&id)["State"]["Running"], true);
}
