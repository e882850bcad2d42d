//! The bundled client on files, images, and space: what the docker CLI does, by the same words.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use harness::debian_registry::DebianRegistry;
use harness::image::Image;
use harness::{Daemon, IMAGE, name};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A container that has written some files and ended.
fn ended(daemon: &Daemon) -> String {
    let script = "mkdir -p /x/sub; echo hi >/x/sub/f; ln -s sub/f /x/l; rm /etc/group";
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", script] }));
    assert_eq!(daemon.wait(&id), 0);
    id
}

#[test]
fn files_go_both_ways() {
    let daemon = Daemon::start();
    let id = ended(&daemon);
    let dir = TempDir::new().expect("directory");
    let at = |name: &str| dir.path().join(name).display().to_string();
    let there = |path: &str| format!("{id}:{path}");
    let cp = |from: &str, to: &str| daemon.jocker(&["cp", "-q", from, to]);
    fs::create_dir_all(at("tree/sub")).expect("mkdir");
    fs::write(at("tree/sub/file"), "text").expect("write");
    fs::set_permissions(at("tree/sub/file"), fs::Permissions::from_mode(0o751)).expect("chmod");
    symlink("sub/file", at("tree/link")).expect("symlink");

    // A new name, then into what is there, then the content alone.
    for (from, to, found) in [
        (at("tree"), "/copy", "/copy/sub/file"),
        (at("tree"), "/copy", "/copy/tree/sub/file"),
        (at("tree/."), "/tmp", "/tmp/sub/file"),
        (at("tree/sub/file"), "/tmp/other", "/tmp/other"),
        (at("tree/sub/file"), "/tmp", "/tmp/file"),
        (at("tree/link"), "/tmp/kept", "/tmp/kept"),
    ] {
        cp(&from, &there(to)).ok();
        cp(&there(found), &at("back")).ok();
        match found {
            "/tmp/kept" => {
                let target = fs::read_link(at("back")).expect("a link");
                assert_eq!(target.to_str(), Some("sub/file"));
            }
            _ => {
                assert_eq!(fs::read_to_string(at("back")).expect(found), "text");
                let mode = fs::metadata(at("back")).expect("stat").permissions().mode();
                assert_eq!(mode & 0o777, 0o751, "{found}");
            }
        }
        fs::remove_file(at("back")).expect("rm");
    }
    daemon.jocker(&["cp", "-qL", &at("tree/link"), &there("/tmp/followed")]).ok();
    cp(&there("/tmp/followed"), &at("back")).ok();
    assert!(fs::symlink_metadata(at("back")).expect("stat").is_file());

    cp(&there("/x"), &at("new")).ok();
    assert_eq!(fs::read_to_string(at("new/sub/f")).expect("read"), "hi\n");
    assert_eq!(fs::read_link(at("new/l")).expect("readlink").to_str(), Some("sub/f"));
    cp(&there("/x"), &at("new")).ok();
    assert!(fs::exists(at("new/x/sub/f")).expect("stat"));
    cp(&there("/x/."), &at("content")).ok();
    assert!(fs::exists(at("content/sub/f")).expect("stat"));
    daemon.jocker(&["cp", "-qL", &there("/x/l"), &at("linked")]).ok();
    assert_eq!(fs::read_to_string(at("linked")).expect("read"), "hi\n");

    let streamed = daemon.jocker(&["cp", &there("/x/sub/f"), "-"]).ok();
    assert!(streamed.contains("hi\n"), "{streamed}");
    let told = daemon.jocker(&["cp", &there("/x/sub/f"), &at("told")]);
    assert!(told.stderr.contains("Successfully copied"), "{}", told.stderr);
    let leftovers = fs::read_dir(dir.path()).expect("readdir").flatten();
    let names: Vec<_> = leftovers.map(|entry| entry.file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().starts_with(".jocker")), "{names:?}");
    let diff = daemon.jocker(&["diff", &id]).ok();
    assert!(diff.contains("D /etc/group") && diff.contains("A /x/sub/f"), "{diff}");
    daemon.remove(&id);
}

