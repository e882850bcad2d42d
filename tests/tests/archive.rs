//! Files of containers: copied out and in, compared with the image, exported.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::image::{Compression, Files, Flavour, Image};
use harness::{Answer, Daemon, IMAGE, name};
use serde_json::{Value, json};
use tar::EntryType;
use tempfile::TempDir;

/// How long a script may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Kind, mode, owner and content (or target) of each entry of a tar.
type Entries = BTreeMap<String, (char, u32, u64, String)>;

fn entries(tar: &[u8]) -> Entries {
    let mut found = Entries::new();
    for entry in tar::Archive::new(tar).entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let header = entry.header();
        let kind = char::from(header.entry_type().as_byte());
        let (mode, uid) = (header.mode().expect("a mode"), header.uid().expect("an owner"));
        let mut content = String::new();
        match entry.link_name_bytes() {
            Some(target) => content = String::from_utf8_lossy(&target).into_owned(),
            None => {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).expect("content");
                content.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        found.insert(path, (kind, mode & 0o7777, uid, content));
    }
    found
}

fn stat(daemon: &Daemon, id: &str, path: &str) -> Value {
    let answer = daemon.http().head(&format!("/containers/{id}/archive?path={path}")).expect(200);
    let header = answer.header("x-docker-container-path-stat").expect("a header");
    serde_json::from_slice(&STANDARD.decode(header).expect("base64")).expect("JSON")
}

fn get(daemon: &Daemon, id: &str, path: &str) -> Answer {
    daemon.http().get(&format!("/containers/{id}/archive?path={path}"))
}

fn put(daemon: &Daemon, id: &str, query: &str, tar: &[u8]) -> Answer {
    let kind = [("Content-Type", "application/x-tar")];
    daemon.http().send("PUT", &format!("/containers/{id}/archive?{query}"), &kind, tar)
}

const SCRIPT: &str = "mkdir /x; echo hi >/x/a; chown 5:6 /x/a; chmod 4750 /x/a; \
    ln -s /etc/passwd /x/l; ln -s nowhere /x/broken; ln -s /x /y; ln /x/a /x/b; mkfifo /x/p";

/// A container that has run the script and ended, or sleeps.
fn container(daemon: &Daemon, sleeps: bool) -> String {
    let end = if sleeps { "; echo ready; exec sleep 1000" } else { "" };
    let script = format!("{SCRIPT}{end}");
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", script], "StopSignal": "SIGKILL" }));
    if sleeps {
        harness::eventually("the script has run", LIMIT, || {
            daemon.logs(&id).stdout.contains("ready").then_some(())
        });
    } else {
        assert_eq!(daemon.wait(&id), 0);
    }
    id
}

/// Route: HEAD /containers/{id}/archive
#[test]
fn a_path_is_described_running_or_not() {
    let daemon = Daemon::start();
    for sleeps in [false, true] {
        let id = container(&daemon, sleeps);
        let seen = |path: &str| {
            let stat = stat(&daemon, &id, path);
            (
                stat["name"].as_str().expect("a name").to_owned(),
                stat["mode"].as_u64().expect("a mode"),
                stat["linkTarget"].as_str().expect("a target").to_owned(),
            )
        };
        let is = |name: &str, mode, target: &str| (name.to_owned(), mode, target.to_owned());
        assert_eq!(seen("/x"), is("x", 0x8000_01ed, ""));
        assert_eq!(seen("x/."), is(".", 0x8000_01ed, ""));
        assert_eq!(seen("/"), is("/", 0x8000_01ed, ""));
        assert_eq!(seen("/x/a"), is("a", 0x0080_01e8, ""));
        assert_eq!(seen("/x/l"), is("l", 0x0800_01ff, "/etc/passwd"));
        assert_eq!(seen("/x/broken"), is("broken", 0x0800_01ff, "/x/nowhere"));
        assert_eq!(seen("/y"), is("y", 0x0800_01ff, "/x"));
        assert_eq!(seen("/y/"), is("y", 0x8000_01ed, ""));
        assert_eq!(seen("/y/../x/p"), is("p", 0x0200_01a4, ""));
        assert_eq!(stat(&daemon, &id, "/x/a")["size"], 3);
        daemon.http().head(&format!("/containers/{id}/archive?path=/none")).expect(404);
        let missing = get(&daemon, &id, "/none").expect(404).message();
        assert_eq!(missing, format!("Could not find the file /none in container {id}"));
        get(&daemon, &id, "/x/a/b").expect(500);
        get(&daemon, &id, "/proc/1").expect(404);
        get(&daemon, &id, "").expect(400);
        get(&daemon, "nosuch", "/").expect(404);
        daemon.remove(&id);
    }
}

