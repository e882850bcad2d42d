use std::fs;

use serde_json::json;

use super::*;
use crate::error::StepErrorKind;

#[test]
fn a_program_runs_and_its_status_comes_back() {
    if !possible() {
        return;
    }
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let outcome = Container::new("echo hello; hostname; readlink /proc/self; pwd; exit 7").run();
    assert_eq!(outcome.failed, None);
    assert_eq!(outcome.status, 7);
    let lines: Vec<&str> = outcome.output.lines().collect();
    assert_eq!((lines[0], lines[1], lines[3]), ("hello", "box", "/"));
    assert!(lines[2].parse::<u32>().unwrap() < 10, "own pid namespace: {lines:?}");
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
}

#[test]
fn mounts_devices_and_links() {
    if !possible() {
        return;
    }
    let script = "cat /proc/self/mountinfo; ls -l /dev; echo x > /dev/null; cat /proc/net/dev";
    let outcome = Container::new(script).run();
    let output = &outcome.output;
    assert_eq!((outcome.failed.as_ref(), outcome.status), (None, 0), "{output}");
    for line in [
        " /proc rw,nosuid,nodev,noexec,relatime - proc proc rw",
        " /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755",
        " /dev/pts rw,nosuid,noexec,relatime - devpts devpts rw,gid=5,mode=620,ptmxmode=666",
        " /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs r",
        " /dev/mqueue rw,nosuid,nodev,noexec,relatime - mqueue mqueue rw",
        " /dev/shm rw,nosuid,nodev,noexec,relatime - tmpfs shm rw,size=65536k",
        " /proc/sys ro,nosuid,nodev,noexec,relatime - proc proc rw",
    ] {
        assert!(output.contains(line), "{line}\n{output}");
    }
    assert!(!output.contains("/sys/fs/cgroup"), "{output}");
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        let found =
            output.lines().any(|line| line.starts_with("crw-rw-rw-") && line.ends_with(name));
        assert!(found, "{name}\n{output}");
    }
    for link in ["fd -> /proc/self/fd", "ptmx -> pts/ptmx", "stdin -> /proc/self/fd/0"] {
        assert!(output.contains(link), "{link}\n{output}");
    }
    assert!(!output.contains("eth0"), "{output}");
}

#[test]
fn capabilities_and_filter() {
    if !possible() {
        return;
    }
    let script = "cat /proc/self/status; unshare -m true; mount -t tmpfs x /tmp; echo $?; umask";
    let outcome = Container::new(script).run();
    let output = &outcome.output;
    for (set, bits) in [
        ("Inh", 0),
        ("Prm", 0xa804_25fb_u64),
        ("Eff", 0xa804_25fb),
        ("Bnd", 0xa804_25fb),
        ("Amb", 0),
    ] {
        assert!(output.contains(&format!("Cap{set}:\t{bits:016x}")), "{set}\n{output}");
    }
    assert!(output.contains("Seccomp:\t2") && output.contains("NoNewPrivs:\t0"), "{output}");
    assert!(output.contains("Operation not permitted"), "{output}");
    assert!(output.contains("0022"), "{output}");
}

#[test]
fn no_new_privileges_and_a_user_without_capabilities() {
    if !possible() {
        return;
    }
    let mut container =
        Container::new("cat /proc/self/status; id; echo home $HOME; echo x > /dev/stdout");
    container.spec["process"]["noNewPrivileges"] = json!(true);
    container.extras.user = Some("www".to_owned());
    container.extras.group_add = vec!["4".to_owned()];
    let outcome = container.run();
    let output = &outcome.output;
    assert_eq!(outcome.failed, None);
    assert!(output.contains("NoNewPrivs:\t1") && output.contains("Seccomp:\t2"), "{output}");
    assert!(output.contains("CapEff:\t0000000000000000"), "{output}");
    assert!(output.contains("CapBnd:\t00000000a80425fb"), "{output}");
    assert!(output.contains("uid=33(www) gid=34(www) groups="), "{output}");
    assert!(output.contains("29(audio)") && output.contains("home /var/www"), "{output}");
    assert!(output.contains("Groups:\t4 29 34") && output.ends_with("x\n"), "{output}");
}