#[test]
fn a_copy_says_why_it_can_not() {
    let daemon = Daemon::start();
    let id = ended(&daemon);
    let dir = TempDir::new().expect("directory");
    let at = |name: &str| dir.path().join(name).display().to_string();
    let there = |path: &str| format!("{id}:{path}");
    fs::create_dir_all(at("tree/sub")).expect("mkdir");
    fs::write(at("tree/sub/file"), "text").expect("write");
    for (from, to, text) in [
        (there("/none"), at("y"), "Could not find the file /none"),
        (at("tree"), there("/x/sub/f"), "cannot copy directory"),
        (at("tree/sub/file"), there("/new/"), "no such directory"),
        (at("none"), there("/tmp"), "lstat"),
        (at("a"), at("b"), "must specify at least one container source"),
        (there("/a"), there("/b"), "copying between containers is not supported"),
    ] {
        let failed = daemon.jocker(&["cp", &from, &to]).fails(1);
        assert!(failed.contains(text), "{from} {to}: {failed}");
    }
    daemon.remove(&id);
}

#[test]
fn images_are_made_saved_and_pushed() {
    let daemon = Daemon::start();
    let id = ended(&daemon);
    let mark = name();
    let dir = TempDir::new().expect("directory");
    let at = |name: &str| dir.path().join(name).display().to_string();
    daemon.jocker(&["export", "-o", &at("root.tar"), &id]).ok();
    let imported = daemon.jocker(&["import", "-c", "CMD cat /x/l", &at("root.tar"), &mark]).ok();
    assert!(imported.starts_with("sha256:"), "{imported}");
    assert_eq!(daemon.jocker(&["run", "--rm", "--network", "none", &mark]).ok(), "hi");
    daemon.jocker(&["rmi", &mark]).ok();
    let tar = fs::read(at("root.tar")).expect("read");
    daemon.jocker_with(&["import", "-m", "from stdin", "-", &mark], &tar).ok();
    let history = daemon.jocker(&["history", &mark]).ok();
    assert!(history.starts_with("IMAGE") && history.contains("from stdin"), "{history}");
    daemon.jocker(&["rmi", &mark]).ok();

    let committed = daemon.jocker(&["commit", "-m", "why", "-c", "USER app", &id, &mark]).ok();
    assert!(committed.starts_with("sha256:"), "{committed}");
    let quiet = daemon.jocker(&["history", "-q", "--no-trunc", &mark]).ok();
    assert_eq!(quiet.lines().next(), Some(committed.as_str()));
    daemon.jocker(&["save", "-o", &at("saved.tar"), &mark]).ok();
    daemon.jocker(&["rmi", &mark]).ok();
    let loaded = daemon.jocker(&["load", "-i", &at("saved.tar")]).ok();
    assert_eq!(loaded, format!("Loaded image: {mark}:latest"));
    let failed = daemon.jocker(&["save", "-o", &at("none.tar"), "nosuchimage"]).fails(1);
    assert!(failed.contains("nosuchimage"), "{failed}");
    assert!(!fs::exists(at("none.tar")).expect("stat"));
    daemon.jocker(&["rmi", &mark]).ok();
    daemon.remove(&id);

    let registry = DebianRegistry::start();
    let there = format!("{}/{mark}:v1", registry.host());
    daemon.jocker(&["tag", IMAGE, &there]).ok();
    let pushed = daemon.jocker(&["push", &there]).ok();
    assert!(pushed.contains("v1: digest: sha256:"), "{pushed}");
    daemon.jocker(&["rmi", &there]).ok();
    let pulled = daemon.jocker(&["pull", "-a", &format!("{}/{mark}", registry.host())]).ok();
    assert!(pulled.contains("v1: Pulling from") || pulled.contains("Digest: sha256:"), "{pulled}");
    let digest = pulled.lines().find_map(|line| line.strip_prefix("Digest: ")).expect("a digest");
    let shown = daemon.jocker(&["images", "--digests"]).ok();
    assert!(shown.contains(digest), "{shown}");
    let by_digest = format!("{}/{mark}@{digest}", registry.host());
    daemon.jocker(&["tag", &by_digest, &format!("{mark}:d")]).ok();
    daemon.jocker(&["rmi", &format!("{mark}:d"), &there]).ok();
    let quiet = daemon.jocker(&["pull", "-q", "--platform", "linux/amd64", &there]).ok();
    assert_eq!(quiet, there);
    daemon.jocker(&["rmi", &there]).ok();
}

