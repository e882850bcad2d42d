//! Namespaces that are shared: with the host, with another container, or with nobody.

use harness::Daemon;
use serde_json::{Value, json};

fn own(kind: &str) -> String {
    let link = std::fs::read_link(format!("/proc/thread-self/ns/{kind}")).expect("our own");
    link.to_string_lossy().into_owned()
}

fn host(fields: &Value) -> Value {
    json!({ "HostConfig": fields })
}

/// A container that has written into its shared memory.
fn donor(daemon: &Daemon, mode: &str) -> String {
    let id = daemon.launch(&json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL",
        "HostConfig": { "IpcMode": mode, "ShmSize": 8_388_608 } }));
    assert_eq!(daemon.exec(&id, &["sh", "-c", "echo hi > /dev/shm/file"]).0, 0);
    id
}

/// Creating or starting it is refused with this text.
#[track_caller]
fn refused(daemon: &Daemon, body: &Value, text: &str) {
    let mut body = body.clone();
    body["Cmd"] = json!(["true"]);
    let mut answer = daemon.try_create(&body);
    if answer.status == 201 {
        let id = answer.json()["Id"].as_str().expect("an id").to_owned();
        answer = daemon.http().post(&format!("/containers/{id}/start"));
    }
    assert!(answer.status >= 400, "{body}");
    let message = answer.message();
    assert!(message.contains(text), "{body}: {message}");
}

#[test]
fn ipc_has_all_its_modes() {
    let daemon = Daemon::start();
    let link = "readlink /proc/self/ns/ipc";
    let look = format!("{link}; ls -d /dev/shm; grep -c /dev/shm /proc/mounts");
    let none = daemon.sh(&host(&json!({ "IpcMode": "none" })), &format!("{look}; true"));
    assert!(none.starts_with("ipc:[") && !none.contains(&own("ipc")), "{none}");
    assert!(none.ends_with("\n0\n") && !none.contains("/dev/shm"), "{none}");
    let private = daemon.sh(&host(&json!({ "IpcMode": "private" })), &look);
    assert!(!private.contains(&own("ipc")) && private.ends_with("/dev/shm\n1\n"), "{private}");
    let shown = daemon.sleeper();
    assert_eq!(daemon.inspect(&shown)["HostConfig"]["IpcMode"], "private");
    let hosts = daemon.sh(&host(&json!({ "IpcMode": "host" })), link);
    assert_eq!(hosts.trim(), own("ipc"));
    refused(&daemon, &host(&json!({ "IpcMode": "bad" })), "invalid IPC mode: bad");
}

#[test]
fn ipc_is_shared_by_those_who_say_so() {
    let daemon = Daemon::start();
    let (shareable, private) = (donor(&daemon, "shareable"), donor(&daemon, "private"));
    let joins = |id: &str| host(&json!({ "IpcMode": format!("container:{id}") }));
    let seen = daemon.sh(
        &joins(&shareable),
        "cat /dev/shm/file; readlink /proc/self/ns/ipc; grep /dev/shm /proc/mounts; \
         echo back > /dev/shm/other",
    );
    let (_, inside) = daemon.exec(&shareable, &["readlink", "/proc/self/ns/ipc"]);
    assert!(seen.starts_with(&format!("hi\n{}", inside.stdout)), "{seen}");
    assert!(seen.contains("size=8192k"), "{seen}");
    let (_, other) = daemon.exec(&shareable, &["cat", "/dev/shm/other"]);
    assert_eq!(other.stdout, "back\n");
    let text = format!(
        "container {private}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)"
    );
    refused(&daemon, &joins(&private), &text);
    refused(&daemon, &joins("nosuch"), "No such container: nosuch");
}

#[test]
fn a_peer_is_known_by_its_id_whatever_it_is_called() {
    let daemon = Daemon::start();
    let peer = donor(&daemon, "shareable");
    let name = daemon.inspect(&peer)["Name"].as_str().expect("a name")[1..].to_owned();
    let by_name = format!("container:{name}");
    let joined = daemon.create(&json!({ "Cmd": ["cat", "/dev/shm/file"], "HostConfig":
        { "NetworkMode": by_name, "IpcMode": by_name, "PidMode": by_name } }));
    let seen = daemon.inspect(&joined)["HostConfig"].clone();
    for mode in ["NetworkMode", "IpcMode", "PidMode"] {
        assert_eq!(seen[mode], format!("container:{peer}"), "{mode}");
    }
    daemon.http().post(&format!("/containers/{peer}/rename?name={name}-renamed")).expect(204);
    daemon.start_container(&joined);
    assert_eq!(daemon.wait(&joined), 0);
    daemon.remove(&joined);
}

#[test]
fn processes_of_another_container_are_seen_and_end_with_it() {
    let daemon = Daemon::start();
    let first = daemon.sleeper();
    let joined = daemon.launch(&json!({ "Cmd": ["sleep", "2000"],
        "HostConfig": { "PidMode": format!("container:{first}") } }));
    let (_, seen) = daemon.exec(&first, &["ps", "-o", "args"]);
    assert!(seen.stdout.contains("sleep 1000") && seen.stdout.contains("sleep 2000"), "{seen:?}");
    let (_, name) = daemon.exec(&joined, &["cat", "/proc/1/cmdline"]);
    assert_eq!(name.stdout, "sleep\u{0}1000\u{0}");
    daemon.http().post(&format!("/containers/{first}/kill")).expect(204);
    assert_eq!(daemon.wait(&joined), 137);
    let joins = |id: &str| host(&json!({ "PidMode": format!("container:{id}") }));
    refused(&daemon, &joins(&first), &format!("container {first} is not running"));
    refused(&daemon, &joins("nosuch"), "No such container: nosuch");
    refused(&daemon, &host(&json!({ "PidMode": "bad" })), "invalid PID mode: bad");
}

#[test]
fn the_host_s_name_is_seen_when_asked() {
    let daemon = Daemon::start();
    let body = host(&json!({ "UTSMode": "host" }));
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a name");
    assert_eq!(daemon.sh(&body, "hostname"), name);
    let mut named = body;
    named["Hostname"] = json!("x");
    refused(&daemon, &named, "conflicting options: hostname and the UTS mode");
    refused(&daemon, &host(&json!({ "UTSMode": "bad" })), "invalid UTS mode: bad");
}

#[test]
fn control_groups_have_a_namespace_when_asked() {
    let daemon = Daemon::start();
    let link = "readlink /proc/self/ns/cgroup";
    let hosts = daemon.sh(&host(&json!({ "CgroupnsMode": "host" })), link);
    assert_eq!(hosts.trim(), own("cgroup"));
    let look = format!("{link}; cut -d: -f3 /proc/self/cgroup | sort -u");
    let private = daemon.sh(&host(&json!({ "CgroupnsMode": "private" })), &look);
    assert!(private.starts_with("cgroup:[") && !private.contains(&own("cgroup")), "{private}");
    assert!(private.ends_with("]\n/\n"), "{private}");
    let bad = host(&json!({ "CgroupnsMode": "bad" }));
    refused(&daemon, &bad, "invalid cgroup namespace mode: bad");
}
