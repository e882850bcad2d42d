//! Images on their way in and out: history, prune, save, load, push, and what a registry has.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};

use harness::debian_registry::{DebianRegistry, skopeo};
use harness::image::{self, Compression, Files, Flavour, Image, PATH};
use harness::{Answer, Daemon, escaped, name};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Busybox and a layer of its own, each packed in its own way.
fn layered(mark: &str, flavour: Flavour) -> Image {
    let layers = vec![
        image::busybox_files().file("gone", 0o644, mark.as_bytes()).layer(Compression::Gzip),
        Files::new()
            .file("mark", 0o640, mark.as_bytes())
            .file(".wh.gone", 0o644, b"")
            .layer(Compression::Plain),
    ];
    Image::new(
        flavour,
        layers,
        &json!({ "Cmd": ["cat", "/mark"], "Env": [PATH], "Labels": {
        "mark": mark } }),
    )
}

fn load(daemon: &Daemon, query: &str, archive: &[u8]) -> Answer {
    let kind = [("Content-Type", "application/x-tar")];
    daemon.http().send("POST", &format!("/images/load{query}"), &kind, archive)
}

#[track_caller]
fn loaded(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let lines = answer.json_lines();
    assert!(lines.iter().all(|line| line["error"].is_null()), "{lines:?}");
    let said = lines.iter().filter_map(|line| line["stream"].as_str());
    said.map(|text| text.trim_end().to_owned()).collect()
}

#[track_caller]
fn error_of(answer: &Answer) -> String {
    let lines = answer.json_lines();
    let error = lines.iter().find_map(|line| line["errorDetail"]["message"].as_str());
    error.unwrap_or_else(|| panic!("no error in {lines:?}")).to_owned()
}

fn remove(daemon: &Daemon, name: &str) {
    daemon.http().delete(&format!("/images/{name}?force=1")).expect(200);
}

fn inspect(daemon: &Daemon, name: &str) -> Value {
    daemon.http().get(&format!("/images/{name}/json")).expect(200).json()
}

/// The files of an archive by name.
fn files(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut tar = tar::Archive::new(archive);
    for entry in tar.entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("its bytes");
        let name = entry.path().expect("its name").to_string_lossy().into_owned();
        files.insert(name, bytes);
    }
    files
}

fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *bytes).expect("tar in memory");
    }
    tar.into_inner().expect("tar in memory")
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

/// Route: GET /images/{name}/history
#[test]
fn history_tells_the_steps_newest_first() {
    let daemon = Daemon::start();
    let mark = name();
    let image = layered(&mark, Flavour::Oci);
    loaded(&load(&daemon, "", &image.archive(&format!("{mark}:v1"))));
    let steps = daemon.http().get(&format!("/images/{mark}:v1/history")).expect(200).json();
    let steps = steps.as_array().expect("a list");
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[0]["Id"], image.id());
    assert_eq!(steps[0]["Tags"], json!([format!("{mark}:v1")]));
    assert_eq!(steps[0]["Size"], mark.len());
    assert_eq!((&steps[0]["Created"], &steps[0]["Comment"]), (&json!(1_706_933_106), &json!("")));
    assert_eq!((&steps[1]["Id"], &steps[1]["Tags"]), (&json!("<missing>"), &Value::Null));
    assert_eq!(steps[1]["CreatedBy"], "test");
    let whole = steps[0]["Size"].as_u64().unwrap_or(0) + steps[1]["Size"].as_u64().unwrap_or(0);
    assert_eq!(inspect(&daemon, &mark_v1(&mark))["Size"], whole);
    let missing = daemon.http().get("/images/nosuchimage/history").expect(404);
    assert_eq!(missing.message(), "No such image: nosuchimage:latest");
    remove(&daemon, &mark_v1(&mark));
}

fn mark_v1(mark: &str) -> String {
    format!("{mark}:v1")
}

