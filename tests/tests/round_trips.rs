//! Images and credentials on their whole way: made here, taken apart by other people's programs, compared
//! file by file; names, platforms and logins by the stock CLI.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::process::Command;

use harness::debian_registry::{DebianRegistry, skopeo};
use harness::image::{Compression, Files, Flavour, Image};
use harness::registry::{Guard, Registry};
use harness::{Daemon, docker, escaped, name, packages};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Kind, mode, owner, time, and content or target.
#[derive(Debug, PartialEq, Eq)]
struct Node {
    kind: char,
    mode: u32,
    owner: (u64, u64),
    /// Seconds; nothing for directories, whose time is that of their last entry.
    time: Option<i64>,
    content: Vec<u8>,
}

type Tree = BTreeMap<Vec<u8>, Node>;

/// What an archive of a root holds; hard links as what they lead to.
fn of_tar(tar: &[u8]) -> Tree {
    let mut tree = Tree::new();
    for entry in tar::Archive::new(tar).entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let header = entry.header().clone();
        let path = entry.path_bytes().strip_suffix(b"/").unwrap_or(&entry.path_bytes()).to_vec();
        let target = entry.link_name_bytes().map(|target| target.to_vec());
        let kind = char::from(header.entry_type().as_byte());
        if kind == '1' {
            let first = &tree[target.as_deref().expect("a target")];
            let (kind, content) = (first.kind, first.content.clone());
            let (mode, owner, time) = (first.mode, first.owner, first.time);
            tree.insert(path, Node { kind, mode, owner, time, content });
            continue;
        }
        let mut content = target.unwrap_or_default();
        entry.read_to_end(&mut content).expect("content");
        let time = i64::try_from(header.mtime().expect("a time")).expect("a time");
        let node = Node {
            kind,
            mode: if kind == '2' { 0 } else { header.mode().expect("a mode") & 0o7777 },
            owner: (header.uid().expect("a user"), header.gid().expect("a group")),
            time: (kind != '5').then_some(time),
            content,
        };
        tree.insert(path, node);
    }
    tree
}

fn of_directory(root: &Path) -> Tree {
    let (mut tree, mut waiting) = (Tree::new(), vec![root.to_owned()]);
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).expect("readdir").flatten() {
            let path = entry.path();
            let stat = fs::symlink_metadata(&path).expect("stat");
            let kind = match stat.file_type() {
                kind if kind.is_dir() => '5',
                kind if kind.is_symlink() => '2',
                kind if kind.is_fifo() => '6',
                kind if kind.is_char_device() => '3',
                kind if kind.is_block_device() => '4',
                _ => '0',
            };
            let content = match kind {
                '0' => fs::read(&path).expect("content"),
                '2' => fs::read_link(&path).expect("target").into_os_string().as_bytes().to_vec(),
                _ => Vec::new(),
            };
            let node = Node {
                kind,
                mode: if kind == '2' { 0 } else { stat.mode() & 0o7777 },
                owner: (stat.uid().into(), stat.gid().into()),
                time: (kind != '5').then_some(stat.mtime()),
                content,
            };
            let name = path.strip_prefix(root).expect("below").as_os_str().as_bytes().to_vec();
            tree.insert(name, node);
            if kind == '5' {
                waiting.push(path);
            }
        }
    }
    tree
}

/// What engines mount on, and make for that: it need not be in the image.
const ENGINE: [&str; 9] = [
    ".dockerenv",
    "dev/console",
    "dev/pts",
    "dev/shm",
    "dev/mqueue",
    "etc/hostname",
    "etc/hosts",
    "etc/mtab",
    "etc/resolv.conf",
];

#[track_caller]
fn same(one: &Tree, other: &Tree) {
    let is_engine_s =
        |path: &&Vec<u8>| ENGINE.iter().any(|name| name.as_bytes() == path.as_slice());
    let shown = |path: &Vec<u8>| String::from_utf8_lossy(path).into_owned();
    for (path, node) in one.iter().filter(|(path, _)| !is_engine_s(path)) {
        assert_eq!(Some(node), other.get(path), "{}", shown(path));
    }
    let more = other.keys().filter(|path| !one.contains_key(*path) && !is_engine_s(path));
    let more: Vec<String> = more.map(shown).collect();
    assert_eq!(more, [""; 0]);
}

