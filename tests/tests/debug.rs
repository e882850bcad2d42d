//! `jocker debug`: the archive for the report of a bug.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use harness::daemon::Options;
use harness::{Daemon, IMAGE};
use serde_json::{Value, json};

const SECRET: &str = "hunter2";

/// The pages of an archive by their names.
fn pages(archive: &Path, into: &Path) -> BTreeMap<String, String> {
    let status = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(into).status();
    assert!(status.expect("tar").success());
    let root = into.join("jocker-debug");
    let mut pages = BTreeMap::new();
    let mut open = vec![root.clone()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).expect("a directory").flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).expect("below it").to_string_lossy().into_owned();
            pages.insert(name, fs::read_to_string(path).expect("a text"));
        }
    }
    pages
}

fn launch(daemon: &Daemon) -> String {
    daemon.launch(&json!({
        "Image": IMAGE,
        "Cmd": ["sleep", "1000"],
        "Env": [format!("KEY={SECRET}")],
        "Labels": {"api.token": SECRET},
        "HostConfig": {"NetworkMode": "none"},
    }))
}

#[test]
fn gathers_what_a_report_needs_without_secrets() {
    let options = Options::new().config(json!({"labels": [format!("password={SECRET}")]}));
    let Some(daemon) = options.start() else { return };
    let id = launch(&daemon);
    let directory = tempfile::tempdir().expect("a directory");
    let archive = directory.path().join("report.tar.gz");
    let name = archive.to_string_lossy();
    assert_eq!(daemon.jocker(&["debug", "--output", &name]).ok(), name);
    let mode = fs::metadata(&archive).expect("the archive").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let pages = pages(&archive, directory.path());
    let readme = &pages["README.txt"];
    for (page, text) in &pages {
        assert!(!text.contains(SECRET), "{page}: {text}");
        assert!(page == "README.txt" || readme.contains(&format!("  {page} ")), "{page}: {readme}");
    }
    let json = |page: &str| -> Value { serde_json::from_str(&pages[page]).expect("JSON") };
    let container = json(&format!("containers/{}.json", &id[..12]));
    assert_eq!(container["State"]["Running"], true);
    assert_eq!(container["Config"]["Labels"]["api.token"], "<removed>");
    assert!(container["Config"]["Env"].to_string().contains("KEY=<removed>"));
    assert_eq!(json("daemon/info.json")["ContainersRunning"], 1);
    assert_eq!(json("daemon/info.json")["Labels"][0], "password=<removed>");
    assert!(json("containers.json")[0]["Id"] == id.as_str());
    let has = |page: &str, text: &str| {
        assert!(pages[page].contains(text), "{text} in {page}: {}", pages[page]);
    };
    has("daemon/events.jsonl", "\"Action\":\"start\"");
    has("daemon/processes.txt", &format!("{}  ", daemon.pid()));
    has("daemon/version.json", "ApiVersion");
    has("host/kernel.txt", "Linux version");
    has("host/settings.txt", "net/ipv4/ip_forward = ");
    has("host/space.txt", &daemon.data_root().to_string_lossy());

    let again = daemon.jocker(&["debug", "--output", &name]);
    assert_eq!(again.code, 1, "what is there is not written over: {again:?}");
    daemon.remove(&id);
}

#[test]
fn says_what_it_could_not_get() {
    let Some(mut daemon) = Daemon::ours() else { return };
    daemon.kill9();
    let directory = tempfile::tempdir().expect("a directory");
    let archive = directory.path().join("report.tar.gz");
    daemon.jocker(&["debug", "-o", &archive.to_string_lossy()]).ok();
    let pages = pages(&archive, directory.path());
    assert!(pages.contains_key("host/memory.txt"));
    assert!(!pages.contains_key("daemon/info.json"));
    let (_, missing) = pages["README.txt"].split_once("Not there, and why:").expect("a list");
    assert!(missing.contains("  daemon/info.json "), "{missing}");
}