/// Route: POST /images/prune
#[test]
fn prune_removes_what_the_filters_choose() {
    let daemon = Daemon::start();
    let mark = name();
    let label = json!([format!("mark={mark}")]);
    let named = mark_v1(&mark);
    loaded(&load(&daemon, "", &layered(&mark, Flavour::Oci).archive(&named)));
    let prune = |filters: &Value| {
        let path = format!("/images/prune?filters={}", escaped(&filters.to_string()));
        daemon.http().post(&path).expect(200).json()
    };
    let nothing = json!({ "ImagesDeleted": null, "SpaceReclaimed": 0 });
    // It has a name, is newer than the limit, or has another label.
    assert_eq!(prune(&json!({ "label": label })), nothing);
    let old = json!({ "label": label, "dangling": ["false"], "until": ["2001-01-01"] });
    assert_eq!(prune(&old), nothing);
    let other = json!({ "label": [format!("mark={mark}x")], "dangling": ["false"] });
    assert_eq!(prune(&other), nothing);
    let without = json!({ "label": label, "label!": ["mark"], "dangling": ["false"] });
    assert_eq!(prune(&without), nothing);
    let pruned = prune(&json!({ "label": label, "dangling": ["false"] }));
    let deleted = pruned["ImagesDeleted"].as_array().expect("a list");
    assert_eq!(deleted[0], json!({ "Untagged": named }));
    assert!(pruned["SpaceReclaimed"].as_u64().is_some_and(|size| size > 0), "{pruned}");
    daemon.http().get(&format!("/images/{named}/json")).expect(404);
    for (filters, text) in [
        (json!({ "nosuch": ["x"] }), "invalid filter 'nosuch'"),
        (json!({ "dangling": ["x"] }), "invalid filter 'dangling=[x]'"),
    ] {
        let path = format!("/images/prune?filters={}", escaped(&filters.to_string()));
        assert_eq!(daemon.http().post(&path).expect(400).message(), text);
    }
}

#[test]
fn prune_keeps_images_of_containers() {
    let daemon = Daemon::start();
    let mark = name();
    let image = layered(&mark, Flavour::Oci);
    loaded(&load(&daemon, "", &image.archive(&mark_v1(&mark))));
    let id = daemon.create(&json!({ "Image": mark_v1(&mark) }));
    let filters = json!({ "label": [format!("mark={mark}")], "dangling": ["false"] });
    let path = format!("/images/prune?filters={}", escaped(&filters.to_string()));
    assert_eq!(daemon.http().post(&path).expect(200).json()["SpaceReclaimed"], 0);
    assert_eq!(inspect(&daemon, &image.id())["Id"], image.id());
    daemon.remove(&id);
    remove(&daemon, &image.id());
}

/// Route: GET /images/get
/// Route: GET /images/{name}/get
/// Route: POST /images/load
#[test]
fn what_is_saved_is_loaded_again() {
    let daemon = Daemon::start();
    let (first, second) = (name(), name());
    let images = [layered(&first, Flavour::Oci), layered(&second, Flavour::Docker)];
    let names = [mark_v1(&first), mark_v1(&second)];
    for (image, name) in images.iter().zip(&names) {
        assert_eq!(
            loaded(&load(&daemon, "", &image.archive(name))),
            [format!("Loaded image: {name}")]
        );
    }
    daemon.http().post(&format!("/images/{}/tag?repo={first}&tag=v2", names[0])).expect(201);
    let path = format!("/images/get?names={first}&names={}&names={}", names[1], names[0]);
    let saved = daemon.http().get(&path).expect(200);
    assert_eq!(saved.header("content-type"), Some("application/x-tar"));
    let content = files(&saved.body);
    let list = parsed(&content["manifest.json"]);
    assert_eq!(list.as_array().map(Vec::len), Some(2));
    let mut tags: Vec<_> = list[0]["RepoTags"].as_array().expect("tags").clone();
    tags.sort_by_key(ToString::to_string);
    assert_eq!(tags, [json!(names[0]), json!(format!("{first}:v2"))]);
    let config = list[0]["Config"].as_str().expect("a path");
    assert_eq!(image::digest(&content[config]), images[0].id());
    assert_eq!(list[0]["Layers"].as_array().map(Vec::len), Some(2));
    assert_eq!(parsed(&content["oci-layout"])["imageLayoutVersion"], "1.0.0");
    assert_eq!(parsed(&content["index.json"])["manifests"].as_array().map(Vec::len), Some(3));
    assert!(parsed(&content["repositories"])[&second]["v1"].is_string());
    for name in [&names[0], &format!("{first}:v2"), &names[1]] {
        remove(&daemon, name);
    }
    let mut said = loaded(&load(&daemon, "", &saved.body));
    said.sort();
    let mut wanted: Vec<_> = [&names[0], &format!("{first}:v2"), &names[1]]
        .map(|name| format!("Loaded image: {name}"))
        .to_vec();
    wanted.sort();
    assert_eq!(said, wanted);
    for (image, (name, mark)) in images.iter().zip(names.iter().zip([&first, &second])) {
        assert_eq!(inspect(&daemon, name)["Id"], image.id());
        let seen = daemon.sh(&json!({ "Image": name }), "cat /mark; ls /gone 2>&1 | wc -l");
        assert_eq!(seen.lines().next(), Some(format!("{mark}1").as_str()));
    }
    let alone = daemon.http().get(&format!("/images/{}/get", images[1].id())).expect(200).body;
    assert_eq!(parsed(&files(&alone)["manifest.json"])[0]["RepoTags"], Value::Null);
    for name in [&names[0], &format!("{first}:v2"), &names[1]] {
        remove(&daemon, name);
    }
    assert_eq!(
        loaded(&load(&daemon, "", &alone)),
        [format!("Loaded image ID: {}", images[1].id())]
    );
    remove(&daemon, &images[1].id());
    let missing = daemon.http().get("/images/nosuchimage/get").expect(404);
    assert_eq!(missing.message(), "No such image: nosuchimage");
}