const ZOO: &str = "cd /; mkdir -p zoo/sub; echo file >zoo/file; chmod 4751 zoo/file; chown 5:3000000 zoo/file; \
    ln zoo/file zoo/sub/hard; ln -s ../file zoo/sub/soft; mkfifo zoo/fifo; mknod zoo/null c 1 3; \
    L=$(printf 'n%.0s' $(seq 150)); mkdir -p zoo/$L/$L; echo long >zoo/$L/$L/$L; \
    ln -s $L$L zoo/far; chmod 1777 zoo/sub; echo old >zoo/past; touch -d '1999-12-31 23:59:58' zoo/past; \
    rm etc/group bin/md5sum; rm -r usr; mkdir usr; echo in >usr/new; rm -r home; echo home >home; \
    printf x >zoo/$(printf '\\377\\376')";

#[test]
fn other_programs_unpack_what_is_committed() {
    let daemon = Daemon::start();
    let mark = name();
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", ZOO] }));
    assert_eq!(daemon.wait(&id), 0, "{:?}", daemon.logs(&id));
    let exported = daemon.http().get(&format!("/containers/{id}/export")).expect(200).body;
    let exported = of_tar(&exported);
    assert_eq!(exported[&b"zoo/file"[..]].owner, (5, 3_000_000));
    daemon.http().post(&format!("/commit?container={id}&repo={mark}")).expect(201);
    let saved = daemon.http().get(&format!("/images/{mark}/get")).expect(200).body;
    let dir = TempDir::new().expect("directory");
    let at = |name: &str| dir.path().join(name).display().to_string();
    fs::write(at("saved.tar"), &saved).expect("write");
    let (archive, layout) = (format!("docker-archive:{}", at("saved.tar")), at("layout"));
    skopeo(&["copy", &archive, &format!("oci:{layout}:x")]).ok();
    let mut umoci = Command::new(packages::program("umoci", "umoci"));
    umoci.args(["raw", "unpack", "--image", &format!("{layout}:x"), &at("root")]);
    docker::finish(umoci, b"").ok();
    same(&exported, &of_directory(Path::new(&at("root"))));
    // And a container of the image has the same files again.
    let again = daemon.create(&json!({ "Image": mark, "Cmd": ["true"] }));
    let seen = daemon.http().get(&format!("/containers/{again}/export")).expect(200).body;
    same(&exported, &of_tar(&seen));
    for id in [&id, &again] {
        daemon.remove(id);
    }
    daemon.http().delete(&format!("/images/{mark}")).expect(200);
}

/// buildah with a storage of its own.
fn buildah(ground: &Path, args: &[&str]) -> String {
    let at = |name: &str| ground.join(name).display().to_string();
    let policy = at("policy.json");
    fs::write(&policy, r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).expect("write");
    let mut command = Command::new(packages::program("buildah", "buildah"));
    command.args(["--storage-driver", "vfs", "--root", &at("storage"), "--runroot", &at("run")]);
    command.arg(args[0]);
    if matches!(args[0], "from" | "commit") {
        command.args(["--signature-policy", &policy]);
    }
    command.args(&args[1..]);
    docker::finish(command, b"").ok()
}