#[test]
fn state_is_shown_and_changed() {
    let daemon = Daemon::start();
    let id = daemon.sleeper();
    let top = daemon.jocker(&["top", &id]).ok();
    assert!(top.starts_with("UID") && top.contains("sleep 1000"), "{top}");
    let stats = daemon.jocker(&["stats", "--no-stream", &id]).ok();
    let lines: Vec<&str> = stats.lines().collect();
    assert!(lines[0].starts_with("CONTAINER ID") && lines[0].contains("MEM USAGE / LIMIT"));
    assert!(lines[1].starts_with(&id[..12]) && lines[1].contains('%'), "{stats}");
    let shown = daemon.jocker(&["stats", "--no-stream", "--format", "{{.PIDs}}", &id]).ok();
    assert_eq!(shown, "1");
    assert_eq!(
        daemon
            .jocker(&[
                "update",
                "--memory",
                "64m",
                "--memory-swap",
                "-1",
                "--restart",
                "on-failure:3",
                &id
            ])
            .ok(),
        id
    );
    let host = daemon.inspect(&id)["HostConfig"].clone();
    assert_eq!(
        (&host["Memory"], &host["RestartPolicy"]["MaximumRetryCount"]),
        (&json!(64 << 20), &json!(3))
    );
    let failed = daemon.jocker(&["update", &id]).fails(1);
    assert!(failed.contains("one or more flags"), "{failed}");
    daemon.jocker(&["update", "--memory", "x", &id]).fails(1);
    daemon.remove(&id);
}

#[test]
fn space_is_told_and_freed() {
    let Some(daemon) = Daemon::ours() else { return };
    let volume = name();
    let labelled = ["volume", "create", "--label", "a=b", "-d", "local", &volume];
    assert_eq!(daemon.jocker(&labelled).ok(), volume);
    let ls = daemon.jocker(&["volume", "ls", "-f", "label=a"]).ok();
    assert!(ls.starts_with("DRIVER    VOLUME NAME\nlocal     jt-"), "{ls}");
    let seen = daemon.jocker(&["volume", "inspect", &volume]).ok();
    let seen: Value = serde_json::from_str(&seen).expect("JSON");
    assert_eq!(seen[0]["Labels"], json!({ "a": "b" }));
    let body = json!({
        "Cmd": ["sh", "-c", "echo 123 >/v/f; echo 12345 >/w"],
        "HostConfig": { "Binds": [format!("{volume}:/v")] },
    });
    let id = daemon.launch(&body);
    daemon.wait(&id);
    let df = daemon.jocker(&["system", "df"]).ok();
    assert!(df.starts_with("TYPE            TOTAL     ACTIVE    SIZE"), "{df}");
    assert!(df.contains("Containers      1         0"), "{df}");
    let details = daemon.jocker(&["system", "df", "-v"]).ok();
    assert!(details.contains(&volume) && details.contains("SHARED SIZE"), "{details}");
    assert_eq!(daemon.jocker_with(&["container", "prune"], b"n\n").code, 0);
    assert_eq!(daemon.list_all().len(), 1);
    let pruned = daemon.jocker_with(&["container", "prune"], b"y\n").ok();
    assert!(pruned.contains(&id) && pruned.contains("Total reclaimed space: "), "{pruned}");
    let kept = daemon.jocker(&["volume", "prune", "-f"]).ok();
    assert_eq!(kept, "Total reclaimed space: 0B");
    let pruned = daemon.jocker(&["volume", "prune", "-af"]).ok();
    assert!(pruned.contains(&volume) && pruned.contains("Total reclaimed space: 4B"), "{pruned}");
    daemon.jocker(&["volume", "rm", &volume]).fails(1);
    let id = daemon.create(&json!({ "Cmd": ["true"] }));
    let all = daemon.jocker(&["system", "prune", "-af", "--volumes"]).ok();
    assert!(all.contains(&id) && all.contains(&format!("untagged: {IMAGE}")), "{all}");
    assert_eq!(daemon.jocker(&["image", "prune", "-f"]).ok(), "Total reclaimed space: 0B");
    let archive = Image::busybox().archive(IMAGE);
    let loaded = daemon.jocker_with(&["load", "-q"], &archive).ok();
    assert_eq!(loaded, format!("Loaded image: {IMAGE}"));
}

#[test]
fn stats_go_on_until_they_are_stopped() {
    let daemon = Daemon::start();
    let id = daemon.sleeper();
    let mut terminal = daemon.jocker_on_terminal(&["stats", &id], 24, 120);
    terminal.read_until("MEM USAGE");
    terminal.read_until("MEM USAGE");
    drop(terminal);
    daemon.remove(&id);
}
