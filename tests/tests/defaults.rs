//! The defaults of a container: capabilities, masks, mounts, devices, filters, namespaces, exactly
//! as Docker's.

use harness::{Daemon, IMAGE};
use serde_json::{Value, json};

/// CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE
/// SYS_CHROOT KILL AUDIT_WRITE, capabilities(7).
const CAPABILITIES: &str = "00000000a80425fb";

#[test]
fn capabilities() {
    let daemon = Daemon::start();
    let seen = daemon.sh(&json!({}), "grep Cap /proc/self/status");
    let none = "0000000000000000";
    let expected = format!(
        "CapInh:\t{none}\nCapPrm:\t{CAPABILITIES}\nCapEff:\t{CAPABILITIES}\nCapBnd:\t{CAPABILITIES}\n\
         CapAmb:\t{none}\n"
    );
    assert_eq!(seen, expected);
    let seen = daemon.sh(&json!({ "User": "app" }), "grep Cap /proc/self/status");
    let expected = format!(
        "CapInh:\t{none}\nCapPrm:\t{none}\nCapEff:\t{none}\nCapBnd:\t{CAPABILITIES}\nCapAmb:\t{none}\n"
    );
    assert_eq!(seen, expected);
}

#[test]
fn capabilities_added_and_dropped() {
    let daemon = Daemon::start();
    for (add, drop, expected) in [
        (json!([]), json!(["ALL"]), "0000000000000000"),
        (json!(["NET_ADMIN"]), json!([]), "00000000a80435fb"),
        (json!(["CAP_NET_ADMIN"]), json!(["cap_chown"]), "00000000a80435fa"),
        (json!(["KILL"]), json!(["ALL"]), "0000000000000020"),
    ] {
        let body = json!({ "HostConfig": { "CapAdd": add, "CapDrop": drop } });
        let seen = daemon.sh(&body, "grep CapEff /proc/self/status");
        assert_eq!(seen.trim_start_matches("CapEff:\t").trim(), expected, "{body}");
    }
}

#[test]
fn masked_paths_show_nothing() {
    let daemon = Daemon::start();
    let mut files = vec![
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
    ];
    if !daemon.is_reference() {
        files.push("/proc/interrupts");
    }
    let script = format!(
        "for f in {}; do [ -e $f ] && echo $f $(stat -c '%t:%T %F' $f) $(head -c 100 $f | wc -c); done; true",
        files.join(" ")
    );
    for line in daemon.sh(&json!({}), &script).lines() {
        assert!(line.contains("1:3 character special file 0"), "{line}");
    }
    let dirs = "/proc/acpi /proc/asound /proc/scsi /sys/firmware /sys/devices/virtual/powercap";
    let script =
        format!("for d in {dirs}; do [ -d $d ] && echo $d $(ls -A $d | wc -l); done; true");
    for line in daemon.sh(&json!({}), &script).lines() {
        assert!(line.ends_with(" 0"), "{line}");
    }
}

#[test]
fn readonly_paths_refuse_writes() {
    let daemon = Daemon::start();
    for path in [
        "/proc/sys/kernel/domainname",
        "/proc/sysrq-trigger",
        "/proc/irq/default_smp_affinity",
        "/sys/kernel/uevent_seqnum",
        "/sys/fs/cgroup/x",
    ] {
        if daemon.is_reference() && path == "/sys/fs/cgroup/x" {
            continue; // runc leaves the directory of v1's hierarchies writable
        }
        let script = format!(
            "[ -e $(dirname {path}) ] || exit 0; echo x > {path} 2>/dev/null && echo wrote; true"
        );
        assert_eq!(daemon.sh(&json!({}), &script), "", "{path}");
    }
    let seen = daemon.sh(
        &json!({}),
        "for p in bus fs irq sys sysrq-trigger; do \
        [ -e /proc/$p ] && grep -c \" /proc/$p proc ro,\" /proc/mounts; done; true",
    );
    assert!(seen.lines().all(|line| line == "1"), "{seen}");
}

/// One row of `/proc/mounts` by its mount point.
fn mount<'a>(table: &'a str, point: &str) -> (&'a str, Vec<&'a str>) {
    let row = table.lines().rev().find(|row| row.split(' ').nth(1) == Some(point));
    let row = row.unwrap_or_else(|| panic!("nothing is mounted at {point}: {table}"));
    let mut fields = row.split(' ').skip(2);
    (fields.next().unwrap_or_default(), fields.next().unwrap_or_default().split(',').collect())
}