/// Route: GET /containers/{id}/archive
#[test]
fn files_come_out_as_they_are() {
    let daemon = Daemon::start();
    for sleeps in [false, true] {
        let id = container(&daemon, sleeps);
        let answer = get(&daemon, &id, "/x").expect(200);
        assert_eq!(answer.header("content-type"), Some("application/x-tar"));
        let all = entries(&answer.body);
        let names: Vec<&str> = all.keys().map(String::as_str).collect();
        assert_eq!(names, ["x/", "x/a", "x/b", "x/broken", "x/l", "x/p"]);
        assert_eq!(all["x/a"], ('0', 0o4750, 5, "hi\n".to_owned()));
        assert_eq!((all["x/b"].0, all["x/b"].3.as_str()), ('1', "x/a"));
        assert_eq!((all["x/l"].0, all["x/l"].3.as_str()), ('2', "/etc/passwd"));
        assert_eq!(all["x/p"].0, '6');
        let first = |path: &str| {
            let all = entries(&get(&daemon, &id, path).expect(200).body);
            all.keys().next().expect("an entry").clone()
        };
        assert_eq!(first("/x/."), "./");
        assert_eq!(first("/y/"), "y/");
        assert_eq!(first("/y/a"), "a");
        let link = entries(&get(&daemon, &id, "/y").expect(200).body);
        assert_eq!((link["y"].0, link["y"].3.as_str()), ('2', "/x"));
        let proc = entries(&get(&daemon, &id, "/proc").body);
        assert!(proc.len() <= 1, "{proc:?}");
        daemon.remove(&id);
    }
}

/// Route: PUT /containers/{id}/archive
#[test]
fn files_come_in_and_replace_files() {
    let daemon = Daemon::start();
    for sleeps in [false, true] {
        let id = container(&daemon, sleeps);
        let tar = || Files::new().dir("d", 0o710).file("d/f", 0o640, b"new").file("a", 0o600, b"x");
        put(&daemon, &id, "path=/y", &tar().finish()).expect(200);
        let all = entries(&get(&daemon, &id, "/x").expect(200).body);
        assert_eq!((all["x/d/"].1, all["x/d/f"].1), (0o710, 0o640));
        assert_eq!(all["x/a"], ('0', 0o600, 0, "x".to_owned()));
        let zipped = zstd::encode_all(&tar().finish()[..], 1).expect("zstd");
        put(&daemon, &id, "path=/tmp", &zipped).expect(200);
        // A link in the archive leads through the container's root, not the host's.
        let tricks = Files::new().link("link", "/etc").file("link/inside", 0o644, b"in");
        put(&daemon, &id, "path=/", &tricks.finish()).expect(200);
        assert_eq!(entries(&get(&daemon, &id, "/etc/inside").expect(200).body)["inside"].3, "in");
        assert!(!fs::exists("/etc/inside").expect("stat"));
        // What would be a whiteout in a layer is a file here.
        let plain = Files::new().file(".wh.passwd", 0o644, b"plain").finish();
        put(&daemon, &id, "path=/x", &plain).expect(200);
        assert_eq!(entries(&get(&daemon, &id, "/x/.wh.passwd").expect(200).body).len(), 1);
        let over = |keep: u8, tar: Files| {
            put(&daemon, &id, &format!("path=/x&noOverwriteDirNonDir={keep}"), &tar.finish())
        };
        over(1, Files::new().file("d", 0o644, b"no directory")).expect(500);
        over(1, Files::new().dir("a", 0o755)).expect(500);
        over(0, Files::new().file("d", 0o644, b"no directory")).expect(200);
        let text = |query: &str, status| {
            put(&daemon, &id, query, &tar().finish()).expect(status).message()
        };
        assert_eq!(text("path=/x/a", 500), "extraction point is not a directory");
        assert!(text("path=/none", 404).starts_with("Could not find the file /none"));
        put(&daemon, &id, "path=/x", b"junk").expect(500);
        daemon.remove(&id);
    }
}