#[test]
fn compressed_archives_and_progress() {
    let daemon = Daemon::start();
    let mark = name();
    let archive = layered(&mark, Flavour::Oci).archive(&mark_v1(&mark));
    let level = flate2::Compression::fast();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), level);
    gzip.write_all(&archive).expect("gzip in memory");
    let gzip = gzip.finish().expect("gzip in memory");
    let zstd = zstd::encode_all(archive.as_slice(), 1).expect("zstd in memory");
    for form in [&gzip, &zstd] {
        let answer = load(&daemon, "?quiet=0", form);
        assert_eq!(loaded(&answer), [format!("Loaded image: {}", mark_v1(&mark))]);
        let lines = answer.json_lines();
        let layer = lines.iter().find(|line| line["status"] == "Loading layer");
        let layer = layer.unwrap_or_else(|| panic!("no progress in {lines:?}"));
        assert_eq!(layer["id"].as_str().map(str::len), Some(12));
        assert!(layer["progressDetail"]["total"].as_u64().is_some(), "{layer}");
        remove(&daemon, &mark_v1(&mark));
    }
}

#[test]
fn a_name_moves_to_what_is_loaded() {
    let daemon = Daemon::start();
    let (one, two) = (name(), name());
    let (old, new) = (layered(&one, Flavour::Oci), layered(&two, Flavour::Oci));
    let tag = mark_v1(&one);
    loaded(&load(&daemon, "", &old.archive(&tag)));
    let said = loaded(&load(&daemon, "", &new.archive(&tag)));
    let moved = format!(
        "The image {tag} already exists, renaming the old one with ID {} to empty string",
        old.id()
    );
    assert_eq!(said, [moved, format!("Loaded image: {tag}")]);
    assert_eq!(inspect(&daemon, &tag)["Id"], new.id());
    assert_eq!(inspect(&daemon, &old.id())["RepoTags"], json!([]));
    remove(&daemon, &old.id());
    remove(&daemon, &tag);
}

#[test]
fn archives_that_lie_are_refused() {
    let daemon = Daemon::start();
    let mark = name();
    let image = layered(&mark, Flavour::Oci);
    let whole = image.archive(&mark_v1(&mark));
    let list = |config: &str, layers: &[&str]| {
        json!([{ "Config": config, "RepoTags": [mark_v1(&mark)], "Layers": layers }]).to_string()
    };
    let config: &[u8] = &image.config;
    let (low, top) = (&image.layers[0].tar[..], &image.layers[1].tar[..]);
    let with = |list: &str, low: &[u8], top: &[u8]| {
        let files =
            [("c.json", config), ("0", low), ("1", top), ("manifest.json", list.as_bytes())];
        tar_of(&files)
    };
    let wrong_blob = format!("blobs/sha256/{}", "0".repeat(64));
    for (what, archive) in [
        ("nothing", Vec::new()),
        ("no tar", b"garbage".repeat(200)),
        ("no list", tar_of(&[("x", b"y")])),
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("missing config", tar_of(&[("manifest.json", list("c.json", &[]).as_bytes())])),
        ("outside", tar_of(&[("manifest.json", list("../../etc/passwd", &[]).as_bytes())])),
        ("missing layer", with(&list("c.json", &["0", "2"]), low, top)),
        ("too few layers", with(&list("c.json", &["0"]), low, top)),
        ("swapped layers", with(&list("c.json", &["1", "0"]), low, top)),
        ("changed layer", with(&list("c.json", &["0", "1"]), low, &low[..1024])),
        ("no tag", with(&list("c.json", &["0", "1"]).replace(":v1", ""), low, top)),
        ("bad tag", with(&list("c.json", &["0", "1"]).replace(":v1", ":v 1"), low, top)),
        ("deep JSON", tar_of(&[("manifest.json", "[".repeat(100_000).as_bytes())])),
        (
            "wrong digest",
            tar_of(&[(&wrong_blob, config), ("manifest.json", list(&wrong_blob, &[]).as_bytes())]),
        ),
    ] {
        let answer = load(&daemon, "", &archive);
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        let error = error_of(&answer);
        assert!(!error.is_empty() && error.len() < 1000, "{what}: {error}");
        daemon.http().get(&format!("/images/{}/json", mark_v1(&mark))).expect(404);
    }
    // After all that a good one goes through.
    loaded(&load(&daemon, "", &whole));
    remove(&daemon, &mark_v1(&mark));
}

