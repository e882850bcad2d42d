//! Resource limits, seen from outside (the control groups) and from inside.

use std::fs;

use harness::{Daemon, audit};
use serde_json::{Value, json};

/// The content of the first of `files` that a control group of the container has.
#[track_caller]
fn seen_outside(id: &str, files: &[&str]) -> String {
    for dir in audit::cgroups_of_container(id) {
        for file in files {
            if let Ok(text) = fs::read_to_string(dir.join(file)) {
                return text.trim().to_owned();
            }
        }
    }
    panic!("no {files:?} in {:?}", audit::cgroups_of_container(id));
}

fn sleeping(daemon: &Daemon, host: &Value) -> String {
    daemon.launch(&json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL", "HostConfig": host }))
}

#[test]
fn are_written_to_the_control_groups() {
    let daemon = Daemon::start();
    for (host, files, v1, v2) in [
        (
            json!({ "Memory": 67_108_864 }),
            ["memory.limit_in_bytes", "memory.max"],
            "67108864",
            "67108864",
        ),
        (
            json!({ "Memory": 67_108_864, "MemoryReservation": 33_554_432 }),
            ["memory.soft_limit_in_bytes", "memory.low"],
            "33554432",
            "33554432",
        ),
        (json!({ "CpuShares": 512 }), ["cpu.shares", "cpu.weight"], "512", "20"),
        (
            json!({ "CpuQuota": 50_000, "CpuPeriod": 100_000 }),
            ["cpu.cfs_quota_us", "cpu.max"],
            "50000",
            "50000 100000",
        ),
        (
            json!({ "NanoCpus": 1_500_000_000 }),
            ["cpu.cfs_quota_us", "cpu.max"],
            "150000",
            "150000 100000",
        ),
        (json!({ "CpusetCpus": "0" }), ["cpuset.cpus", "cpuset.cpus"], "0", "0"),
        (json!({ "CpusetMems": "0" }), ["cpuset.mems", "cpuset.mems"], "0", "0"),
        (json!({ "PidsLimit": 42 }), ["pids.max", "pids.max"], "42", "42"),
    ] {
        let id = sleeping(&daemon, &host);
        let seen = seen_outside(&id, &files);
        assert!(seen == v1 || seen == v2, "{host}: {seen}");
        daemon.remove(&id);
    }
}

#[test]
fn swap_follows_memory() {
    let daemon = Daemon::start();
    for (host, expected) in [
        (json!({ "Memory": 67_108_864 }), "134217728"),
        (json!({ "Memory": 67_108_864, "MemorySwap": 67_108_864 }), "67108864"),
        (json!({ "Memory": 67_108_864, "MemorySwap": 100_663_296 }), "100663296"),
    ] {
        let id = sleeping(&daemon, &host);
        let files = ["memory.memsw.limit_in_bytes", "memory.swap.max"];
        let found = audit::cgroups_of_container(&id)
            .iter()
            .any(|dir| files.iter().any(|file| dir.join(file).exists()));
        if found {
            let seen = seen_outside(&id, &files);
            let v2 = (expected.parse::<u64>().expect("bytes") - 67_108_864).to_string();
            assert!(seen == expected || seen == v2, "{host}: {seen}");
        }
        daemon.remove(&id);
    }
}

#[test]
fn too_much_memory_is_answered_by_a_kill() {
    let daemon = Daemon::start();
    let id = daemon.launch(&json!({
        "Cmd": ["sh", "-c", "head -c 200000000 /dev/zero | tail -c 190000000 | wc -c; exit $?"],
        "HostConfig": { "Memory": 16_777_216, "MemorySwap": 16_777_216, "Init": false },
    }));
    daemon.wait(&id);
    let seen = daemon.logs(&id).stdout;
    assert!(!seen.contains("190000000"), "{seen}");
    let alone = daemon.launch(&json!({
        "Cmd": ["awk", "BEGIN { s = \"x\"; while (1) s = s s }"],
        "HostConfig": { "Memory": 16_777_216, "MemorySwap": 16_777_216 },
    }));
    assert_eq!(daemon.wait(&alone), 137);
    assert_eq!(daemon.inspect(&alone)["State"]["OOMKilled"], true);
}

#[test]
fn a_fork_bomb_stops_at_the_limit() {
    let daemon = Daemon::start();
    let body = json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL",
        "HostConfig": { "PidsLimit": 10 } });
    let id = daemon.launch(&body);
    let script = "n=0; while [ $n -lt 30 ]; do sleep 100 & n=$((n+1)); done; echo all";
    let (_, output) = daemon.exec(&id, &["sh", "-c", script]);
    assert!(!output.stdout.contains("all"), "{output:?}");
    assert!(output.stderr.contains("fork"), "{output:?}");
    let pids = audit::pids_of_container(&id).len();
    assert!(pids <= 10, "{pids} processes");
}