#[test]
fn read_only_places_are_kept() {
    let daemon = Daemon::start();
    let host = TempDir::new().expect("directory");
    let volume = name();
    let binds = json!([format!("{}:/ro:ro", host.path().display()), format!("{volume}:/vol")]);
    let tar = Files::new().file("f", 0o644, b"x").finish();
    for readonly in [false, true] {
        let body = json!({
            "Cmd": ["sleep", "1000"],
            "HostConfig": { "Binds": binds, "ReadonlyRootfs": readonly },
        });
        let id = daemon.create(&body);
        for runs in [false, true] {
            if runs {
                daemon.start_container(&id);
            }
            let refused = put(&daemon, &id, "path=/ro", &tar).expect(500).message();
            assert_eq!(refused, "mounted volume is marked read-only");
            put(&daemon, &id, "path=/vol", &tar).expect(200);
            let root = put(&daemon, &id, "path=/tmp", &tar);
            if readonly {
                assert_eq!(root.expect(500).message(), "container rootfs is marked read-only");
            } else {
                root.expect(200);
            }
        }
        daemon.remove(&id);
    }
    assert!(fs::read_dir(host.path()).expect("readdir").next().is_none());
    let seen =
        daemon.sh(&json!({ "HostConfig": { "Binds": [format!("{volume}:/v")] } }), "cat /v/f");
    assert_eq!(seen, "x");
    daemon.http().delete(&format!("/volumes/{volume}")).expect(204);
}

#[test]
fn the_owner_may_be_the_container_s_user() {
    let Some(daemon) = Daemon::ours() else { return };
    let id = daemon.create(&json!({ "User": "app", "Cmd": ["true"] }));
    let tar = Files::new().file("f", 0o644, b"x").finish();
    put(&daemon, &id, "path=/tmp&copyUIDGID=1", &tar).expect(200);
    assert_eq!(entries(&get(&daemon, &id, "/tmp/f").expect(200).body)["f"].2, 1000);
    put(&daemon, &id, "path=/tmp", &tar).expect(200);
    assert_eq!(entries(&get(&daemon, &id, "/tmp/f").expect(200).body)["f"].2, 0);
}

#[test]
fn memory_of_a_running_container_is_seen() {
    let Some(daemon) = Daemon::ours() else { return };
    let id = daemon.launch(&json!({
        "Cmd": ["sh", "-c", "echo in >/t/f; exec sleep 1000"],
        "HostConfig": { "Tmpfs": { "/t": "" } },
    }));
    harness::eventually("the file is there", LIMIT, || {
        (get(&daemon, &id, "/t/f").status == 200).then_some(())
    });
    put(&daemon, &id, "path=/t", &Files::new().file("g", 0o644, b"x").finish()).expect(200);
    let (code, _) = daemon.exec(&id, &["cat", "/t/g"]);
    assert_eq!(code, 0);
}

/// A container that exchanges a directory and a link to the host's `/` never leads out.
#[test]
fn exchanged_links_never_lead_out() {
    let Some(daemon) = Daemon::ours() else { return };
    let host = TempDir::new().expect("directory");
    let secret = host.path().join("secret");
    fs::write(&secret, "host").expect("write");
    let target = host.path().display().to_string();
    let script = format!(
        "mkdir -p /dir {target}; echo inside >/dir/secret; echo inside >{target}/secret; \
         while :; do mv /dir /real; ln -s {target} /dir; rm /dir; mv /real /dir; done"
    );
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", script], "StopSignal": "SIGKILL" }));
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..200 {
                let path = format!("/containers/{id}/archive?path=/dir/secret");
                // What is exchanged while it is read is cut off.
                let answer = daemon.http().open("GET", &path, &[], b"").try_finish();
                if let Some(answer) = answer.ok().filter(|answer| answer.status == 200) {
                    assert_ne!(entries(&answer.body)["secret"].3, "host");
                }
            }
        });
        scope.spawn(|| {
            for _ in 0..200 {
                let tar = Files::new().file("brought", 0o644, b"inside").finish();
                put(&daemon, &id, "path=/dir", &tar);
            }
        });
    });
    assert!(!host.path().join("brought").exists());
    assert_eq!(fs::read_to_string(&secret).expect("read"), "host");
}

