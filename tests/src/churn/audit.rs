//! What must hold after the churn: every container's state is legal and the kernel's, its exit code and its log are
//! true, and when all are removed nothing is left.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::program::Program;
use super::world::{Made, World};
use crate::audit::{Audit, cgroups_of_container, pids_of_container};
use crate::daemon::Daemon;
use crate::isolation;
use crate::patience::{becomes, eventually};
use crate::stdcopy;

/// How long what is under way may take to come to rest.
const RESTS: Duration = Duration::from_secs(20);

/// What is there before the churn, when nothing waits for its removal any more.
pub(super) fn begin(daemon: &Daemon) -> Audit {
    // A removal empties it of what lies there from before.
    daemon.run(&json!({ "Cmd": ["true"] }));
    eventually("an empty trash", RESTS, || {
        let audit = Audit::settled(daemon);
        let trash = daemon.data_root().join("trash");
        let empty = audit.files.iter().all(|file| file.parent() != Some(&trash));
        empty.then_some(audit)
    })
}

/// Everything.
pub(super) fn all(daemon: &Daemon, world: &World, before: &Audit) {
    let made: HashMap<String, Arc<Made>> =
        world.made().into_iter().map(|made| (made.label.clone(), made)).collect();
    let mut kinds: HashMap<String, u32> = HashMap::new();
    let listed = daemon.list_all();
    for container in &listed {
        let id = container["Id"].as_str().unwrap_or_default();
        let label = container["Labels"]["churn"].as_str().unwrap_or_default();
        match made.get(label) {
            Some(made) => {
                let status = one(daemon, world, made, id);
                *kinds.entry(status).or_default() += 1;
            }
            None => world.found(format!("nobody asked for {container}")),
        }
    }
    eprintln!("churn: {} containers made, {} left: {kinds:?}", made.len(), listed.len());
    monitors(daemon, world);
    for container in daemon.list_all() {
        let id = container["Id"].as_str().unwrap_or_default();
        let answer = daemon.http().delete(&format!("/containers/{id}?force=1&v=1"));
        if answer.status != 204 && answer.status != 404 {
            world.found(format!("rm -f of {container}: {}", answer.text()));
        }
    }
    before.must_return(daemon);
    let ids = made
        .values()
        .map(|made| made.id())
        .chain(listed.iter().filter_map(|container| container["Id"].as_str().map(str::to_owned)));
    for id in ids.filter(|id| !id.is_empty()) {
        let left = cgroups_of_container(&id);
        if !left.is_empty() {
            world.found(format!("control groups are left: {left:?}"));
        }
    }
}

/// One container; its status.
fn one(daemon: &Daemon, world: &World, made: &Made, id: &str) -> String {
    let mut wrong = None;
    let mut seen = Value::Null;
    // A transition may be under way: what is wrong must stay wrong to be a finding.
    becomes(RESTS, || {
        let answer = daemon.http().get(&format!("/containers/{id}/json"));
        seen = answer.json();
        wrong = if answer.status == 404 { None } else { judge(daemon, made, id, &seen) };
        wrong.is_none()
    });
    if let Some(wrong) = wrong {
        let state = &seen["State"];
        world.found(format!("{} {id} {:?}: {wrong}; {state}", made.label, made.program));
    }
    seen["State"]["Status"].as_str().unwrap_or("gone").to_owned()
}

fn judge(daemon: &Daemon, made: &Made, id: &str, seen: &Value) -> Option<String> {
    let state = &seen["State"];
    let status = state["Status"].as_str().unwrap_or_default();
    kernel(id, state, status).or_else(|| {
        let output = output(daemon, made, id);
        let last = daemon.data_root().join("containers").join(id).join("upper/last");
        let last = fs::read_to_string(last).ok().and_then(|text| text.trim().parse().ok());
        made.program.judge_output(&output, last).or_else(|| end(made, seen, status, &output))
    })
}

