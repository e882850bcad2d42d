use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::cgroup::Hierarchy;

fn hybrid() -> Layout {
    let names = ["cpu", "cpuacct", "cpuset", "memory", "devices", "blkio", "pids", "name=systemd"];
    Layout::V1 {
        hierarchies: names
            .iter()
            .map(|name| Hierarchy {
                controllers: vec![(*name).to_owned()],
                mount: PathBuf::from(format!("/sys/fs/cgroup/{name}")),
            })
            .collect(),
        unified: Some(PathBuf::from("/sys/fs/cgroup/unified")),
        unified_controllers: vec!["hugetlb".to_owned()],
    }
}

fn version_2() -> Layout {
    Layout::V2 {
        mount: PathBuf::from("/sys/fs/cgroup"),
        controllers: ["cpu", "cpuset", "memory", "pids", "io"].map(str::to_owned).to_vec(),
    }
}

fn compiled(resources: &serde_json::Value, layout: &Layout) -> Result<Vec<String>, PlanError> {
    let resources: LinuxResources = serde_json::from_value(resources.clone()).unwrap();
    let plan = plan(&resources, "/jocker/x", layout)?;
    Ok(plan.limits.iter().map(|write| format!("{}={}", write.file, write.value)).collect())
}

fn dockers() -> serde_json::Value {
    json!({
        "memory": {"limit": 1000, "swap": 3000, "reservation": 500},
        "cpu": {"shares": 1024, "quota": 50000, "period": 100_000, "cpus": "0-1"},
        "pids": {"limit": 64},
        "blockIO": {"weight": 500, "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 9}]},
    })
}

#[test]
fn docker_limits_on_version_1() {
    let writes = compiled(&dockers(), &hybrid()).unwrap();
    let expected = [
        "memory.limit_in_bytes=1000",
        "memory.memsw.limit_in_bytes=3000",
        "memory.soft_limit_in_bytes=500",
        "cpu.shares=1024",
        "cpu.cfs_period_us=100000",
        "cpu.cfs_quota_us=50000",
        "cpuset.cpus=0-1",
        "pids.max=64",
        "blkio.weight=500",
        "blkio.throttle.read_bps_device=8:0 9",
    ];
    assert_eq!(writes, expected);
}

#[test]
fn docker_limits_on_version_2() {
    let writes = compiled(&dockers(), &version_2()).unwrap();
    let expected = [
        "memory.swap.max=2000",
        "memory.max=1000",
        "memory.low=500",
        "cpu.weight=100",
        "cpu.max=50000 100000",
        "cpuset.cpus=0-1",
        "pids.max=64",
        "io.weight=default 4950",
        "io.max=8:0 rbps=9",
    ];
    assert_eq!(writes, expected);
}

#[test]
fn unlimited_and_unset() {
    let resources =
        json!({"memory": {"limit": -1, "swap": -1}, "pids": {"limit": -1}, "cpu": {"quota": -1}});
    let writes = compiled(&resources, &version_2()).unwrap();
    assert_eq!(
        writes,
        ["memory.swap.max=max", "memory.max=max", "cpu.max=max 100000", "pids.max=max"]
    );
    let zero =
        json!({"memory": {"limit": 0, "swap": 0}, "pids": {"limit": 0}, "cpu": {"shares": 0}});
    assert!(compiled(&zero, &hybrid()).unwrap().is_empty());
    assert!(compiled(&zero, &version_2()).unwrap().is_empty());
}

#[test]
fn huge_pages_on_a_hybrid_host() {
    let resources = json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 4096}]});
    assert_eq!(compiled(&resources, &hybrid()).unwrap(), ["hugetlb.2MB.max=4096"]);
    let bad = json!({"hugepageLimits": [{"pageSize": "../x", "limit": 4096}]});
    assert!(compiled(&bad, &hybrid()).is_err());
}

#[test]
fn refusals_name_the_field() {
    let cases = [
        (json!({"network": {"classID": 7}}), hybrid(), "linux.resources.network.classID"),
        (json!({"memory": {"limit": 9, "swap": 8}}), hybrid(), "linux.resources.memory.swap"),
        (json!({"memory": {"swap": 8}}), version_2(), "linux.resources.memory.swap"),
        (json!({"unified": {"memory.high": "1"}}), hybrid(), "linux.resources.unified"),
        (json!({"unified": {"../x.y": "1"}}), version_2(), "linux.resources.unified"),
        (json!({"unified": {"cgroup.freeze": "1"}}), version_2(), "linux.resources.unified"),
        (
            json!({"memory": {"disableOOMKiller": true}}),
            version_2(),
            "linux.resources.memory.disableOOMKiller",
        ),
    ];
    for (resources, layout, field) in cases {
        let error = compiled(&resources, &layout).unwrap_err().to_string();
        assert!(error.starts_with(field), "{resources}: {error}");
    }
}

#[test]
fn device_rules() {
    let resources = json!({"devices": [
        {"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rw"},
        {"allow": true, "type": "b", "major": -1, "access": "m"},
    ]});
    let resources: LinuxResources = serde_json::from_value(resources).unwrap();
    let rules = plan(&resources, "x", &hybrid()).unwrap().devices;
    assert_eq!((rules[0].kind, rules[0].allow, rules[0].mknod), (DeviceClass::All, false, true));
    assert_eq!((rules[1].major, rules[1].minor, rules[1].mknod), (Some(1), Some(3), false));
    assert_eq!((rules[2].kind, rules[2].major, rules[2].read), (DeviceClass::Block, None, false));
    for bad in [
        json!([{"allow": true, "major": 1}]),
        json!([{"allow": true, "type": "c", "access": "rx"}]),
        json!([{"allow": true, "type": "c", "major": -7}]),
    ] {
        let resources = serde_json::from_value(json!({ "devices": bad })).unwrap();
        assert!(plan(&resources, "x", &hybrid()).is_err(), "{bad}");
    }
}