#[test]
fn skopeo_reads_what_is_saved_and_writes_what_is_loaded() {
    let daemon = Daemon::start();
    let mark = name();
    let image = layered(&mark, Flavour::Docker);
    let tag = mark_v1(&mark);
    loaded(&load(&daemon, "", &image.archive(&tag)));
    let saved = daemon.http().get(&format!("/images/{tag}/get")).expect(200).body;
    let dir = TempDir::new().expect("directory");
    let at = |name: &str| dir.path().join(name).display().to_string();
    fs::write(at("saved.tar"), &saved).expect("archive");
    skopeo(&[
        "copy",
        &format!("docker-archive:{}", at("saved.tar")),
        &format!("oci:{}:x", at("one")),
    ])
    .ok();
    skopeo(&[
        "copy",
        &format!("oci-archive:{}", at("saved.tar")),
        &format!("docker-archive:{}:{tag}", at("two.tar")),
    ])
    .ok();
    remove(&daemon, &tag);
    let said = loaded(&load(&daemon, "", &fs::read(at("two.tar")).expect("archive")));
    assert_eq!(said, [format!("Loaded image: {tag}")]);
    let seen = daemon.sh(&json!({ "Image": tag }), "cat /mark");
    assert_eq!(seen, mark);
    remove(&daemon, &tag);
    if daemon.is_reference() {
        return; // dockerd with its own layers does not load a bare layout.
    }
    let bare = format!("oci-archive:{}:{tag}", at("three.tar"));
    skopeo(&["copy", &format!("oci-archive:{}", at("saved.tar")), &bare]).ok();
    let said = loaded(&load(&daemon, "", &fs::read(at("three.tar")).expect("archive")));
    assert_eq!(said, [format!("Loaded image: {tag}")]);
    assert_eq!(inspect(&daemon, &tag)["Id"], image.id());
    remove(&daemon, &tag);
}

fn push(daemon: &Daemon, repository: &str, tag: &str) -> Answer {
    let path = format!("/images/{repository}/push?tag={tag}");
    daemon.http().send("POST", &path, &[("X-Registry-Auth", "e30=")], b"")
}

fn statuses(answer: &Answer) -> Vec<String> {
    let lines = answer.json_lines();
    assert!(lines.iter().all(|line| line["error"].is_null()), "{lines:?}");
    lines.iter().filter_map(|line| line["status"].as_str().map(str::to_owned)).collect()
}