#[test]
fn mounts() {
    let daemon = Daemon::start();
    let table = daemon.sh(&json!({}), "cat /proc/mounts");
    for (point, kind, options) in [
        ("/", "overlay", "rw"),
        ("/proc", "proc", "rw,nosuid,nodev,noexec"),
        ("/dev", "tmpfs", "rw,nosuid,size=65536k,mode=755"),
        ("/dev/pts", "devpts", "rw,nosuid,noexec,gid=5,mode=620,ptmxmode=666"),
        ("/sys", "sysfs", "ro,nosuid,nodev,noexec"),
        ("/dev/mqueue", "mqueue", "rw,nosuid,nodev,noexec"),
        ("/dev/shm", "tmpfs", "rw,nosuid,nodev,noexec,size=65536k"),
    ] {
        let (seen, has) = mount(&table, point);
        assert_eq!(seen, kind, "{point}");
        for option in options.split(',') {
            assert!(has.contains(&option), "{point}: {option} is not in {has:?}");
        }
    }
    let groups = table.lines().filter(|row| row.contains(" /sys/fs/cgroup"));
    for row in groups {
        if daemon.is_reference() && row.contains(" /sys/fs/cgroup tmpfs") {
            continue; // runc leaves the directory of v1's hierarchies writable
        }
        let options: Vec<_> = row.split(' ').nth(3).unwrap_or_default().split(',').collect();
        for option in ["ro", "nosuid", "nodev", "noexec"] {
            assert!(options.contains(&option), "{row}");
        }
    }
    assert!(table.lines().any(|row| row.contains(" /sys/fs/cgroup")), "{table}");
}

#[test]
fn no_mount_shows_the_host() {
    let daemon = Daemon::start();
    let table = daemon.sh(&json!({}), "cat /proc/self/mountinfo");
    let peers: Vec<_> = table.lines().filter(|row| row.contains(" shared:")).collect();
    assert!(peers.is_empty(), "mounts propagate: {peers:?}");
    let allowed = [
        "/proc",
        "/dev",
        "/sys",
        "/etc/resolv.conf",
        "/etc/hostname",
        "/etc/hosts",
        "/sbin/docker-init",
    ];
    for row in table.lines() {
        let point = row.split(' ').nth(4).expect("a mount point");
        let known = point == "/" || allowed.iter().any(|prefix| point.starts_with(prefix));
        assert!(known, "{row}");
    }
}

#[test]
fn devices() {
    let daemon = Daemon::start();
    let seen = daemon.sh(&json!({}), "cd /dev; for d in *; do stat -c '%n %F %t:%T %a' $d; done");
    for (name, number) in [
        ("full", "1:7"),
        ("null", "1:3"),
        ("random", "1:8"),
        ("tty", "5:0"),
        ("urandom", "1:9"),
        ("zero", "1:5"),
    ] {
        let row = format!("{name} character special file {number} 666");
        assert!(seen.lines().any(|line| line == row), "{row}: {seen}");
    }
    let names: Vec<_> = seen.lines().filter_map(|line| line.split(' ').next()).collect();
    for name in &names {
        let known = [
            "console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm",
            "stderr", "stdin", "stdout", "tty", "urandom", "zero",
        ];
        assert!(known.contains(name), "/dev/{name}");
    }
    let links = daemon
        .sh(&json!({}), "cd /dev; for l in fd stdin stdout stderr ptmx; do readlink $l; done");
    assert_eq!(
        links,
        "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n"
    );
}

#[test]
fn other_devices_can_not_be_opened() {
    let daemon = Daemon::start();
    for (major, minor) in [(8, 0), (254, 0), (1, 1), (1, 4), (10, 229)] {
        let script = format!(
            "mknod /d{major} b {major} {minor} 2>/dev/null; \
            mknod /c c {major} {minor} && head -c 1 /c 2>&1; head -c 1 /d{major} 2>&1; true"
        );
        let seen = daemon.sh(&json!({}), &script);
        for line in seen.lines() {
            assert!(line.contains("Operation not permitted"), "{major}:{minor}: {seen}");
        }
    }
    assert_eq!(daemon.sh(&json!({}), "mknod /n c 1 3 && echo x > /n && echo fine"), "fine\n");
}