/// Route: GET /containers/{id}/changes
#[test]
fn changes_are_told_by_kind() {
    let daemon = Daemon::start();
    let id = daemon.create(&json!({ "Cmd": ["true"] }));
    let none = daemon.http().get(&format!("/containers/{id}/changes")).expect(200).json();
    assert_eq!(none, Value::Null);
    daemon.remove(&id);
    let script = "rm /etc/group; chmod 700 /root; mkdir -p /n/m; echo 1 >/n/m/f; rm -r /usr; \
        mkdir /usr; rm -r /home; echo >>/etc/passwd; touch /bin/new";
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", script] }));
    assert_eq!(daemon.wait(&id), 0);
    let answer = daemon.http().get(&format!("/containers/{id}/changes")).expect(200).json();
    let mut found: Vec<(String, u64)> = (answer.as_array().expect("a list").iter())
        .map(|change| {
            let path = change["Path"].as_str().expect("a path").to_owned();
            (path, change["Kind"].as_u64().expect("a kind"))
        })
        .collect();
    // What the engine itself mounts on, and which it makes, is its own business.
    found.retain(|(path, _)| !path.starts_with("/dev") && path != "/.dockerenv");
    found.retain(|(path, _)| {
        !matches!(path.as_str(), "/etc/hosts" | "/etc/hostname" | "/etc/resolv.conf" | "/etc/mtab")
    });
    found.sort();
    let wanted = [
        ("/bin", 0),
        ("/bin/new", 1),
        ("/etc", 0),
        ("/etc/group", 2),
        ("/etc/passwd", 0),
        ("/home", 2),
        ("/n", 1),
        ("/n/m", 1),
        ("/n/m/f", 1),
        ("/root", 0),
        ("/usr", 0),
        ("/usr/bin", 2),
    ];
    assert_eq!(found, wanted.map(|(path, kind)| (path.to_owned(), kind)));
    daemon.http().get("/containers/nosuch/changes").expect(404);
    let shown = daemon.docker(&["diff", &id]).ok();
    assert!(shown.contains("D /etc/group") && shown.contains("A /n/m/f"), "{shown}");
    daemon.remove(&id);
}

#[test]
fn what_is_made_to_be_mounted_on_is_no_change() {
    let daemon = Daemon::start();
    let layer = Files::new().file("alone", 0o644, b"text").layer(Compression::Plain);
    let image = Image::new(Flavour::Oci, vec![layer], &json!({}));
    let name = format!("{}:latest", name());
    let headers = [("Content-Type", "application/x-tar")];
    daemon.http().send("POST", "/images/load", &headers, &image.archive(&name)).expect(200);
    let id = daemon.create(&json!({ "Image": name, "Cmd": ["/nothing"] }));
    // Far enough for everything to be mounted.
    daemon.http().post(&format!("/containers/{id}/start")).expect(400);
    let changes = daemon.http().get(&format!("/containers/{id}/changes")).expect(200).json();
    assert_eq!(changes, Value::Null);
    daemon.remove(&id);
    daemon.http().delete(&format!("/images/{name}")).expect(200);
}

/// Route: GET /containers/{id}/export
#[test]
fn the_whole_root_is_exported_without_its_mounts() {
    let daemon = Daemon::start();
    let volume = name();
    for sleeps in [false, true] {
        let end = if sleeps { "; echo ready; exec sleep 1000" } else { "" };
        let script = format!("rm /etc/group; echo v >/vol/inside; echo new >/new{end}");
        let id = daemon.launch(&json!({
            "Cmd": ["sh", "-c", script],
            "StopSignal": "SIGKILL",
            "HostConfig": { "Binds": [format!("{volume}:/vol")] },
        }));
        if sleeps {
            harness::eventually("ready", LIMIT, || {
                daemon.logs(&id).stdout.contains("ready").then_some(())
            });
        } else {
            assert_eq!(daemon.wait(&id), 0);
        }
        let export = || daemon.http().get(&format!("/containers/{id}/export")).expect(200);
        let answer = export();
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
        let all = entries(&answer.body);
        assert_eq!(all["new"].3, "new\n");
        assert_eq!((all["bin/ls"].0, all["bin/ls"].3.as_str()), ('2', "busybox"));
        assert_eq!((all["tmp/"].0, all["tmp/"].1), ('5', 0o1777));
        assert!(all.contains_key("vol/") && !all.contains_key("vol/inside"));
        assert!(
            !all.contains_key("etc/group") && !all.keys().any(|path| path.starts_with("proc/1"))
        );
        assert_eq!(export().body, answer.body);
        daemon.remove(&id);
    }
    daemon.http().delete(&format!("/volumes/{volume}")).expect(204);
    daemon.http().get("/containers/nosuch/export").expect(404);
}

