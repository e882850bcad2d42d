//! The life of a container, verb by verb.

use std::fs;

use serde_json::Value;

use crate::bed::{Bed, possible, text};

#[test]
fn create_start_kill_delete() {
    if !possible() {
        return;
    }
    let bed = Bed::new("touch /tmp/ran; exec sleep 100");
    bed.create();
    let state = bed.state();
    assert_eq!(state["status"], "created");
    assert_eq!(state["id"], bed.id.as_str());
    assert_eq!(state["annotations"]["org.example.note"], "value");
    assert!(!bed.inside("tmp/ran").exists(), "nothing runs before start");
    bed.must(&["start", "ID"]);
    assert_eq!(bed.status(), "running");
    crate::bed::wait(|| bed.inside("tmp/ran").exists(), "the program");
    let again = bed.run(&["start", "ID"]);
    assert!(text(&again.stderr).contains("cannot start an already running container"));
    let refused = bed.run(&["delete", "ID"]);
    assert!(text(&refused.stderr).contains("that is not stopped: running"));
    bed.must(&["kill", "ID", "KILL"]);
    bed.wait_for_status("stopped");
    assert_eq!(bed.pid(), 0);
    let gone = bed.run(&["kill", "ID", "KILL"]);
    assert!(text(&gone.stderr).contains("container not running"));
    bed.must(&["delete", "ID"]);
    assert!(text(&bed.run(&["state", "ID"]).stderr).contains("does not exist"));
    assert_eq!(fs::read_dir(bed.path("state")).unwrap().count(), 0);
}

#[test]
fn run_passes_streams_and_status() {
    if !possible() {
        return;
    }
    let bed = Bed::new("echo out; echo err >&2; hostname; exit 7");
    let output = bed.run(&["run", "ID"]);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(text(&output.stdout), "out\nbox\n");
    assert_eq!(text(&output.stderr), "err\n");
    assert!(text(&bed.run(&["state", "ID"]).stderr).contains("does not exist"));
}