#[test]
fn a_filter_of_system_calls_is_on() {
    let daemon = Daemon::start();
    let seen = daemon.sh(&json!({}), "grep -E 'Seccomp:|NoNewPrivs' /proc/self/status");
    assert_eq!(seen, "NoNewPrivs:\t0\nSeccomp:\t2\n");
    let script = "unshare -U true 2>&1; mount -t tmpfs x /tmp 2>&1; unshare -m true 2>&1; true";
    for line in daemon.sh(&json!({}), script).lines() {
        assert!(line.contains("not permitted") || line.contains("denied"), "{line}");
    }
    let off = json!({ "HostConfig": { "SecurityOpt": ["seccomp=unconfined"] } });
    assert_eq!(daemon.sh(&off, "grep Seccomp: /proc/self/status"), "Seccomp:\t0\n");
    let locked = json!({ "HostConfig": { "SecurityOpt": ["no-new-privileges"] } });
    assert_eq!(daemon.sh(&locked, "grep NoNewPrivs /proc/self/status"), "NoNewPrivs:\t1\n");
}

#[test]
fn namespaces_are_the_container_s_own() {
    let daemon = Daemon::start();
    let id = daemon.sleeper();
    let (_, output) = daemon.exec(
        &id,
        &[
            "sh",
            "-c",
            "cd /proc/1/ns; for n in mnt net pid ipc uts user cgroup; do readlink $n; done",
        ],
    );
    for line in output.stdout.lines() {
        let kind = line.split(':').next().expect("a kind");
        let host = std::fs::read_link(format!("/proc/self/ns/{kind}")).expect("our own");
        let same = host.to_string_lossy() == line;
        // Docker shares the user namespace; control groups' is private on v2 only.
        let shared = kind == "user" || (kind == "cgroup" && same);
        assert_eq!(same, shared, "{line}");
    }
}

#[test]
fn sysctls_and_own_ones() {
    let daemon = Daemon::start();
    let bridge = json!({ "HostConfig": { "NetworkMode": "bridge" } });
    let seen = daemon.sh(
        &bridge,
        "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range",
    );
    assert_eq!(seen, "0\n0\t2147483647\n");
    let own = json!({ "HostConfig": { "Sysctls": { "net.ipv4.ip_forward": "1", "kernel.msgmax": "9000" } } });
    assert_eq!(
        daemon.sh(&own, "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax"),
        "1\n9000\n"
    );
    let bad = json!({ "HostConfig": { "Sysctls": { "kernel.panic": "1" } } });
    let created = daemon.try_create(&bad);
    if created.status == 201 {
        let id = created.json()["Id"].as_str().expect("an id").to_owned();
        assert!(daemon.http().post(&format!("/containers/{id}/start")).status >= 400);
    }
}

#[test]
fn a_read_only_root_is_read_only() {
    let daemon = Daemon::start();
    let body =
        json!({ "HostConfig": { "ReadonlyRootfs": true, "Tmpfs": { "/scratch": "size=1m" } } });
    let script = "echo x > /file 2>/dev/null && echo wrote; echo x > /scratch/file && echo scratch; \
        echo x > /dev/shm/f && echo shm; grep ' /scratch ' /proc/mounts";
    let seen = daemon.sh(&body, script);
    assert!(seen.starts_with("scratch\nshm\n"), "{seen}");
    assert!(seen.contains("size=1024k") && seen.contains("noexec"), "{seen}");
}

#[test]
fn nothing_of_the_daemon_is_open_inside() {
    let daemon = Daemon::start();
    let list = daemon.run(&json!({ "Cmd": ["ls", "-l", "/proc/self/fd"] })).output.stdout;
    let seen: Vec<_> = list.lines().filter(|line| line.contains(" -> ")).collect();
    assert!(seen.len() >= 3, "{list}");
    for line in seen {
        let (from, to) = line.rsplit_once(" -> ").expect("a link");
        let number: u32 = from.rsplit(' ').next().unwrap_or_default().parse().expect("a number");
        assert!(number < 3 || to.starts_with("/proc/"), "descriptor {number} is {to}");
    }
    let environment = daemon
        .sh(&json!({}), "tr '\\0' '\\n' < /proc/1/environ 2>/dev/null || cat /proc/1/environ");
    assert!(!environment.contains("JOCKER") && !environment.contains("CARGO"), "{environment}");
}

