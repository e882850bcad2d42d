//! Weights and limits of block I/O, and rules for device nodes: as the control groups have them.

use std::fs;
use std::path::PathBuf;

use harness::{Daemon, audit};
use serde_json::{Value, json};

/// What the files of this name in the container's control groups say.
fn seen_outside(id: &str, file: &str) -> Vec<String> {
    let texts = audit::cgroups_of_container(id).into_iter();
    texts.filter_map(|group| fs::read_to_string(group.join(file)).ok()).collect()
}

/// A disk of this machine: its node and its numbers, `254:0`.
fn disk() -> (PathBuf, String) {
    let disks = fs::read_dir("/sys/block").expect("/sys/block");
    let disks = disks.flatten().filter_map(|disk| {
        let node = PathBuf::from("/dev").join(disk.file_name());
        let numbers = fs::read_to_string(disk.path().join("dev")).ok()?;
        let size = fs::read_to_string(disk.path().join("size")).ok()?;
        (node.exists() && size.trim() != "0").then(|| (node, numbers.trim().to_owned()))
    });
    disks.min().expect("a machine with a disk")
}

fn sleeping(daemon: &Daemon, host: &Value) -> String {
    daemon.launch(&json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL", "HostConfig": host }))
}

#[test]
fn limits_are_in_the_control_group() {
    let daemon = Daemon::start();
    let (node, numbers) = disk();
    for (field, v1, v2, rate) in [
        ("BlkioDeviceReadBps", "read_bps_device", "rbps", 1_048_576),
        ("BlkioDeviceWriteBps", "write_bps_device", "wbps", 2_097_152),
        ("BlkioDeviceReadIOps", "read_iops_device", "riops", 300),
        ("BlkioDeviceWriteIOps", "write_iops_device", "wiops", 400),
    ] {
        let mut host = json!({});
        host[field] = json!([{ "Path": node, "Rate": rate }]);
        let id = sleeping(&daemon, &host);
        let mut seen = seen_outside(&id, &format!("blkio.throttle.{v1}"));
        seen.extend(seen_outside(&id, "io.max"));
        let lines = [format!("{numbers} {rate}"), format!("{v2}={rate}")];
        let found = seen.iter().any(|text| lines.iter().any(|line| text.contains(line)));
        assert!(found, "{field}: {seen:?}");
        assert_eq!(daemon.inspect(&id)["HostConfig"][field], host[field]);
        daemon.remove(&id);
    }
}

#[test]
fn a_limit_needs_a_device() {
    let daemon = Daemon::start();
    for (path, words) in
        [("/dev/none-at-all", "stat /dev/none-at-all: no such file or directory"), ("/etc", "")]
    {
        let body = json!({ "Cmd": ["true"],
            "HostConfig": { "BlkioDeviceReadBps": [{ "Path": path, "Rate": 1_048_576 }] } });
        let id = daemon.create(&body);
        let answer = daemon.http().post(&format!("/containers/{id}/start")).expect(500);
        assert!(answer.message().contains(words), "{}", answer.message());
        daemon.remove(&id);
    }
}

#[test]
fn a_weight_is_set_or_its_loss_is_told() {
    let daemon = Daemon::start();
    let body = json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL",
        "HostConfig": { "BlkioWeight": 300 } });
    let created = daemon.try_create(&body).expect(201).json();
    let id = created["Id"].as_str().expect("an id");
    let lost = created["Warnings"].to_string().contains("Weight discarded");
    daemon.start_container(id);
    let kept = daemon.inspect(id)["HostConfig"]["BlkioWeight"].as_i64();
    assert_eq!(kept, Some(if lost { 0 } else { 300 }), "{created}");
    let files = ["blkio.weight", "blkio.bfq.weight", "io.weight", "io.bfq.weight"];
    let seen: Vec<_> = files.iter().flat_map(|file| seen_outside(id, file)).collect();
    let set = seen.iter().any(|text| text.contains("300") || text.contains("2930"));
    assert_eq!(set, !lost, "{seen:?}");
    daemon.remove(id);
}

#[test]
fn rules_for_devices_are_added() {
    let daemon = Daemon::start();
    // A node that nobody has by default: what a machine has for it does not matter.
    let id = sleeping(&daemon, &json!({ "DeviceCgroupRules": ["c 10:229 rw", "b 7:* r"] }));
    let lists = seen_outside(&id, "devices.list");
    for line in ["c 10:229 rw", "b 7:* r"] {
        let listed = lists.iter().all(|list| list.lines().any(|seen| seen.starts_with(line)));
        assert!(listed, "{line}: {lists:?}");
    }
    daemon.remove(&id);
    let body = json!({ "Cmd": ["true"], "HostConfig": { "DeviceCgroupRules": ["c 1:* x"] } });
    let id = daemon.create(&body);
    let answer = daemon.http().post(&format!("/containers/{id}/start")).expect(500);
    assert!(answer.message().contains("invalid device cgroup rule format: 'c 1:* x'"));
    daemon.remove(&id);
}

#[test]
fn a_parent_of_the_control_group_is_chosen() {
    let daemon = Daemon::start();
    let id = sleeping(&daemon, &json!({ "CgroupParent": "/jocker-tests-parent" }));
    let pid = daemon.inspect(&id)["State"]["Pid"].as_i64().expect("a pid");
    let table = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("its control groups");
    assert!(table.contains(&format!("/jocker-tests-parent/{id}")), "{table}");
    daemon.remove(&id);
    let removed = || {
        let groups = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
        let parents = groups.map(|group| group.path().join("jocker-tests-parent"));
        let parents = parents.chain([PathBuf::from("/sys/fs/cgroup/jocker-tests-parent")]);
        // Parents are nobody's to remove but ours.
        let left = parents.filter(|parent| parent.exists() && fs::remove_dir(parent).is_err());
        (left.count() == 0).then_some(())
    };
    harness::eventually("the parent is empty", std::time::Duration::from_secs(10), removed);
}