/// Route: POST /images/{name}/push
/// Route: GET /distribution/{name}/json
#[test]
fn what_is_pushed_is_in_the_registry() {
    let daemon = Daemon::start();
    let registry = DebianRegistry::start();
    let mark = name();
    let image = layered(&mark, Flavour::Oci);
    loaded(&load(&daemon, "", &image.archive(&mark_v1(&mark))));
    let repository = format!("{}/{mark}/one", registry.host());
    let other = format!("{}/{mark}/two", registry.host());
    for target in [&repository, &other] {
        let path = format!("/images/{}/tag?repo={target}&tag=v1", mark_v1(&mark));
        daemon.http().post(&path).expect(201);
    }
    let answer = push(&daemon, &repository, "v1");
    let said = statuses(&answer);
    assert_eq!(said[0], format!("The push refers to repository [{repository}]"));
    assert_eq!(said.iter().filter(|status| *status == "Preparing").count(), 2, "{said:?}");
    assert_eq!(said.iter().filter(|status| *status == "Pushed").count(), 2, "{said:?}");
    let aux = answer.json_lines().pop().expect("lines")["aux"].clone();
    let digest = aux["Digest"].as_str().expect("a digest").to_owned();
    assert_eq!(said.last(), Some(&format!("v1: digest: {digest} size: {}", aux["Size"])));
    assert_eq!(aux["Tag"], "v1");
    let again = statuses(&push(&daemon, &repository, "v1"));
    assert_eq!(again.iter().filter(|status| *status == "Layer already exists").count(), 2);
    let mounted = statuses(&push(&daemon, &other, "v1"));
    let from = format!("Mounted from {mark}/one");
    assert_eq!(mounted.iter().filter(|status| **status == from).count(), 2, "{mounted:?}");
    let seen = inspect(&daemon, &image.id());
    let digests = seen["RepoDigests"].as_array().expect("a list");
    assert!(digests.contains(&json!(format!("{repository}@{digest}"))), "{digests:?}");
    let found =
        daemon.http().get(&format!("/distribution/{repository}:v1/json")).expect(200).json();
    assert_eq!(found["Descriptor"]["digest"], digest);
    assert_eq!(found["Descriptor"]["size"], aux["Size"]);
    assert_eq!(found["Platforms"], json!([{ "architecture": "amd64", "os": "linux" }]));
    let text =
        skopeo(&["inspect", "--tls-verify=false", &format!("docker://{repository}:v1")]).ok();
    assert_eq!(parsed(text.as_bytes())["Digest"], digest);
    remove(&daemon, &image.id());
    let pulled = daemon.http().post(&format!("/images/create?fromImage={repository}:v1"));
    assert!(!pulled.expect(200).text().contains("errorDetail"));
    assert_eq!(inspect(&daemon, &format!("{repository}@{digest}"))["Id"], image.id());
    assert_eq!(daemon.sh(&json!({ "Image": format!("{repository}:v1") }), "cat /mark"), mark);
    remove(&daemon, &image.id());
}

#[test]
fn a_push_says_why_it_can_not() {
    let daemon = Daemon::start();
    let registry = DebianRegistry::start();
    let mark = name();
    let image = layered(&mark, Flavour::Oci);
    loaded(&load(&daemon, "", &image.archive(&mark_v1(&mark))));
    let repository = format!("{}/{mark}", registry.host());
    let missing = error_of(&push(&daemon, &repository, "v1"));
    assert_eq!(missing, format!("An image does not exist locally with the tag: {repository}"));
    daemon
        .http()
        .post(&format!("/images/{}/tag?repo={repository}&tag=v1", mark_v1(&mark)))
        .expect(201);
    let missing = error_of(&push(&daemon, &repository, "v2"));
    assert_eq!(missing, format!("tag does not exist: {repository}:v2"));
    let nobody = format!("127.0.0.1:1/{mark}");
    daemon.http().post(&format!("/images/{}/tag?repo={nobody}&tag=v1", mark_v1(&mark))).expect(201);
    let refused = error_of(&push(&daemon, &nobody, "v1"));
    assert!(refused.contains("connection refused"), "{refused}");
    let unknown = daemon.http().get(&format!("/distribution/{repository}:v9/json")).expect(404);
    assert_eq!(unknown.message(), "manifest unknown: manifest unknown");
    daemon.http().get(&format!("/distribution/{nobody}:v1/json")).expect(500);
    daemon.http().get("/distribution/A%20B/json").expect(400);
    remove(&daemon, &image.id());
}

#[test]
fn the_cli_saves_loads_and_pushes() {
    let daemon = Daemon::start();
    let registry = DebianRegistry::start();
    let mark = name();
    let tag = format!("{}/{mark}:v1", registry.host());
    let image = layered(&mark, Flavour::Oci);
    let dir = TempDir::new().expect("directory");
    let file = dir.path().join("image.tar").display().to_string();
    fs::write(&file, image.archive(&tag)).expect("archive");
    assert_eq!(daemon.docker(&["load", "-q", "-i", &file]).ok(), format!("Loaded image: {tag}"));
    assert!(daemon.docker(&["history", &tag]).ok().contains("test"));
    let pushed = daemon.docker(&["push", &tag]).ok();
    assert!(pushed.contains("v1: digest: sha256:"), "{pushed}");
    daemon.docker(&["save", "-o", &file, &tag]).ok();
    daemon.docker(&["rmi", &tag]).ok();
    assert!(daemon.docker(&["load", "-i", &file]).ok().contains(&format!("Loaded image: {tag}")));
    daemon.docker(&["rmi", &tag]).ok();
}
