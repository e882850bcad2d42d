//! Volumes with a file system of their own (`type`, `device`, `o`): mounted while a container runs that has them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use harness::daemon::Options;
use harness::{Daemon, eventually, name};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(20);

/// A volume with options; removed by [`Self::remove`].
struct Volume {
    name: String,
    mountpoint: String,
}

impl Volume {
    #[track_caller]
    fn new(daemon: &Daemon, options: &Value) -> Self {
        let name = name();
        let body = json!({ "Name": name, "DriverOpts": options });
        let made = daemon.http().post_json("/volumes/create", &body).expect(201).json();
        let mountpoint = made["Mountpoint"].as_str().expect("a path").to_owned();
        Self { name, mountpoint }
    }

    fn memory(daemon: &Daemon) -> Self {
        Self::new(daemon, &json!({ "type": "tmpfs", "device": "tmpfs", "o": "size=1m,mode=0700" }))
    }

    fn on(&self, rest: &str) -> Value {
        json!({ "HostConfig": { "Binds": [format!("{}:{rest}", self.name)] } })
    }

    /// A container that sleeps and has it at `/v`.
    #[track_caller]
    fn sleeper(&self, daemon: &Daemon) -> String {
        let mut body = self.on("/v");
        body["Cmd"] = json!(["sleep", "1000"]);
        daemon.launch(&body)
    }

    /// Whether its directory on the host is a mount.
    fn is_mounted(&self) -> bool {
        let mounts = fs::read_to_string("/proc/self/mounts").expect("the mounts");
        mounts.lines().any(|line| line.split(' ').nth(1) == Some(&self.mountpoint))
    }

    #[track_caller]
    fn remove(&self, daemon: &Daemon) {
        daemon.http().delete(&format!("/volumes/{}", self.name)).expect(204);
        let gone = !Path::new(&self.mountpoint).exists() || daemon.is_reference();
        assert!(gone && !self.is_mounted());
    }
}

/// A disk with an empty ext4: a loop device.
struct Disk {
    _file: tempfile::NamedTempFile,
    device: String,
}

impl Disk {
    fn new() -> Self {
        let file = tempfile::NamedTempFile::new().expect("a file");
        file.as_file().set_len(16 << 20).expect("a length");
        let path = file.path().to_str().expect("a path");
        output("mkfs.ext4", &["-q", "-F", path]);
        let device = output("losetup", &["--find", "--show", path]);
        Self { _file: file, device }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["--detach", &self.device]).status();
    }
}

#[track_caller]
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect(program);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The text of the 500 that the start of a container with this volume answers.
#[track_caller]
fn start_refused(daemon: &Daemon, volume: &Volume) -> String {
    let mut body = volume.on("/v");
    body["Cmd"] = json!(["true"]);
    let id = daemon.create(&body);
    let refused = daemon.http().post(&format!("/containers/{id}/start")).expect(500).message();
    daemon.remove(&id);
    refused
}

#[test]
fn memory_is_shared_by_those_that_run() {
    let daemon = Daemon::start();
    let volume = Volume::memory(&daemon);
    let first = volume.sleeper(&daemon);
    let script = "grep ' /v ' /proc/mounts; stat -c %a /v; echo told > /v/word";
    let (_, seen) = daemon.exec(&first, &["sh", "-c", script]);
    let seen = seen.stdout;
    assert!(seen.starts_with("tmpfs /v tmpfs rw") && seen.contains("size=1024k"), "{seen}");
    assert!(seen.trim().ends_with("700"), "{seen}");
    assert_eq!(daemon.sh(&volume.on("/w"), "cat /w/word").trim(), "told");
    let reader = volume.on("/w:ro");
    assert_eq!(
        daemon.sh(&reader, "cat /w/word; echo > /w/x || echo read-only").trim(),
        "told\nread-only"
    );
    daemon.remove(&first);
    eventually("the end of the mount", PATIENCE, || (!volume.is_mounted()).then_some(()));
    assert_eq!(daemon.sh(&volume.on("/v"), "ls /v"), "");
    volume.remove(&daemon);
}

