//! Fields that few specs have: policies of memory, interfaces of the host, labels, a mount namespace by its path.

use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::bed::{Bed, possible, text, wait};

/// Runs the bundle in a network namespace of its own, that an interface `moving` with two addresses is in.
fn run_beside_an_interface(bed: &Bed) -> Output {
    std::fs::write(bed.path("bundle/config.json"), bed.spec.to_string()).unwrap();
    let script = "set -e; ip link add moving type veth; ip link set moving address 02:00:00:00:00:07; \
        ip addr add 10.99.0.1/24 brd 10.99.0.255 dev moving; ip -6 addr add fd99::1/64 dev moving; \
        \"$@\"; ! ip link show moving 2>/dev/null";
    let wanted = bed.command(&["run", "ID"]);
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", script, "sh"]).arg(wanted.get_program());
    command.args(wanted.get_args()).current_dir(bed.path("bundle")).stdin(Stdio::null());
    command.output().unwrap()
}

#[test]
fn an_interface_moves_with_its_addresses() {
    if !possible() {
        return;
    }
    let script = "for i in eth0 eth1; do cat /proc/net/dev | busybox grep -q $i: && echo $i; done; \
        busybox ip addr show scope global; cat /sys/class/net/eth*/address";
    let mut bed = Bed::new(script);
    bed.mount(json!({"destination": "/sys", "type": "sysfs", "source": "sysfs"}));
    for (name, seen) in [("eth%d", "eth0"), ("eth1", "eth1")] {
        bed.spec["linux"]["netDevices"] = json!({"moving": {"name": name}});
        let output = run_beside_an_interface(&bed);
        let shown = text(&output.stdout);
        assert!(output.status.success(), "{shown}{}", text(&output.stderr));
        assert!(shown.starts_with(seen) && shown.contains("02:00:00:00:00:07"), "{shown}");
        assert!(shown.contains("10.99.0.1/24 brd 10.99.0.255 scope global"), "{shown}");
        assert!(shown.contains("fd99::1/64") && shown.contains("UP"), "{shown}");
    }
    for (name, why) in [("lo", "lo"), ("missing", "missing")] {
        let (device, inside) = if name == "lo" { ("moving", "lo") } else { (name, name) };
        bed.spec["linux"]["netDevices"] = json!({device: {"name": inside}});
        let output = run_beside_an_interface(&bed);
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains("network devices"), "{error}");
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn memory_comes_from_the_nodes_that_are_named() {
    if !possible() {
        return;
    }
    let mut bed = Bed::new("busybox head -n 1 /proc/self/numa_maps");
    bed.spec["linux"]["memoryPolicy"] = json!({"mode": "MPOL_BIND", "nodes": "0"});
    let shown = bed.must(&["run", "ID"]);
    assert!(shown.contains(" bind:0 "), "{shown}");
    bed.must(&["delete", "--force", "ID"]);
    bed.spec["linux"]["memoryPolicy"] = json!({"mode": "MPOL_BIND", "nodes": "1000"});
    let output = bed.run(&["run", "ID"]);
    let error = text(&output.stderr);
    assert!(!output.status.success() && error.contains("memory policy: set_mempolicy"), "{error}");
}

#[test]
fn a_process_of_an_exec_has_the_policy_too() {
    if !possible() {
        return;
    }
    let mut bed = Bed::new("exec sleep 100");
    bed.spec["linux"]["memoryPolicy"] = json!({"mode": "MPOL_PREFERRED", "nodes": "0"});
    bed.start();
    let shown = bed.must(&["exec", "ID", "busybox", "head", "-n", "1", "/proc/self/numa_maps"]);
    assert!(shown.contains(" prefer:0 "), "{shown}");
}

#[test]
fn labels_are_refused_where_the_kernel_has_none() {
    if !possible() {
        return;
    }
    let mut bed = Bed::new("true");
    let selinux = std::path::Path::new("/sys/fs/selinux/enforce").exists();
    bed.spec["linux"]["mountLabel"] = json!("system_u:object_r:container_file_t:s0");
    let output = bed.run(&["run", "ID"]);
    let error = text(&output.stderr);
    assert_eq!(output.status.success(), selinux, "{error}");
    assert!(selinux || error.contains("linux.mountLabel is not supported"), "{error}");
}

/// A process that keeps namespaces of its own, made by `unshare` with these flags.
struct Keeper(Child);

impl Keeper {
    fn new(flags: &[&str]) -> Self {
        let mut command = Command::new("unshare");
        command.args(flags).args(["--propagation", "private", "sleep", "100"]);
        let keeper = Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
        let own = std::fs::read_link("/proc/self/ns/mnt").unwrap();
        let moved = || std::fs::read_link(keeper.file("mnt")).is_ok_and(|there| there != own);
        wait(moved, "a mount namespace");
        keeper
    }

    fn file(&self, kind: &str) -> String {
        format!("/proc/{}/ns/{kind}", self.0.id())
    }

    fn link(&self, kind: &str) -> String {
        std::fs::read_link(self.file(kind)).unwrap().display().to_string()
    }

    fn namespace(&self, kind: &str, file: &str) -> Value {
        json!({"type": kind, "path": self.file(file)})
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const SHOWN: &str = "for n in mnt uts user; do readlink /proc/self/ns/$n; done; ls / | busybox grep -c filled; id -u";

fn others(namespaces: &[Value]) -> Value {
    let plain = [json!({"type": "pid"}), json!({"type": "ipc"}), json!({"type": "network"})];
    Value::Array(namespaces.iter().chain(&plain).cloned().collect())
}

#[test]
fn a_mount_namespace_by_path() {
    if !possible() {
        return;
    }
    let before = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let keeper = Keeper::new(&["--mount", "--uts"]);
    let mut bed = Bed::new(SHOWN);
    let joined = [keeper.namespace("mount", "mnt"), keeper.namespace("uts", "uts")];
    bed.spec["linux"]["namespaces"] = others(&joined);
    let shown = bed.must(&["run", "ID"]);
    let expected = [keeper.link("mnt"), keeper.link("uts"), keeper.link("user")];
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[..3], expected);
    assert_eq!(lines[3..], ["1", "0"]);
    assert_eq!(std::fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
    bed.must(&["delete", "--force", "ID"]);

    bed.spec["linux"]["namespaces"][0]["path"] = json!("/proc/self/ns/mnt");
    let output = bed.run(&["run", "ID"]);
    let error = text(&output.stderr);
    assert!(!output.status.success() && error.contains("own mount namespace"), "{error}");
}

#[test]
fn a_mount_namespace_by_path_with_a_user_namespace() {
    if !possible() {
        return;
    }
    let open = |bed: &Bed| {
        for path in ["bundle", ""] {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(bed.path(path), mode).unwrap();
        }
    };
    let maps = json!([{"containerID": 0, "hostID": 100_000, "size": 1000}]);
    // Both joined: of one process, which also keeps its namespace of pids.
    let mut first = Bed::new("exec sleep 100");
    first.spec["linux"]["uidMappings"] = maps.clone();
    first.spec["linux"]["gidMappings"] = maps;
    first.spec["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
    open(&first);
    first.start();
    let pid = first.pid();
    let file = |kind: &str| format!("/proc/{pid}/ns/{kind}");
    let link = |kind: &str| std::fs::read_link(file(kind)).unwrap().display().to_string();
    let mut second = Bed::new("for n in mnt pid user; do readlink /proc/self/ns/$n; done; id -u");
    second.spec.as_object_mut().unwrap().remove("hostname");
    second.spec["linux"]["namespaces"] = json!([
        {"type": "mount", "path": file("mnt")}, {"type": "user", "path": file("user")},
        {"type": "pid", "path": file("pid")}, {"type": "ipc"}, {"type": "network"},
    ]);
    // Its root and what it binds are looked for there.
    open(&second);
    let expected = [link("mnt"), link("pid"), link("user"), "0".to_owned()];
    let shown = second.must(&["run", "ID"]);
    assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
}
