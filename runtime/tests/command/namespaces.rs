//! Namespaces that only the command line gets: user and time; and those joined by path. With them,
//! what else a spec may ask for.

use serde_json::json;

use crate::bed::{Bed, possible};

#[test]
fn a_user_namespace_with_several_ranges() {
    if !possible() {
        return;
    }
    let mut bed = Bed::new(
        "id -u; cat /proc/self/uid_map; stat -c %u /tmp/made /dev/null; echo x > /tmp/made",
    );
    let maps = json!([
        {"containerID": 0, "hostID": 100_000, "size": 1000},
        {"containerID": 1000, "hostID": 200_000, "size": 5},
    ]);
    bed.spec["linux"]["uidMappings"] = maps.clone();
    bed.spec["linux"]["gidMappings"] = maps;
    bed.spec["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
    bed.spec["process"]["oomScoreAdj"] = json!(500);
    // The container's root has to reach it, and to own its file.
    std::fs::write(bed.inside("tmp/made"), "").unwrap();
    std::os::unix::fs::chown(bed.inside("tmp/made"), Some(100_000), None).unwrap();
    for path in ["bundle", ""] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(bed.path(path), mode).unwrap();
    }
    let output = bed.must(&["run", "ID"]);
    let words: Vec<&str> = output.split_whitespace().collect();
    assert_eq!(words, ["0", "0", "100000", "1000", "1000", "200000", "5", "0", "65534"]);
}

#[test]
fn exec_in_a_user_namespace() {
    if !possible() {
        return;
    }
    let mut bed = Bed::new("exec sleep 100");
    let maps = json!([{"containerID": 0, "hostID": 100_000, "size": 1000}]);
    bed.spec["linux"]["uidMappings"] = maps.clone();
    bed.spec["linux"]["gidMappings"] = maps;
    bed.spec["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
    for path in ["bundle", ""] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(bed.path(path), mode).unwrap();
    }
    bed.start();
    let read = "id -u; cat /proc/self/uid_map";
    let output = bed.must(&["exec", "ID", "sh", "-c", read]);
    assert_eq!(output.split_whitespace().collect::<Vec<_>>(), ["0", "0", "100000", "1000"]);
}

