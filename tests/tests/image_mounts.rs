//! Images that are mounted in containers: read by anybody, written by nobody, kept while somebody has them.
//! dockerd has them from version 28 on.

use harness::image::{Compression, Files, Flavour, Image, PATH, busybox_files};
use harness::registry::Registry;
use harness::{Daemon, name};
use serde_json::{Value, json};

/// An image of three layers, the topmost of which hides a file of the one below, in the daemon; its name.
fn pulled(daemon: &Daemon, registry: &Registry) -> String {
    let data = Files::new()
        .dir("data", 0o755)
        .file("data/one", 0o644, b"one")
        .file("data/two", 0o644, b"two")
        .layer(Compression::Gzip);
    let upper = Files::new()
        .file("data/.wh.two", 0o644, b"")
        .file("data/three", 0o644, b"three")
        .layer(Compression::Gzip);
    let layers = vec![busybox_files().layer(Compression::Gzip), data, upper];
    let image = Image::new(Flavour::Oci, layers, &json!({ "Cmd": ["sh"], "Env": [PATH] }));
    let reference = registry.push("mounted", &name(), &image);
    let path = format!("/images/create?fromImage={reference}");
    assert!(!daemon.http().post(&path).expect(200).text().contains("errorDetail"));
    reference
}

fn mount(source: &str, subpath: &str) -> Value {
    json!({ "HostConfig": { "Mounts": [{ "Type": "image", "Source": source, "Target": "/x",
        "ImageOptions": { "Subpath": subpath } }] } })
}

#[test]
fn all_layers_are_seen_and_nothing_is_written() {
    let Some(daemon) = Daemon::ours() else { return };
    let registry = Registry::start();
    let image = pulled(&daemon, &registry);
    let script =
        "ls /x/data; cat /x/data/three; touch /x/new 2>&1; touch /x/data/one 2>&1; ls /x/bin/sh";
    let seen = daemon.sh(&mount(&image, ""), script);
    assert!(seen.starts_with("one\nthree\nthree"), "{seen}");
    assert_eq!(seen.matches("Read-only file system").count(), 2, "{seen}");
    assert!(seen.ends_with("/x/bin/sh\n"), "{seen}");
    // An image of one layer.
    let seen = daemon.sh(&mount(harness::IMAGE, ""), "ls -d /x/bin; touch /x/bin/y 2>&1; true");
    assert!(seen.starts_with("/x/bin\n") && seen.contains("Read-only file system"), "{seen}");
}

#[test]
fn a_part_stays_inside() {
    let Some(daemon) = Daemon::ours() else { return };
    let registry = Registry::start();
    let image = pulled(&daemon, &registry);
    assert_eq!(daemon.sh(&mount(&image, "data"), "ls /x; cat /x/one"), "one\nthree\none");
    assert_eq!(daemon.sh(&mount(&image, "data/three"), "cat /x"), "three");
    let id = daemon.create(&mount(&image, "nothing/there"));
    let refused = daemon.http().post(&format!("/containers/{id}/start"));
    assert!(
        refused.status >= 400 && refused.message().contains("nothing/there"),
        "{}",
        refused.message()
    );
    let out = daemon.try_create(&mount(&image, "../data")).expect(400).message();
    assert!(out.contains("subpath must be a relative path within the image"), "{out}");
}

#[test]
fn an_image_is_kept_while_it_is_mounted() {
    let Some(daemon) = Daemon::ours() else { return };
    let (http, registry) = (daemon.http(), Registry::start());
    let image = pulled(&daemon, &registry);
    let mut body = mount(&image, "");
    body["Cmd"] = json!(["sleep", "1000"]);
    body["StopSignal"] = json!("SIGKILL");
    let id = daemon.launch(&body);
    let point = daemon.inspect(&id)["Mounts"][0].clone();
    assert_eq!((&point["Type"], &point["Destination"]), (&json!("image"), &json!("/x")));
    assert_eq!((&point["Source"], &point["RW"]), (&json!(image), &json!(false)));
    let image_id = http.get(&format!("/images/{image}/json")).expect(200).json()["Id"].clone();
    http.delete(&format!("/images/{image}")).expect(409);
    let by_id = format!("/images/{}?force=1", image_id.as_str().expect("an id"));
    assert!(http.delete(&by_id).expect(409).message().contains("running container"));
    http.post("/images/prune?filters=%7B%22dangling%22%3A%5B%22false%22%5D%7D").expect(200);
    assert_eq!(daemon.exec(&id, &["cat", "/x/data/one"]).1.stdout, "one");
    http.post(&format!("/containers/{id}/restart?t=0")).expect(204);
    assert_eq!(daemon.exec(&id, &["cat", "/x/data/one"]).1.stdout, "one");
    daemon.remove(&id);
    http.delete(&format!("/images/{image}")).expect(200);
}

#[test]
fn what_can_not_be_is_refused() {
    let Some(daemon) = Daemon::ours() else { return };
    let missing = daemon.try_create(&mount("nosuch:1", "")).expect(404).message();
    assert!(missing.contains("No such image: nosuch:1"), "{missing}");
    let unnamed = daemon.try_create(&mount("", "")).expect(400).message();
    assert!(unnamed.contains("field Source must not be empty"), "{unnamed}");
}

#[test]
fn by_the_clients() {
    let Some(daemon) = Daemon::ours() else { return };
    let registry = Registry::start();
    let image = pulled(&daemon, &registry);
    let flag = format!("type=image,src={image},dst=/x,image-subpath=data");
    let args = ["run", "--rm", "--mount", &flag, harness::IMAGE, "cat", "/x/three"];
    assert_eq!(daemon.docker(&args).ok(), "three");
    assert_eq!(daemon.jocker(&args).ok(), "three");
}