/// The state against the kernel's.
fn kernel(id: &str, state: &Value, status: &str) -> Option<String> {
    let pids = pids_of_container(id);
    let frozen = cgroups_of_container(id).iter().any(|group| is_frozen(group));
    let lives =
        state["Pid"].as_u64().is_some_and(|pid| pids.iter().any(|one| u64::from(*one) == pid));
    match status {
        "running" if !lives || frozen => Some(format!("is {pids:?}, frozen {frozen}")),
        "paused" if !lives || !frozen => Some(format!("is {pids:?}, frozen {frozen}")),
        "created" | "exited" | "restarting" if !pids.is_empty() => Some(format!("is {pids:?}")),
        "created" | "exited" if !cgroups_of_container(id).is_empty() => {
            Some("has control groups".to_owned())
        }
        "running" | "paused" | "created" | "exited" | "restarting" => None,
        _ => Some("is in no state to rest in".to_owned()),
    }
}

/// How it ended, against what it said.
fn end(made: &Made, seen: &Value, status: &str, output: &str) -> Option<String> {
    let state = &seen["State"];
    let began = !state["StartedAt"].as_str().unwrap_or("0001").starts_with("0001");
    let error = state["Error"].as_str().unwrap_or_default();
    if !error.is_empty() && made.program != Program::Missing {
        return Some("has an error".to_owned());
    }
    if status == "exited" && seen["HostConfig"]["AutoRemove"] == true {
        return Some("is not removed".to_owned());
    }
    if state["OOMKilled"] == true {
        return Some("lacked no memory".to_owned());
    }
    let code = state["ExitCode"].as_i64()?;
    match status {
        "created" if !began && code == 0 => None,
        "created" | "exited" | "restarting" => {
            made.program.judge_exit(code, output, made.was_killed())
        }
        _ => None,
    }
}

fn output(daemon: &Daemon, made: &Made, id: &str) -> String {
    let answer = daemon.http().get(&format!("/containers/{id}/logs?stdout=1&stderr=1"));
    match made.tty {
        true => answer.text().replace('\r', ""),
        false if answer.status == 200 => stdcopy::split(&answer.body).stdout,
        false => String::new(),
    }
}

fn is_frozen(group: &Path) -> bool {
    let read = |file: &str| fs::read_to_string(group.join(file)).unwrap_or_default();
    read("freezer.state").trim() == "FROZEN" || read("cgroup.freeze").trim() == "1"
}

/// One monitor a running container, none without. The containers that were paused go on first: with them stand execs,
/// and their monitors.
fn monitors(daemon: &Daemon, world: &World) {
    for paused in daemon.list_all().iter().filter(|container| container["State"] == "paused") {
        let id = paused["Id"].as_str().unwrap_or_default();
        let answer = daemon.http().post(&format!("/containers/{id}/unpause"));
        if answer.status != 204 {
            world.found(format!("unpause of {paused}: {}", answer.text()));
        }
    }
    let (mut expected, mut found) = (0, Vec::new());
    let matches = becomes(RESTS, || {
        let listed = daemon.list_all();
        expected = listed.iter().filter(|container| container["State"] == "running").count();
        found = isolation::monitors();
        found.len() == expected
    });
    if !matches {
        let watched: Vec<String> = found.iter().map(watched_by).collect();
        let count = watched.len();
        world.found(format!("{count} monitors for {expected} running containers: {watched:#?}"));
    }
}

/// A monitor's children: their command lines, states and control groups.
fn watched_by(monitor: &u32) -> String {
    let read = |path: String| fs::read_to_string(path).unwrap_or_default();
    let children = read(format!("/proc/{monitor}/task/{monitor}/children"));
    let of_child = |pid: &str| {
        let command = read(format!("/proc/{pid}/cmdline")).replace('\0', " ");
        let status = read(format!("/proc/{pid}/status"));
        let state = status.lines().find(|line| line.starts_with("State:")).unwrap_or_default();
        let groups = read(format!("/proc/{pid}/cgroup"));
        let group = groups.lines().find(|line| line.contains("freezer")).unwrap_or_default();
        format!("{command}({state}, {group})")
    };
    let children: Vec<String> = children.split_whitespace().map(of_child).collect();
    format!("{monitor}: {}", children.join(", "))
}