#[test]
fn ambient_capabilities_reach_a_user() {
    if !possible() {
        return;
    }
    let mut container = Container::new("cat /proc/self/status");
    let caps = &mut container.spec["process"]["capabilities"];
    caps["inheritable"] = json!(["CAP_NET_RAW"]);
    caps["ambient"] = json!(["CAP_NET_RAW"]);
    container.extras.user = Some("33:33".to_owned());
    let output = container.run().output;
    assert!(output.contains("CapEff:\t0000000000002000"), "{output}");
    assert!(output.contains("CapAmb:\t0000000000002000"), "{output}");
}

#[test]
fn masks_and_readonly_paths() {
    if !possible() {
        return;
    }
    let script = "cat /proc/keys /proc/timer_list; ls /proc/acpi /sys/firmware | cat; \
        echo 1 > /proc/sys/kernel/hostname; echo 1 > /proc/sys/vm/drop_caches; \
        cat /proc/sys/net/ipv4/ip_unprivileged_port_start; ls -l /proc/keys; cat /proc/self/mountinfo";
    let outcome = Container::new(script).run();
    let output = &outcome.output;
    assert_eq!(outcome.failed, None);
    assert_eq!(output.matches("Read-only file system").count(), 2, "{output}");
    assert!(output.lines().any(|line| line == "0"), "{output}");
    assert!(output.contains("crw") && output.contains("1,   3"), "{output}");
    for line in [" /sys/firmware ro,relatime - tmpfs tmpfs ro", "/sys/firmware:\n"] {
        assert!(output.contains(line), "{line}\n{output}");
    }
    assert!(!output.contains("No such file"), "{output}");
}

#[test]
fn programs_that_can_not_run() {
    if !possible() {
        return;
    }
    for (program, kind, text) in [
        (
            "nothing",
            StepErrorKind::ExecNotFound,
            "exec: exec: \"nothing\": executable file not found in $PATH",
        ),
        (
            "/bin/nothing",
            StepErrorKind::ExecNotFound,
            "exec: exec: \"/bin/nothing\": stat /bin/nothing: no such file or directory",
        ),
        (
            "/etc/passwd",
            StepErrorKind::ExecNotExecutable,
            "exec: exec: \"/etc/passwd\": permission denied",
        ),
        ("/etc", StepErrorKind::ExecIsDirectory, "exec: exec: \"/etc\": is a directory"),
    ] {
        let mut container = Container::new("");
        container.spec["process"]["args"] = json!([program]);
        let outcome = container.run();
        let error = outcome.failed.unwrap();
        assert_eq!((error.kind, error.to_string().as_str()), (kind, text));
        assert_eq!(outcome.status, super::super::FAILED);
    }
}