#[test]
fn user_limits_are_set() {
    let daemon = Daemon::start();
    let ulimits = json!([{ "Name": "nofile", "Soft": 77, "Hard": 99 },
        { "Name": "core", "Soft": 0, "Hard": 0 }]);
    let body = json!({ "HostConfig": { "Ulimits": ulimits } });
    let seen = daemon.sh(&body, "ulimit -Sn; ulimit -Hn; ulimit -Hc");
    assert_eq!(seen, "77\n99\n0\n");
    for bad in [
        json!({ "Name": "nosuch", "Soft": 1, "Hard": 1 }),
        json!({ "Name": "nofile", "Soft": 100, "Hard": 50 }),
    ] {
        let body = json!({ "Cmd": ["true"], "HostConfig": { "Ulimits": [bad] } });
        let created = daemon.try_create(&body);
        if created.status == 201 {
            let id = created.json()["Id"].as_str().expect("an id").to_owned();
            assert!(daemon.http().post(&format!("/containers/{id}/start")).status >= 400, "{body}");
        }
    }
}

#[test]
fn processes_are_in_every_hierarchy() {
    let daemon = Daemon::start();
    let id = sleeping(&daemon, &json!({}));
    let pid = daemon.inspect(&id)["State"]["Pid"].as_i64().expect("a pid");
    let table = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("its control groups");
    for line in table.lines() {
        let (number, rest) = line.split_once(':').expect("a row");
        let (controllers, path) = rest.split_once(':').expect("a row");
        // The unified hierarchy of a hybrid host holds no limits; runc leaves it alone.
        if number == "0" && table.lines().count() > 1 {
            continue;
        }
        assert!(path.ends_with(&id), "{controllers}: {path}");
    }
    daemon.remove(&id);
    harness::eventually("control groups are removed", std::time::Duration::from_secs(10), || {
        audit::cgroups_of_container(&id).is_empty().then_some(())
    });
}

#[test]
fn an_oom_score_is_set() {
    let daemon = Daemon::start();
    let body = json!({ "HostConfig": { "OomScoreAdj": 300 } });
    assert_eq!(daemon.sh(&body, "cat /proc/self/oom_score_adj"), "300\n");
}

#[test]
fn shared_memory_has_its_size() {
    let daemon = Daemon::start();
    let body = json!({ "HostConfig": { "ShmSize": 8_388_608 } });
    let seen = daemon.sh(&body, "grep ' /dev/shm ' /proc/mounts");
    assert!(seen.contains("size=8192k"), "{seen}");
}

/// What is in use in memory that cannot be reclaimed, the kernel of version 1 does not let a limit go below.
#[test]
fn a_change_that_is_refused_halfway_changes_nothing() {
    let daemon = Daemon::start();
    let script = "dd if=/dev/zero of=/dev/shm/x bs=1M count=40 2>/dev/null; echo full; sleep 1000";
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", script], "StopSignal": "SIGKILL",
        "HostConfig": { "Memory": 100_663_296, "MemorySwap": 100_663_296, "CpuShares": 700,
            "PidsLimit": 50, "ShmSize": 67_108_864 } }));
    harness::eventually("memory in use", std::time::Duration::from_secs(20), || {
        daemon.logs(&id).stdout.contains("full").then_some(())
    });
    let files = ["memory.limit_in_bytes", "cpu.shares", "pids.max"];
    let seen = || files.map(|file| seen_outside(&id, &[file]));
    let (before, told) = (seen(), daemon.inspect(&id)["HostConfig"].clone());
    let update = |body: Value| daemon.http().post_json(&format!("/containers/{id}/update"), &body);
    let less = json!({ "Memory": 8_388_608, "MemorySwap": 8_388_608, "CpuShares": 300,
        "PidsLimit": 20 });
    let text = update(less).expect(500).message();
    assert!(text.starts_with(&format!("Cannot update container {id}: ")), "{text}");
    assert_eq!(seen(), before);
    assert_eq!(daemon.inspect(&id)["HostConfig"], told);
    update(json!({ "CpuShares": 300, "PidsLimit": 20 })).expect(200);
    assert_eq!(seen()[1..], ["300", "20"].map(str::to_owned));
    assert_eq!(seen()[0], before[0]);
}