#[test]
fn a_disk_keeps_what_is_written() {
    let daemon = Daemon::start();
    let disk = Disk::new();
    let options =
        json!({ "type": "ext4", "device": disk.device, "o": "noatime,errors=remount-ro" });
    let volume = Volume::new(&daemon, &options);
    let script = "mkdir /v/a; echo kept > /v/a/file; grep ' /v ' /proc/mounts";
    let seen = daemon.sh(&volume.on("/v"), script);
    assert!(seen.starts_with(&disk.device) && seen.contains("noatime"), "{seen}");
    eventually("the end of the mount", PATIENCE, || (!volume.is_mounted()).then_some(()));
    assert_eq!(
        daemon.sh(&volume.on("/w:ro"), "cat /w/a/file; touch /w/x || echo no").trim(),
        "kept\nno"
    );

    // A part of it, and the files of a container that does not run.
    let part = json!([{ "Type": "volume", "Source": volume.name, "Target": "/part",
        "VolumeOptions": { "Subpath": "a" } }]);
    let has_parts = !daemon.is_reference();
    if has_parts {
        let body = json!({ "HostConfig": { "Mounts": part } });
        assert_eq!(daemon.sh(&body, "cat /part/file").trim(), "kept");
    }
    let mut body = volume.on("/v");
    body["Cmd"] = json!(["true"]);
    let id = daemon.create(&body);
    let directory = tempfile::tempdir().expect("a directory");
    let to = directory.path().join("file");
    daemon.docker(&["cp", &format!("{id}:/v/a/file"), to.to_str().expect("a path")]).ok();
    assert_eq!(fs::read_to_string(to).expect("the file").trim(), "kept");
    daemon.remove(&id);
    eventually("the end of the mount", PATIENCE, || (!volume.is_mounted()).then_some(()));

    // The same disk once more, but read-only as a whole.
    let options = json!({ "type": "ext4", "device": disk.device, "o": "ro" });
    let readonly = Volume::new(&daemon, &options);
    let seen = daemon.sh(&readonly.on("/v"), "cat /v/a/file; touch /v/x || echo no");
    assert_eq!(seen.trim(), "kept\nno");
    let writer = volume.sleeper(&daemon);
    let Volume { mountpoint, .. } = &readonly;
    let refused = format!(
        "error while mounting volume '{mountpoint}': failed to mount local volume: mount \
         {}:{mountpoint}, flags: 0x1: device or resource busy",
        disk.device
    );
    assert_eq!(start_refused(&daemon, &readonly), refused);
    daemon.remove(&writer);
    readonly.remove(&daemon);
    volume.remove(&daemon);
    // What a volume is removed with is not what is on its disk.
    let again = Volume::new(&daemon, &json!({ "type": "ext4", "device": disk.device }));
    assert_eq!(daemon.sh(&again.on("/v"), "cat /v/a/file").trim(), "kept");
    again.remove(&daemon);
}

#[test]
fn is_filled_from_the_image() {
    let daemon = Daemon::start();
    let disk = Disk::new();
    let volume = Volume::new(&daemon, &json!({ "type": "ext4", "device": disk.device }));
    daemon.sh(&volume.on("/v"), "rmdir /v/lost+found");
    let copied = daemon.sh(&volume.on("/etc"), "grep -c . /etc/passwd");
    assert_ne!(copied.trim(), "0");
    let seen = daemon.sh(&volume.on("/v"), "ls /v");
    assert!(seen.lines().any(|line| line == "passwd"), "{seen}");
    volume.remove(&daemon);
}

#[test]
fn what_can_not_be_mounted_is_told_at_the_start() {
    let daemon = Daemon::start();
    for (options, why) in [
        (json!({ "type": "nosuchfs", "device": "/dev/null" }), "mount /dev/null:M: no such device"),
        (
            json!({ "type": "ext4", "device": "/dev/nowhere", "o": "ro,data=ordered" }),
            "mount /dev/nowhere:M, flags: 0x1, data: data=ordered: no such file or directory",
        ),
        (
            json!({ "type": "tmpfs", "device": "tmpfs", "o": "bogus=1" }),
            "mount tmpfs:M, data: bogus=1: invalid argument",
        ),
    ] {
        let volume = Volume::new(&daemon, &options);
        let Volume { mountpoint, .. } = &volume;
        let why = why.replace(":M", &format!(":{mountpoint}"));
        assert_eq!(
            start_refused(&daemon, &volume),
            format!(
                "error while mounting volume '{mountpoint}': failed to mount local volume: {why}"
            )
        );
        assert!(!volume.is_mounted());
        volume.remove(&daemon);
    }
    let options = json!({ "type": "nfs", "device": ":/srv", "o": "addr=name.invalid,rw" });
    let volume = Volume::new(&daemon, &options);
    let refused = start_refused(&daemon, &volume);
    let told = "error resolving passed in network volume address: lookup name.invalid";
    assert!(refused.contains(told), "{refused}");
    volume.remove(&daemon);
}

#[test]
fn a_new_daemon_counts_its_users_again() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let (kept, left) = (Volume::memory(&daemon), Volume::memory(&daemon));
    let stays = kept.sleeper(&daemon);
    daemon.exec(&stays, &["sh", "-c", "echo told > /v/word"]);
    let ends = left.sleeper(&daemon);
    let pid = daemon.inspect(&ends)["State"]["Pid"].as_i64().expect("a pid");
    daemon.kill9();
    output("kill", &["-KILL", &pid.to_string()]);
    eventually("the end of a container", PATIENCE, || {
        (!PathBuf::from(format!("/proc/{pid}")).exists()).then_some(())
    });
    assert!(kept.is_mounted() && left.is_mounted());
    daemon.start_again(&Options::new());
    eventually("the end of a mount", PATIENCE, || (!left.is_mounted()).then_some(()));
    assert!(kept.is_mounted());
    assert_eq!(daemon.sh(&kept.on("/w"), "cat /w/word").trim(), "told");
    assert!(kept.is_mounted());
    for id in [stays, ends] {
        daemon.remove(&id);
    }
    eventually("the end of a mount", PATIENCE, || (!kept.is_mounted()).then_some(()));
    kept.remove(&daemon);
    left.remove(&daemon);
}