#[test]
fn clocks_of_a_time_namespace() {
    if !possible() {
        return;
    }
    let mut bed = Bed::new("cat /proc/uptime");
    bed.spec["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "time"}));
    bed.spec["linux"]["timeOffsets"] = json!({"boottime": {"secs": 1_000_000}});
    let uptime: f64 = bed.must(&["run", "ID"]).split_whitespace().next().unwrap().parse().unwrap();
    assert!(uptime > 1_000_000.0, "{uptime}");
}

#[test]
fn namespaces_by_path() {
    if !possible() {
        return;
    }
    let first = Bed::new("exec sleep 100");
    first.start();
    let mut second = Bed::new("for n in net uts pid; do readlink /proc/self/ns/$n; done; hostname");
    let pid = first.pid();
    second.spec["hostname"] = json!("second");
    let by_path =
        |kind: &str, file: &str| json!({"type": kind, "path": format!("/proc/{pid}/ns/{file}")});
    second.spec["linux"]["namespaces"] = json!([
        {"type": "mount"}, by_path("network", "net"), by_path("uts", "uts"), by_path("pid", "pid"),
    ]);
    let output = second.must(&["run", "ID"]);
    let link = |file: &str| {
        std::fs::read_link(format!("/proc/{pid}/ns/{file}")).unwrap().display().to_string()
    };
    let expected = [link("net"), link("uts"), link("pid"), "second".to_owned()];
    assert_eq!(output.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_user_namespace_by_path() {
    if !possible() {
        return;
    }
    let open = |bed: &Bed| {
        for path in ["bundle", ""] {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(bed.path(path), mode).unwrap();
        }
    };
    let mut first = Bed::new("exec sleep 100");
    let maps = json!([{"containerID": 0, "hostID": 100_000, "size": 1000}]);
    first.spec["linux"]["uidMappings"] = maps.clone();
    first.spec["linux"]["gidMappings"] = maps;
    first.spec["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
    open(&first);
    first.start();
    let pid = first.pid();
    let script = "for n in user net; do readlink /proc/self/ns/$n; done; id -u; cat /proc/self/uid_map; hostname; \
        cat /proc/self/oom_score_adj; test -w /dev/null && echo null";
    let mut second = Bed::new(script);
    second.spec["hostname"] = json!("second");
    second.spec["process"]["oomScoreAdj"] = json!(300);
    let by_path =
        |kind: &str, file: &str| json!({"type": kind, "path": format!("/proc/{pid}/ns/{file}")});
    second.spec["linux"]["namespaces"] = json!([
        by_path("user", "user"), {"type": "mount"}, {"type": "pid"}, {"type": "uts"}, by_path("network", "net"),
    ]);
    open(&second);
    let output = second.must(&["run", "ID"]);
    let link = |file: &str| {
        std::fs::read_link(format!("/proc/{pid}/ns/{file}")).unwrap().display().to_string()
    };
    let (user, net) = (link("user"), link("net"));
    let expected = [&user, &net, "0", "0", "100000", "1000", "second", "300", "null"];
    assert_eq!(output.split_whitespace().collect::<Vec<_>>(), expected);
    second.must(&["delete", "--force", "ID"]);

    second.spec["linux"]["namespaces"][0]["path"] = json!("/proc/self/ns/net");
    let output = second.run(&["run", "ID"]);
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && why.contains("namespaces: setns"), "{why}");
}

#[test]
fn a_new_network_has_its_loopback() {
    if !possible() {
        return;
    }
    let mut bed = Bed::new("grep -c 127.0.0.1 /proc/net/fib_trie");
    let namespaces = bed.spec["linux"]["namespaces"].as_array_mut().unwrap();
    if !namespaces.contains(&json!({"type": "network"})) {
        namespaces.push(json!({"type": "network"}));
    }
    // In two tables: the address is there only while the interface is up.
    assert_eq!(bed.must(&["run", "ID"]), "2\n");
}

#[test]
fn a_tmpfs_with_what_was_there() {
    if !possible() {
        return;
    }
    let mut bed = Bed::new("cat /filled/file; echo; echo new > /filled/other");
    bed.mount(json!({
        "destination": "/filled", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "size=1m"],
    }));
    assert_eq!(bed.must(&["run", "ID"]), "content\n");
    assert!(!bed.inside("filled/other").exists());
}

#[test]
fn settings_of_the_process() {
    if !possible() {
        return;
    }
    let mut bed = Bed::new("umask; cat /proc/self/oom_score_adj; cat /proc/self/personality; pwd");
    bed.spec["process"]["user"]["umask"] = json!(0o027);
    bed.spec["process"]["oomScoreAdj"] = json!(100);
    bed.spec["process"]["cwd"] = json!("/not/there/yet");
    bed.spec["root"]["readonly"] = json!(true);
    bed.spec["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_IDLE", "priority": 0});
    bed.spec["process"]["scheduler"] = json!({"policy": "SCHED_BATCH", "nice": 5});
    bed.spec["linux"]["personality"] = json!({"domain": "LINUX32"});
    assert_eq!(bed.must(&["run", "ID"]), "0027\n100\n00000008\n/not/there/yet\n");
}

#[test]
fn processors_of_an_exec() {
    if !possible() {
        return;
    }
    let bed = Bed::new("exec sleep 100");
    bed.start();
    let allowed = |affinity: serde_json::Value| {
        let process = json!({
            "args": ["cat", "/proc/self/status"], "cwd": "/", "env": ["PATH=/bin"],
            "user": {"uid": 0, "gid": 0}, "execCPUAffinity": affinity,
        });
        std::fs::write(bed.path("process.json"), process.to_string()).unwrap();
        let file = bed.path("process.json").display().to_string();
        let output = bed.run(&["exec", "--process", &file, "ID"]);
        let status = crate::bed::text(&output.stdout);
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:\t"));
        line.map(str::to_owned).ok_or_else(|| crate::bed::text(&output.stderr))
    };
    let all = allowed(json!({})).unwrap();
    assert_eq!(allowed(json!({"initial": "0"})).unwrap(), "0");
    assert_eq!(allowed(json!({"initial": "0", "final": all})).unwrap(), all);
    assert_eq!(allowed(json!({"final": "0"})).unwrap(), "0");
    let refused = allowed(json!({"initial": "7-3"})).unwrap_err();
    assert!(refused.contains("execCPUAffinity") || refused.contains("7-3"), "{refused}");
}