#[test]
fn the_cli_copies_both_ways() {
    let daemon = Daemon::start();
    let dir = TempDir::new().expect("directory");
    let at = |name: &str| dir.path().join(name).display().to_string();
    fs::create_dir_all(at("tree/sub")).expect("mkdir");
    fs::write(at("tree/sub/file"), "text").expect("write");
    fs::set_permissions(at("tree/sub/file"), fs::Permissions::from_mode(0o751)).expect("chmod");
    symlink("sub/file", at("tree/link")).expect("symlink");
    for sleeps in [false, true] {
        let id = container(&daemon, sleeps);
        let there = |path: &str| format!("{id}:{path}");
        let cp = |args: &[&str]| daemon.docker(&[&["cp", "-q"], args].concat());
        // To a new name, into a directory, contents alone.
        cp(&[&at("tree"), &there("/copy")]).ok();
        cp(&[&at("tree"), &there("/copy")]).ok();
        cp(&[&at("tree/."), &there("/tmp")]).ok();
        let all = entries(&get(&daemon, &id, "/copy").expect(200).body);
        assert_eq!((all["copy/sub/file"].1, all["copy/sub/file"].3.as_str()), (0o751, "text"));
        assert_eq!((all["copy/link"].0, all["copy/link"].3.as_str()), ('2', "sub/file"));
        assert!(all.contains_key("copy/tree/sub/file"));
        assert!(get(&daemon, &id, "/tmp/sub/file").status == 200);
        // Through a link, and as one.
        cp(&["-L", &at("tree/link"), &there("/tmp/followed")]).ok();
        cp(&[&at("tree/link"), &there("/tmp/kept")]).ok();
        assert_eq!(entries(&get(&daemon, &id, "/tmp/followed").body)["followed"].0, '0');
        assert_eq!(entries(&get(&daemon, &id, "/tmp/kept").body)["kept"].0, '2');
        cp(&["-a", &there("/x/a"), &at("out")]).ok();
        let out = fs::metadata(at("out")).expect("stat");
        assert_eq!((out.uid(), out.gid(), out.mode() & 0o777), (0, 0, 0o750));
        cp(&[&there("/copy/."), &at("back")]).ok();
        assert_eq!(fs::read_to_string(at("back/sub/file")).expect("read"), "text");
        assert_eq!(fs::read_link(at("back/link")).expect("readlink").to_str(), Some("sub/file"));
        cp(&["-L", &there("/x/l"), &at("passwd")]).ok();
        assert!(fs::read_to_string(at("passwd")).expect("read").contains("root:"));
        let failed = cp(&[&at("tree"), &there("/none/below")]).fails(1);
        assert!(failed.contains("Could not find the file /none"), "{failed}");
        let failed = cp(&[&there("/none"), &at("x")]).fails(1);
        assert!(failed.contains("Could not find the file /none"), "{failed}");
        let tar = Files::new().file("streamed", 0o644, b"s").finish();
        daemon.docker_with(&["cp", "-", &there("/tmp")], &tar).ok();
        assert_eq!(get(&daemon, &id, "/tmp/streamed").status, 200);
        let streamed = daemon.docker(&["cp", &there("/tmp/streamed"), "-"]).ok();
        assert!(streamed.starts_with("streamed\0"));
        fs::remove_dir_all(at("back")).expect("rm");
        daemon.remove(&id);
    }
}

#[test]
fn many_copy_at_once_and_a_start_goes_between() {
    let daemon = Daemon::start();
    let id = container(&daemon, false);
    thread::scope(|scope| {
        for each in 0..4 {
            let (daemon, id) = (&daemon, &id);
            scope.spawn(move || {
                let file = format!("f{each}");
                for round in 0..10 {
                    let content = round.to_string();
                    let tar = Files::new().file(&file, 0o644, content.as_bytes()).finish();
                    put(daemon, id, "path=/tmp", &tar).expect(200);
                    let back = get(daemon, id, &format!("/tmp/{file}")).expect(200);
                    assert_eq!(entries(&back.body)[&file].3, content);
                }
            });
        }
        for _ in 0..3 {
            daemon.start_container(&id);
            daemon.wait(&id);
        }
    });
    daemon.remove(&id);
}

#[test]
fn hostile_archives_stay_inside() {
    let daemon = Daemon::start();
    let id = daemon.create(&json!({ "Image": IMAGE, "Cmd": ["true"] }));
    let host = TempDir::new().expect("directory");
    let victim = host.path().join("victim");
    fs::write(&victim, "safe").expect("write");
    let outside = victim.display().to_string();
    for (path, kind, target) in [
        (format!("../../../..{outside}"), EntryType::Regular, ""),
        (outside.clone(), EntryType::Regular, ""),
        ("hard".to_owned(), EntryType::Link, outside.as_str()),
    ] {
        let tar = Files::new().hostile(&path, kind, target, b"changed").finish();
        put(&daemon, &id, "path=/tmp", &tar);
    }
    assert_eq!(fs::read_to_string(&victim).expect("read"), "safe");
    assert_eq!(fs::metadata(&victim).expect("stat").nlink(), 1);
    daemon.remove(&id);
}
