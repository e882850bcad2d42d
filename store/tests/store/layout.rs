//! The root as an OCI image layout, read in place by other programs.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::fixture::{DOCKER, Ground, OCI, Sample, assert_whole, mode};

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program} must be installed: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {text}{errors}");
    text
}

#[test]
fn skopeo_reads_it_in_place() {
    let ground = Ground::new();
    let root = ground.store.root().to_str().expect("utf-8").to_owned();
    Sample::new(OCI, &["one", "two"]).pull(&ground.store, "busybox");
    Sample::new(DOCKER, &["three"]).pull(&ground.store, "localhost:5000/team/app:v1");
    for (name, layers) in
        [("docker.io/library/busybox:latest", 2), ("localhost:5000/team/app:v1", 1)]
    {
        let source = format!("oci:{root}:{name}");
        let text = run("skopeo", &["inspect", &source]);
        let inspected: Value = serde_json::from_str(&text).expect("json");
        assert_eq!(inspected["Layers"].as_array().expect("layers").len(), layers);
        assert_eq!(inspected["Architecture"], "amd64");
        let config = run("skopeo", &["inspect", "--config", &source]);
        assert!(config.contains("Healthcheck") || config.contains("\"Cmd\""), "{config}");
        let target = format!("dir:{}", ground.beside(&format!("copy-{layers}")));
        run("skopeo", &["--insecure-policy", "copy", &source, &target]);
    }
    assert_whole(&ground.store);
}

#[test]
fn umoci_unpacks_from_it_in_place() {
    let ground = Ground::new();
    let root = ground.store.root().to_str().expect("utf-8").to_owned();
    Sample::new(DOCKER, &["one", "two"]).pull(&ground.store, "busybox");
    let image = format!("{root}:docker.io/library/busybox:latest");
    assert!(run("umoci", &["ls", "--layout", &root]).contains("busybox:latest"));
    run("umoci", &["stat", "--image", &image]);
    let bundle = ground.beside("bundle");
    run("umoci", &["unpack", "--image", &image, &bundle]);
    let read =
        |name: &str| fs::read_to_string(format!("{bundle}/rootfs/etc/{name}")).expect("read");
    assert_eq!((read("file-0"), read("file-1")), ("one".to_owned(), "two".to_owned()));
    let ground = ground.reopen();
    assert_whole(&ground.store);
}

#[test]
fn the_index_follows_the_names_and_is_made_anew() {
    let ground = Ground::new();
    let sample = Sample::new(OCI, &["one"]);
    let id = sample.pull(&ground.store, "busybox");
    let path = ground.store.root().join("index.json");
    let read = || fs::read_to_string(&path).expect("index.json");
    assert!(read().contains("docker.io/library/busybox:latest"));
    assert!(read().contains(&format!("busybox@{}", sample.manifest_digest())));
    fs::write(&path, "{}").expect("damage");
    let ground = ground.reopen();
    assert!(read().contains("docker.io/library/busybox:latest"));
    ground.store.images().remove(&id).expect("remove");
    assert!(!read().contains("busybox"));
}

#[test]
fn the_root_is_private() {
    let ground = Ground::new();
    let root = ground.store.root();
    assert_eq!(mode(root), 0o711);
    for name in ["blobs", "containers", "ingest", "layers", "trash"] {
        assert_eq!(mode(&root.join(name)), 0o700, "{name}");
    }
    for name in ["jocker.db", "lock"] {
        assert_eq!(mode(&root.join(name)), 0o600, "{name}");
    }
}

#[test]
fn a_second_daemon_is_refused() {
    let ground = Ground::new();
    let error = store::Store::open(ground.store.root()).expect_err("locked");
    assert!(error.to_string().contains("in use by another daemon"), "{error}");
}
