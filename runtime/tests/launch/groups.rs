//! Control groups of running containers.

use runtime::cgroup::{Cgroup, CgroupPlan, Write};
use serde_json::json;

use crate::bed::{Bed, Order, Started, order, shell, wait_until};

fn cgroup(bed: &Bed, started: &Started) -> Cgroup {
    let path = started.spec.linux().as_ref().unwrap().cgroups_path().clone().unwrap();
    Cgroup::open(path.to_str().unwrap(), &bed.host.layout)
}

/// A plan of limits alone.
fn limits(limits: &[Write]) -> CgroupPlan {
    CgroupPlan { limits: limits.to_vec(), ..CgroupPlan::default() }
}

fn write(file: &str, value: &str) -> Write {
    let controller = file.split('.').next().unwrap().to_owned();
    Write { controller, file: file.to_owned(), or_file: None, value: value.to_owned() }
}

#[test]
fn out_of_memory_is_recorded() {
    let bed = Bed::new();
    let resources = json!({ "memory": { "limit": 16_777_216, "swap": 16_777_216 } });
    let command = "x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo survived";
    let (started, mut control) = bed.start_controlled(Order { resources, ..shell(command) });
    let exit = control.exit();
    assert!(exit.oom_killed, "{exit:?}");
    started.wait_gone(&bed);
}

#[test]
fn limits_stats_freezing_and_changes() {
    let bed = Bed::new();
    let resources = json!({
        "memory": { "limit": 50_000_000 },
        "pids": { "limit": 33 },
        "cpu": { "shares": 512, "quota": 50_000, "period": 100_000, "cpus": "0" },
    });
    let (started, mut control) =
        bed.start_controlled(Order { resources, ..order(&["/bin/sleep", "1000"]) });
    let pid = control.running();
    let cgroup = cgroup(&bed, &started);
    assert_eq!(cgroup.pids().unwrap(), [pid]);
    let stats = cgroup.stats().unwrap();
    assert_eq!((stats.pids.current, stats.pids.limit), (1, Some(33)));
    assert_eq!(stats.memory.limit, Some(50_000_000 / 4096 * 4096));
    assert!(stats.cpu.total > 0 && stats.memory.usage > 0 && !stats.memory.detail.is_empty());

    let state = || std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    cgroup.freeze().unwrap();
    assert!(["D (disk sleep)", "S (sleeping)"].iter().any(|s| state().contains(s)));
    cgroup.thaw().unwrap();

    cgroup.update(&limits(&[write("pids.max", "44")])).unwrap();
    assert_eq!(cgroup.stats().unwrap().pids.limit, Some(44));
    assert!(cgroup.update(&limits(&[write("pids.max", "many")])).is_err());

    cgroup.kill().unwrap();
    assert_eq!(control.exit().exit_code, 137);
    started.wait_gone(&bed);
    assert!(cgroup.pids().unwrap().is_empty());
    cgroup.remove().unwrap();
}

#[test]
fn memory_limits_are_raised_and_lowered_together() {
    let bed = Bed::new();
    let resources = json!({ "memory": { "limit": 50_000_000, "swap": 60_000_000 } });
    let (started, mut control) =
        bed.start_controlled(Order { resources, ..order(&["/bin/sleep", "1000"]) });
    control.running();
    let cgroup = cgroup(&bed, &started);
    if bed.host.layout.hierarchy("memory").is_some() {
        for limit in ["200000000", "40000000", "90000000"] {
            let both = [
                write("memory.limit_in_bytes", limit),
                write("memory.memsw.limit_in_bytes", limit),
            ];
            cgroup.update(&limits(&both)).unwrap();
        }
    }
    cgroup.kill().unwrap();
    control.exit();
    started.wait_gone(&bed);
}

#[test]
fn devices_are_denied() {
    let bed = Bed::new();
    let resources = json!({ "devices": [
        { "allow": false, "access": "rwm" },
        { "allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm" },
    ] });
    let command = "cat /dev/zero | head -c 1 | wc -c; echo x >/dev/null && echo null";
    let (out, ..) = bed.run(Order { resources, ..shell(command) });
    assert_eq!(String::from_utf8(out).unwrap().trim(), "0\nnull");
}

#[test]
fn groups_of_the_container_below_its_own_are_removed() {
    let bed = Bed::new();
    let (started, mut control) = bed.start_controlled(order(&["/bin/sleep", "1000"]));
    let pid = control.running();
    for group in started.groups(&bed) {
        std::fs::create_dir_all(group.join("inner/most")).unwrap();
    }
    let inner =
        started.groups(&bed).into_iter().find(|group| group.ends_with(&started.id)).unwrap();
    std::fs::write(inner.join("inner/most/cgroup.procs"), pid.to_string()).unwrap();
    let cgroup = cgroup(&bed, &started);
    wait_until("the process in its new group", || cgroup.pids().is_ok_and(|pids| pids == [pid]));
    cgroup.kill().unwrap();
    control.exit();
    started.wait_gone(&bed);
}