#[test]
fn a_directory_by_descriptor_leads_nowhere() {
    let daemon = Daemon::start();
    for number in [3, 5, 7, 8, 9, 12] {
        let dir = format!("/proc/self/fd/{number}");
        let created =
            daemon.try_create(&json!({ "WorkingDir": dir, "Cmd": ["cat", "../../../etc/passwd"] }));
        if created.status != 201 {
            continue;
        }
        let id = created.json()["Id"].as_str().expect("an id").to_owned();
        let started = daemon.http().post(&format!("/containers/{id}/start"));
        if started.status == 204 {
            daemon.wait(&id);
            assert!(!daemon.logs(&id).stdout.contains("messagebus"), "the host's files are seen");
        }
        daemon.remove(&id);
        let sleeper = daemon.sleeper();
        let body = json!({ "AttachStdout": true, "WorkingDir": dir, "Cmd": ["ls", "../../../"] });
        let exec = daemon.http().post_json(&format!("/containers/{sleeper}/exec"), &body);
        if exec.status == 201 {
            let exec = exec.json()["Id"].as_str().expect("an id").to_owned();
            let start = json!({ "Detach": false, "Tty": false });
            let mut stream = daemon.http().upgrade(&format!("/exec/{exec}/start"), Some(&start));
            if stream.status == 101 {
                let said = String::from_utf8_lossy(&stream.read_to_end()).into_owned();
                assert!(!said.contains("lost+found"), "the host's files are seen: {said}");
            }
        }
        daemon.remove(&sleeper);
    }
}

#[test]
fn files_of_the_network_are_written() {
    let daemon = Daemon::start();
    let body = json!({ "Hostname": "box", "Domainname": "example.org",
        "HostConfig": { "NetworkMode": "bridge", "ExtraHosts": ["other:10.1.2.3"],
            "Dns": ["10.9.8.7"], "DnsSearch": ["search.example"], "DnsOptions": ["ndots:3"] } });
    let seen = daemon
        .sh(&body, "cat /etc/hosts; echo ==; cat /etc/hostname; echo ==; cat /etc/resolv.conf");
    let parts: Vec<_> = seen.split("==\n").collect();
    assert!(parts[0].contains("127.0.0.1\tlocalhost"), "{}", parts[0]);
    assert!(parts[0].contains("10.1.2.3\tother"), "{}", parts[0]);
    assert!(parts[0].contains("\tbox.example.org box"), "{}", parts[0]);
    assert!(parts[1].starts_with("box"), "{}", parts[1]);
    assert!(parts[2].contains("nameserver 10.9.8.7"), "{}", parts[2]);
    assert!(parts[2].contains("search search.example"), "{}", parts[2]);
    assert!(parts[2].contains("options ndots:3"), "{}", parts[2]);
}

#[test]
fn a_host_name_is_the_short_id() {
    let daemon = Daemon::start();
    let id = daemon.create(&json!({ "Cmd": ["hostname"] }));
    daemon.start_container(&id);
    daemon.wait(&id);
    assert_eq!(daemon.logs(&id).stdout.trim(), &id[..12]);
    assert_eq!(daemon.inspect(&id)["Config"]["Hostname"], id[..12]);
}

#[test]
fn namespaces_of_the_host_when_asked() {
    let daemon = Daemon::start();
    let host = |field: &str| json!({ "HostConfig": { field: "host" } });
    let own = |kind: &str| {
        let link = std::fs::read_link(format!("/proc/thread-self/ns/{kind}")).expect("our own");
        link.to_string_lossy().into_owned()
    };
    for (field, kind) in
        [("PidMode", "pid"), ("IpcMode", "ipc"), ("UTSMode", "uts"), ("NetworkMode", "net")]
    {
        let seen = daemon.sh(&host(field), &format!("readlink /proc/self/ns/{kind}"));
        assert_eq!(seen.trim(), own(kind), "{field}");
    }
}