#[test]
fn run_forwards_signals() {
    if !possible() {
        return;
    }
    let bed = Bed::new("trap 'exit 3' TERM; touch /tmp/ready; while :; do sleep 1; done");
    fs::write(bed.path("bundle/config.json"), bed.spec.to_string()).unwrap();
    let mut child = bed.command(&["run", "ID"]).spawn().unwrap();
    crate::bed::wait(|| bed.inside("tmp/ready").exists(), "the trap");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn exec_joins_the_container() {
    if !possible() {
        return;
    }
    let bed = Bed::new("exec sleep 100");
    bed.start();
    let namespaces = "for n in mnt uts pid ipc net; do readlink /proc/$1/ns/$n; done";
    let own = bed.must(&["exec", "ID", "sh", "-c", namespaces, "sh", "self"]);
    let first = bed.must(&["exec", "ID", "sh", "-c", namespaces, "sh", "1"]);
    assert_eq!(own, first);
    assert_eq!(bed.run(&["exec", "ID", "sh", "-c", "exit 9"]).status.code(), Some(9));
    let who = bed.must(&[
        "exec",
        "--user",
        "33:34",
        "-e",
        "A=B",
        "--cwd",
        "/tmp",
        "ID",
        "sh",
        "-c",
        "id -u; id -g; echo $A; pwd",
    ]);
    assert_eq!(who, "33\n34\nB\n/tmp\n");
    let missing = bed.run(&["exec", "ID", "nope"]);
    assert_eq!(missing.status.code(), Some(255));
    assert!(text(&missing.stderr).contains("executable file not found in $PATH"));
    let process =
        r#"{"args": ["id", "-u"], "cwd": "/", "user": {"uid": 5, "gid": 6}, "env": ["PATH=/bin"]}"#;
    fs::write(bed.path("bundle/process.json"), process).unwrap();
    assert_eq!(bed.must(&["exec", "--process", "process.json", "ID"]), "5\n");
    let pids: Vec<i64> =
        serde_json::from_str(&bed.must(&["ps", "--format", "json", "ID"])).unwrap();
    assert_eq!(pids, [bed.pid()]);
}

#[test]
fn pause_update_events() {
    if !possible() {
        return;
    }
    let bed = Bed::new("exec sleep 100");
    bed.start();
    bed.must(&["pause", "ID"]);
    assert_eq!(bed.status(), "paused");
    assert!(!bed.run(&["exec", "ID", "id"]).status.success());
    assert!(!bed.run(&["pause", "ID"]).status.success());
    bed.must(&["resume", "ID"]);
    assert_eq!(bed.status(), "running");
    bed.must(&["update", "--pids-limit", "77", "ID"]);
    let line: Value = serde_json::from_str(&bed.must(&["events", "--stats", "ID"])).unwrap();
    assert_eq!(line["type"], "stats");
    let data = &line["data"];
    assert_eq!(data["pids"]["limit"], 77);
    let used = |what: &str| data["memory"][what]["usage"].as_u64().unwrap();
    assert!(used("usage") > 0 && used("swap") > 0, "{data}");
    assert!(data["cpuset"]["cpus"].as_array().is_some_and(|cpus| !cpus.is_empty()), "{data}");
    bed.must(&["pause", "ID"]);
    bed.must(&["delete", "--force", "ID"]);
}

#[test]
fn lists() {
    if !possible() {
        return;
    }
    let bed = Bed::new("true");
    assert_eq!(bed.must(&["list", "--quiet"]), "");
    bed.create();
    assert_eq!(bed.must(&["list", "-q"]), format!("{}\n", bed.id));
    let all: Value = serde_json::from_str(&bed.must(&["list", "--format", "json"])).unwrap();
    assert_eq!(all[0]["status"], "created");
    assert!(bed.must(&["list"]).starts_with("ID "));
}

#[test]
fn a_detached_run_writes_its_pid() {
    if !possible() {
        return;
    }
    let bed = Bed::new("exec sleep 100");
    let (done, errors) = bed.run_detached(&["run", "--detach", "--pid-file", "../pid", "ID"]);
    assert!(done, "{errors}");
    let pid = fs::read_to_string(bed.path("pid")).unwrap();
    assert_eq!(pid, bed.pid().to_string());
    bed.must(&["kill", "--all", "ID", "KILL"]);
    bed.wait_for_status("stopped");
}

#[test]
fn one_of_many_creates_wins() {
    if !possible() {
        return;
    }
    let bed = Bed::new("exec sleep 100");
    fs::write(bed.path("bundle/config.json"), bed.spec.to_string()).unwrap();
    let mut creates: Vec<_> = (0..6)
        .map(|_| {
            let null = || std::process::Stdio::null();
            bed.command(&["create", "ID"]).stdout(null()).stderr(null()).spawn().unwrap()
        })
        .collect();
    let won = creates.iter_mut().filter_map(|one| one.wait().unwrap().success().then_some(()));
    assert_eq!(won.count(), 1);
    assert_eq!(bed.status(), "created");
    let mut starts: Vec<_> = (0..4)
        .map(|_| bed.command(&["start", "ID"]).stderr(std::process::Stdio::null()).spawn().unwrap())
        .collect();
    let won = starts.iter_mut().filter_map(|one| one.wait().unwrap().success().then_some(()));
    assert_eq!(won.count(), 1);
    assert_eq!(bed.status(), "running");
}

#[test]
fn a_killed_create_leaves_nothing_in_the_way() {
    if !possible() {
        return;
    }
    let mut bed = Bed::new("exec sleep 100");
    let hook =
        serde_json::json!({"path": "/bin/sh", "args": ["sh", "-c", "exec >&- 2>&-; sleep 2"]});
    bed.spec["hooks"] = serde_json::json!({"createRuntime": [hook]});
    fs::write(bed.path("bundle/config.json"), bed.spec.to_string()).unwrap();
    let mut create = bed.command(&["create", "ID"]).spawn().unwrap();
    crate::bed::wait(|| bed.path("state").join(&bed.id).join("state.json").exists(), "the hook");
    assert_eq!(bed.status(), "creating");
    create.kill().unwrap();
    create.wait().unwrap();
    bed.must(&["delete", "--force", "ID"]);
    bed.spec["hooks"] = serde_json::json!({});
    bed.create();
}