#[test]
fn buildah_takes_what_is_saved_and_gives_what_is_loaded() {
    let daemon = Daemon::start();
    let mark = name();
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", ZOO] }));
    assert_eq!(daemon.wait(&id), 0, "{:?}", daemon.logs(&id));
    let exported = daemon.http().get(&format!("/containers/{id}/export")).expect(200).body;
    daemon.http().post(&format!("/commit?container={id}&repo={mark}")).expect(201);
    let saved = daemon.http().get(&format!("/images/{mark}/get")).expect(200).body;
    let dir = TempDir::new().expect("directory");
    let at = |name: &str| dir.path().join(name).display().to_string();
    fs::write(at("saved.tar"), &saved).expect("write");
    let from = ["from", "--pull=never", &format!("docker-archive:{}", at("saved.tar"))];
    let container = buildah(dir.path(), &from);
    let container = container.lines().last().expect("a name");
    let root = buildah(dir.path(), &["mount", container]);
    same(&of_tar(&exported), &of_directory(Path::new(&root)));
    fs::write(Path::new(&root).join("zoo/by-buildah"), &mark).expect("write");
    fs::remove_file(Path::new(&root).join("zoo/past")).expect("unlink");
    // dockerd 26.1 loads archives with Docker's list alone.
    let forms = if daemon.is_reference() { 1 } else { 2 };
    for (form, name) in
        [("docker-archive", format!("{mark}-docker:1")), ("oci-archive", format!("{mark}-oci"))]
            .into_iter()
            .take(forms)
    {
        let place = format!("{form}:{}:{name}", at(form));
        buildah(dir.path(), &["commit", "--quiet", container, &place]);
        let kind = [("Content-Type", "application/x-tar")];
        let archive = fs::read(at(form)).expect("read");
        let answer =
            daemon.http().send("POST", "/images/load?quiet=1", &kind, &archive).expect(200);
        let said = answer.json_lines()[0]["stream"].as_str().expect("a line").trim().to_owned();
        let (_, loaded) = said.split_once(": ").expect("a name");
        let made = daemon.create(&json!({ "Image": loaded, "Cmd": ["true"] }));
        let seen = daemon.http().get(&format!("/containers/{made}/export")).expect(200).body;
        same(&of_directory(Path::new(&root)), &of_tar(&seen));
        daemon.remove(&made);
        daemon.http().delete(&format!("/images/{loaded}?force=1")).expect(200);
    }
    buildah(dir.path(), &["rm", "--all"]);
    let _ = Command::new("umount").arg(at("storage/vfs")).output();
    daemon.remove(&id);
    daemon.http().delete(&format!("/images/{mark}")).expect(200);
}

#[test]
fn all_tags_come_and_quietly() {
    let daemon = Daemon::start();
    let registry = DebianRegistry::start();
    let mark = name();
    let layer = || Files::new().file("mark", 0o644, mark.as_bytes()).layer(Compression::Gzip);
    let image = Image::new(Flavour::Oci, vec![layer()], &json!({ "Cmd": ["true"] }));
    for tag in ["one", "two"] {
        registry.push(&mark, tag, &image);
    }
    let repository = format!("{}/{mark}", registry.host());
    let said = daemon.docker(&["pull", "-a", &repository]).ok();
    assert!(said.contains("one: Pulling from") && said.contains("two: Pulling from"), "{said}");
    assert_eq!(said.matches("Status: ").count(), 1, "{said}");
    let images = daemon.docker(&["images", "--digests", &repository]).ok();
    assert_eq!(images.lines().count(), 3, "{images}");
    let digest = said.lines().find_map(|line| line.strip_prefix("Digest: ")).expect("a digest");
    assert!(images.contains(digest), "{images}");
    let tagged = format!("{mark}:by-digest");
    daemon.docker(&["tag", &format!("{repository}@{digest}"), &tagged]).ok();
    let names = [format!("{repository}:one"), format!("{repository}:two"), tagged];
    daemon.docker(&[&["rmi"], &names.each_ref().map(String::as_str)[..]].concat()).ok();
    let one = &names[0];
    assert_eq!(daemon.docker(&["pull", "-q", "--platform", "linux/amd64", one]).ok(), *one);
    daemon.docker(&["rmi", one]).ok();
    let inspected = daemon.docker(&["manifest", "inspect", "--insecure", one]).ok();
    let manifest: Value = serde_json::from_str(&inspected).expect("JSON");
    assert_eq!(manifest["config"]["digest"], image.id());
}