#[test]
fn namespaces_of_another_container_when_asked() {
    let daemon = Daemon::start();
    let other = daemon.sleeper();
    for (field, kind) in [("NetworkMode", "net"), ("IpcMode", "ipc"), ("PidMode", "pid")] {
        if field == "IpcMode" {
            continue; // a private one can not be joined
        }
        let body = json!({ "HostConfig": { field: format!("container:{other}") } });
        let seen = daemon.sh(&body, &format!("readlink /proc/self/ns/{kind}"));
        let (_, inside) = daemon.exec(&other, &["readlink", &format!("/proc/self/ns/{kind}")]);
        assert_eq!(seen, inside.stdout, "{field}");
    }
    let missing =
        daemon.try_create(&json!({ "HostConfig": { "NetworkMode": "container:nosuch" } }));
    let refused = missing.status >= 400 || {
        let id = missing.json()["Id"].as_str().expect("an id").to_owned();
        daemon.http().post(&format!("/containers/{id}/start")).status >= 400
    };
    assert!(refused);
}

#[test]
fn the_image_can_not_move_proc_or_sys() {
    use harness::image::{Compression, Flavour, Image, PATH, busybox_files};
    let daemon = Daemon::start();
    let registry = harness::registry::Registry::start();
    let settings = json!({ "Cmd": ["sh"], "Env": [PATH] });
    for (tag, point, target) in
        [("proc", "proc", "/tmp"), ("sys", "sys", "/tmp"), ("dev", "dev", "/tmp")]
    {
        let upper = harness::image::Files::new()
            .hostile(&format!(".wh.{point}"), tar::EntryType::Regular, "", b"")
            .layer(Compression::Gzip);
        let link = harness::image::Files::new().link(point, target).layer(Compression::Gzip);
        let layers = vec![busybox_files().layer(Compression::Gzip), upper, link];
        let image = Image::new(Flavour::Oci, layers, &settings);
        let reference = registry.push("moved", tag, &image);
        daemon.http().post(&format!("/images/create?fromImage={reference}")).expect(200);
        let made =
            daemon.try_create(&json!({ "Image": reference, "Cmd": ["cat", "/proc/mounts"] }));
        let id = made.expect(201).json()["Id"].as_str().expect("an id").to_owned();
        let started = daemon.http().post(&format!("/containers/{id}/start"));
        if started.status == 204 {
            daemon.wait(&id);
            let seen = daemon.logs(&id).stdout;
            let elsewhere =
                seen.lines().any(|row| row.contains(" /tmp proc ") || row.contains(" /tmp sysfs "));
            assert!(!elsewhere, "{tag}: {seen}");
        } else {
            assert!(!started.message().is_empty());
        }
        daemon.remove(&id);
    }
}

#[test]
fn inspection_tells_the_defaults() {
    let daemon = Daemon::start();
    let id = daemon.create(&json!({ "Cmd": ["true"] }));
    let host = daemon.inspect(&id)["HostConfig"].clone();
    let masked: Vec<Value> = host["MaskedPaths"].as_array().expect("a list").clone();
    for path in [
        "/proc/acpi",
        "/proc/kcore",
        "/proc/keys",
        "/proc/timer_list",
        "/sys/firmware",
        "/sys/devices/virtual/powercap",
    ] {
        assert!(masked.contains(&json!(path)), "{path}");
    }
    assert_eq!(
        host["ReadonlyPaths"],
        json!(["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"])
    );
    assert_eq!(daemon.inspect(&id)["Config"]["Image"], IMAGE);
}

#[test]
fn programs_find_the_file_that_marks_a_container() {
    let daemon = Daemon::start();
    let script = "ls -ln /.dockerenv | cut -c1-10; wc -c </.dockerenv";
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", script] }));
    assert_eq!(daemon.wait(&id), 0);
    assert_eq!(daemon.logs(&id).stdout, "-rwxr-xr-x\n0\n");
    // It is the engine's: no change of the container, and no part of an image that is made of it.
    let changes = daemon.http().get(&format!("/containers/{id}/changes")).expect(200).json();
    assert!(!changes.to_string().contains("dockerenv"), "{changes}");
    let mark = harness::name();
    daemon.http().post(&format!("/commit?container={id}&repo={mark}")).expect(201);
    let saved = daemon.http().get(&format!("/images/{mark}/get")).expect(200).body;
    // As a tar has it, and no command.
    let named = b".dockerenv\0";
    assert!(!saved.windows(named.len()).any(|bytes| bytes == named));
    daemon.remove(&id);
    daemon.http().delete(&format!("/images/{mark}")).expect(200);
}