#[test]
fn a_program_without_its_interpreter_and_one_of_no_format() {
    if !possible() {
        return;
    }
    for (text, kind) in
        [("#!/none\n", StepErrorKind::ExecNotFound), ("x", StepErrorKind::ExecNotExecutable)]
    {
        let container = Container::new("");
        let mut container = container;
        fs::write(container.path("bin/bad"), text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(container.path("bin/bad"), mode).unwrap();
        container.spec["process"]["args"] = json!(["bad"]);
        // The filter is loaded by then: the failure must still come out.
        assert_eq!(container.run().failed.unwrap().kind, kind);
    }
}

#[test]
fn users_that_do_not_exist() {
    if !possible() {
        return;
    }
    for user in ["nobody", "4294967296", "-1", "www:nope"] {
        let mut container = Container::new("id");
        container.extras.user = Some(user.to_owned());
        let error = container.run().failed.unwrap();
        assert_eq!(error.kind, StepErrorKind::BadUser, "{error}");
    }
}

#[test]
fn working_directories() {
    if !possible() {
        return;
    }
    let mut container = Container::new("pwd");
    container.spec["process"]["cwd"] = json!("/a/b");
    assert_eq!(container.run().failed.unwrap().kind, StepErrorKind::BadCwd);
    container.extras.make_cwd = true;
    assert_eq!(container.run().output, "/a/b\n");
    assert!(container.path("a/b").is_dir());
}

#[test]
fn binds_and_a_readonly_root() {
    if !possible() {
        return;
    }
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("file"), "from outside").unwrap();
    let mut container = Container::new(
        "cat /data/file; echo y > /data/new; echo x > /ro/x; echo x > /x; echo x > /etc/resolv.conf",
    );
    container.spec["root"]["readonly"] = json!(true);
    let mounts = container.spec["mounts"].as_array_mut().unwrap();
    let file = outside.path().join("file");
    mounts.push(json!({"destination": "/data", "type": "bind", "source": outside.path(), "options": ["rbind", "rprivate"]}));
    mounts.push(json!({"destination": "/ro", "type": "bind", "source": outside.path(), "options": ["rbind", "rprivate", "ro"]}));
    mounts.push(json!({"destination": "/etc/resolv.conf", "type": "bind", "source": file, "options": ["bind", "ro"]}));
    let outcome = container.run();
    assert_eq!(outcome.failed, None);
    assert!(outcome.output.starts_with("from outside"), "{}", outcome.output);
    assert_eq!(outcome.output.matches("Read-only file system").count(), 3, "{}", outcome.output);
    assert_eq!(fs::read_to_string(outside.path().join("new")).unwrap(), "y\n");
    assert!(!outside.path().join("x").exists());
}

#[test]
fn a_terminal() {
    if !possible() {
        return;
    }
    let mut container = Container::new(
        "tty; stat -c %t:%T /dev/console; busybox stty size < /dev/console; id -u > /dev/tty",
    );
    container.spec["process"]["terminal"] = json!(true);
    container.spec["process"]["consoleSize"] = json!({"height": 33, "width": 99});
    container.extras.user = Some("www".to_owned());
    let outcome = container.run();
    assert_eq!(outcome.failed, None);
    assert_eq!(outcome.output, "/dev/pts/0\n88:0\n33 99\n33\n");
}

#[test]
fn limits_and_oom_score() {
    if !possible() {
        return;
    }
    let mut container = Container::new("ulimit -n; cat /proc/self/oom_score_adj; umask");
    container.spec["process"]["rlimits"] =
        json!([{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 99}]);
    container.spec["process"]["oomScoreAdj"] = json!(123);
    container.spec["process"]["user"]["umask"] = json!(0o027);
    assert_eq!(container.run().output, "77\n123\n0027\n");
}

/// The container's own groups, read-only, and no way to the host's.
#[test]
fn control_groups_inside() {
    if !possible() {
        return;
    }
    let name = format!("/jocker-test-{}", std::process::id());
    let script = "cat /proc/self/cgroup; cat /proc/self/mountinfo; mount; \
        for d in /sys/fs/cgroup /sys/fs/cgroup/*; do busybox mkdir $d/x; done";
    let mut container = Container::new(script);
    container.spec["linux"]["cgroupsPath"] = json!(name);
    container.spec["mounts"].as_array_mut().unwrap().push(json!({
        "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
        "options": ["ro", "nosuid", "noexec", "nodev"],
    }));
    let plan = container.plan();
    let layout = Host::probe().layout;
    let group = Cgroup::create(&plan.cgroup, &layout).unwrap();
    let outcome = container.run_in(Some(&group));
    let removed = group.remove();
    let output = &outcome.output;
    assert_eq!(outcome.failed, None);
    removed.unwrap();
    assert!(!output.contains(&name), "{output}");
    let mounts: Vec<&str> = output
        .lines()
        .filter(|line| line.contains(" - cgroup") && line.contains(" / /sys"))
        .collect();
    assert_eq!(mounts.len(), layout.mounts().len(), "{output}");
    assert!(mounts.iter().all(|line| line.contains(" ro,nosuid,nodev,noexec")), "{output}");
    assert!(output.matches("Read-only file system").count() > layout.mounts().len(), "{output}");
}