#[test]
fn who_logs_in_pulls_until_the_logout() {
    let daemon = Daemon::start();
    let registry = Registry::guarded(Guard::Basic("me:secret".into()));
    let mark = name();
    let layer = Files::new().file("mark", 0o644, mark.as_bytes()).layer(Compression::Gzip);
    let image = Image::new(Flavour::Oci, vec![layer], &json!({ "Cmd": ["true"] }));
    let reference = registry.push(&mark, "v1", &image);
    let config = TempDir::new().expect("directory");
    let config = config.path().display().to_string();
    let host = registry.host();
    let docker = |args: &[&str]| daemon.docker(&[&["--config", &config], args].concat());
    docker(&["pull", &reference]).fails(1);
    let wrong = docker(&["login", "-u", "me", "-p", "wrong", &host]).fails(1);
    assert!(wrong.contains("unauthorized") || wrong.contains("401"), "{wrong}");
    let said = docker(&["login", "-u", "me", "-p", "secret", &host]).ok();
    assert!(said.contains("Login Succeeded"), "{said}");
    docker(&["pull", &reference]).ok();
    docker(&["rmi", &reference]).ok();
    docker(&["logout", &host]).ok();
    docker(&["pull", &reference]).fails(1);
}

#[test]
fn filters_choose_images() {
    let daemon = Daemon::start();
    let mark = name();
    let made = |tag: &str, label: &str| {
        let tar = Files::new().file("f", 0o644, tag.as_bytes()).finish();
        let change = format!("LABEL {label}").replace(' ', "+").replace('=', "%3D");
        let path = format!("/images/create?fromSrc=-&repo={mark}&tag={tag}&changes={change}");
        let kind = [("Content-Type", "text/plain")];
        let answer = daemon.http().send("POST", &path, &kind, &tar).expect(200);
        // Times are compared: the next one is later.
        std::thread::sleep(std::time::Duration::from_millis(20));
        answer.json_lines().pop().expect("lines")["status"].as_str().expect("an id").to_owned()
    };
    let ids = [made("a", "k=1"), made("b", "k=2"), made("c", "other=1")];
    let chosen = |filters: &[(&str, &str)]| -> Vec<usize> {
        let mut map = serde_json::Map::new();
        for (key, value) in filters {
            let list = map.entry(*key).or_insert_with(|| json!([]));
            list.as_array_mut().expect("a list").push(json!(value));
        }
        let text = Value::Object(map).to_string();
        let escaped = escaped(&text);
        let list = daemon.http().get(&format!("/images/json?filters={escaped}")).expect(200).json();
        let found: Vec<Value> =
            list.as_array().expect("a list").iter().map(|image| image["Id"].clone()).collect();
        (0..ids.len()).filter(|at| found.contains(&json!(ids[*at]))).collect()
    };
    let [a, b] = ["a", "b"].map(|tag| format!("{mark}:{tag}"));
    assert_eq!(chosen(&[("reference", &format!("{mark}:*"))]), [0, 1, 2]);
    assert_eq!(chosen(&[("reference", &a), ("reference", &b)]), [0, 1]);
    assert_eq!(chosen(&[("before", &b)]), [0]);
    assert_eq!(chosen(&[("since", &a)]), [1, 2]);
    assert_eq!(chosen(&[("label", "k")]), [0, 1]);
    assert_eq!(chosen(&[("label", "k=2")]), [1]);
    assert_eq!(chosen(&[("label", "k"), ("label", "other")]), [0; 0]);
    assert_eq!(chosen(&[("dangling", "true")]), [0; 0]);
    daemon.http().delete(&format!("/images/{a}?force=1&noprune=1")).expect(200);
    assert_eq!(chosen(&[("reference", &a)]), [0; 0]);
    let missing = daemon.http().get("/images/json?filters=%7B%22before%22%3A%5B%22nosuch%22%5D%7D");
    missing.expect(404);
    for tag in ["b", "c"] {
        daemon.http().delete(&format!("/images/{mark}:{tag}")).expect(200);
    }
}
