//! Images in the store: list, inspect, tag, remove.

use harness::image::{Compression, Files, Flavour, Image, PATH};
use harness::registry::Registry;
use harness::{Daemon, IMAGE, escaped, name};
use serde_json::{Value, json};

/// A tiny image of one file that is its own.
fn tiny(content: &str) -> Image {
    let layer = Files::new().file("mark", 0o644, content.as_bytes()).layer(Compression::Gzip);
    let settings = json!({ "Cmd": ["/mark"], "Env": [PATH, "K=v"], "WorkingDir": "/w", "User": "7",
        "Labels": { "content": content }, "ExposedPorts": { "80/tcp": {} },
        "Entrypoint": ["/e"], "StopSignal": "SIGQUIT", "Volumes": { "/v": {} } });
    Image::new(Flavour::Oci, vec![layer], &settings)
}

fn pull(daemon: &Daemon, reference: &str) {
    let path = format!("/images/create?fromImage={reference}");
    let lines = daemon.http().post(&path).expect(200).json_lines();
    assert!(lines.iter().all(|line| line["error"].is_null()), "{lines:?}");
}

fn tags_of(image: &Value) -> Vec<String> {
    let tags = image["RepoTags"].as_array().cloned().unwrap_or_default();
    tags.iter().map(|tag| tag.as_str().expect("a tag").to_owned()).collect()
}

/// Route: GET /images/{name}/json
/// Route: GET /images/json
#[test]
fn inspection_shows_the_config() {
    let daemon = Daemon::start();
    let image = tiny(&name());
    let registry = Registry::start();
    let reference = registry.push("inspect/tiny", "v1", &image);
    pull(&daemon, &reference);
    let seen = daemon.http().get(&format!("/images/{reference}/json")).expect(200).json();
    assert_eq!(seen["Id"], image.id());
    assert_eq!(tags_of(&seen), std::slice::from_ref(&reference));
    let digest = format!("{}/inspect/tiny@{}", registry.host(), image.manifest_digest());
    assert_eq!(seen["RepoDigests"], json!([digest]));
    assert_eq!((&seen["Architecture"], &seen["Os"]), (&json!("amd64"), &json!("linux")));
    assert_eq!(seen["Created"], "2024-02-03T04:05:06Z");
    assert_eq!(seen["RootFS"], json!({ "Type": "layers", "Layers": [image.layers[0].diff_id] }));
    let config = &seen["Config"];
    assert_eq!(config["Cmd"], json!(["/mark"]));
    assert_eq!(config["Entrypoint"], json!(["/e"]));
    assert_eq!(config["Env"], json!([PATH, "K=v"]));
    assert_eq!(config["WorkingDir"], "/w");
    assert_eq!(config["User"], "7");
    assert_eq!(config["StopSignal"], "SIGQUIT");
    assert_eq!(config["ExposedPorts"], json!({ "80/tcp": {} }));
    assert_eq!(config["Volumes"], json!({ "/v": {} }));
    assert!(seen["Size"].as_u64().is_some_and(|size| size > 0), "{}", seen["Size"]);
    let list = daemon.http().get("/images/json").expect(200).json();
    let entry = list.as_array().expect("a list").iter().find(|entry| entry["Id"] == image.id());
    let entry = entry.expect("the image is listed");
    assert_eq!(tags_of(entry), [reference]);
    assert_eq!((&entry["Containers"], &entry["SharedSize"]), (&json!(-1), &json!(-1)));
    assert_eq!(entry["Created"], 1_706_933_106);
}

#[test]
fn is_found_by_every_form_of_its_name() {
    let daemon = Daemon::start();
    let image = tiny(&name());
    let registry = Registry::start();
    let reference = registry.push("forms/tiny", "latest", &image);
    pull(&daemon, &reference);
    let id = image.id();
    let hex = id.strip_prefix("sha256:").expect("a digest");
    let plain = reference.strip_suffix(":latest").expect("a tag");
    let by_digest = format!("{plain}@{}", image.manifest_digest());
    for form in [reference.as_str(), plain, &id, hex, &hex[..12], &by_digest] {
        let seen = daemon.http().get(&format!("/images/{form}/json")).expect(200).json();
        assert_eq!(seen["Id"], id, "{form}");
    }
    for form in ["nosuchimage", "nosuch:tag", "sha256:0000", "a/b/c:d"] {
        let answer = daemon.http().get(&format!("/images/{form}/json")).expect(404);
        assert!(answer.message().starts_with("No such image: "), "{}", answer.message());
    }
    let message = daemon.http().get("/images/nosuchimage/json").message();
    assert_eq!(message, "No such image: nosuchimage:latest");
}

/// Route: POST /images/{name}/tag
/// Route: DELETE /images/{name}
#[test]
fn tags_come_and_go_and_the_last_takes_the_image_along() {
    let daemon = Daemon::start();
    let image = tiny(&name());
    let registry = Registry::start();
    let reference = registry.push("tags/tiny", "v1", &image);
    pull(&daemon, &reference);
    let http = daemon.http();
    let other = name();
    http.post(&format!("/images/{reference}/tag?repo={other}&tag=two")).expect(201);
    http.post(&format!("/images/{other}:two/tag?repo={other}")).expect(201);
    let seen = http.get(&format!("/images/{reference}/json")).expect(200).json();
    let mut tags = tags_of(&seen);
    tags.sort();
    let mut wanted = [format!("{other}:latest"), format!("{other}:two"), reference.clone()];
    wanted.sort();
    assert_eq!(tags, wanted);
    let by_id = http.delete(&format!("/images/{}", image.id())).expect(409);
    assert!(by_id.message().contains("must be forced"), "{}", by_id.message());
    let gone = http.delete(&format!("/images/{other}:two")).expect(200).json();
    assert_eq!(gone, json!([{ "Untagged": format!("{other}:two") }]));
    http.delete(&format!("/images/{other}")).expect(200);
    let last = http.delete(&format!("/images/{reference}")).expect(200).json();
    let last = last.as_array().expect("a list");
    assert_eq!(last[0], json!({ "Untagged": reference }));
    assert!(last.contains(&json!({ "Deleted": image.id() })), "{last:?}");
    http.get(&format!("/images/{}/json", image.id())).expect(404);
    http.delete(&format!("/images/{reference}")).expect(404);
}

#[test]
fn an_image_in_use_is_kept() {
    let daemon = Daemon::start();
    let registry = Registry::start();
    let layer = harness::image::busybox_files().file("own", 0o644, name().as_bytes());
    let settings = json!({ "Cmd": ["sh"], "Env": [PATH] });
    let image = Image::new(Flavour::Oci, vec![layer.layer(Compression::Gzip)], &settings);
    let reference = registry.push("used/image", "v1", &image);
    pull(&daemon, &reference);
    let http = daemon.http();
    let id = daemon.create(&json!({ "Image": reference, "Cmd": ["true"] }));
    let refused = http.delete(&format!("/images/{reference}")).expect(409).message();
    assert!(refused.contains("conflict") && refused.contains(&id[..12]), "{refused}");
    daemon.remove(&id);
    let running = daemon.launch(&json!({ "Image": reference, "Cmd": ["sleep", "1000"],
        "StopSignal": "SIGKILL" }));
    let refused = http.delete(&format!("/images/{}?force=1", image.id())).expect(409).message();
    assert!(refused.contains("running container"), "{refused}");
    daemon.remove(&running);
    http.delete(&format!("/images/{reference}")).expect(200);
}

#[test]
fn a_list_is_filtered() {
    let daemon = Daemon::start();
    let mark = name();
    let image = tiny(&mark);
    let registry = Registry::start();
    let reference = registry.push("filter/tiny", "v1", &image);
    pull(&daemon, &reference);
    for (filters, found) in [
        (json!({ "reference": [reference] }), true),
        (json!({ "reference": ["*/filter/tiny:*"] }), true),
        (json!({ "reference": ["filter/nothing"] }), false),
        (json!({ "label": [format!("content={mark}")] }), true),
        (json!({ "label": ["content=other"] }), false),
        (json!({ "dangling": ["true"] }), false),
        (json!({ "dangling": ["false"] }), true),
    ] {
        let path = format!("/images/json?filters={}", escaped(&filters.to_string()));
        let list = daemon.http().get(&path).expect(200).json();
        let seen = list.as_array().expect("a list").iter().any(|entry| entry["Id"] == image.id());
        assert_eq!(seen, found, "{filters}");
    }
    daemon.http().get("/images/json?filters=%7B%22nosuch%22%3A%5B%22x%22%5D%7D").expect(400);
}

#[test]
fn the_cli_lists_and_removes() {
    let daemon = Daemon::start();
    let other = name();
    daemon.docker(&["tag", IMAGE, &other]).ok();
    let listed = daemon.docker(&["images", "--format", "{{.Repository}}:{{.Tag}}", &other]).ok();
    assert_eq!(listed, format!("{other}:latest"));
    let id = daemon.docker(&["inspect", "--format", "{{.Id}}", &other]).ok();
    assert_eq!(id, Image::busybox().id());
    assert_eq!(daemon.docker(&["rmi", &other]).ok(), format!("Untagged: {other}:latest"));
    let missing = daemon.docker(&["rmi", &other]).fails(1);
    assert!(missing.contains(&format!("No such image: {other}:latest")), "{missing}");
}

#[test]
fn settings_of_the_image_become_the_container_s() {
    let daemon = Daemon::start();
    let registry = Registry::start();
    let layer = harness::image::busybox_files().layer(Compression::Gzip);
    let settings = json!({ "Entrypoint": ["echo", "from"], "Cmd": ["image"], "User": "app",
        "Env": [PATH, "A=image", "B=image"], "WorkingDir": "/made/by/image",
        "Labels": { "x": "image", "y": "image" } });
    let image = Image::new(Flavour::Docker, vec![layer], &settings);
    let reference = registry.push("settings/image", "v1", &image);
    pull(&daemon, &reference);
    for (body, expected) in [
        (json!({}), "from image\n"),
        (json!({ "Cmd": ["me"] }), "from me\n"),
        (
            json!({ "Entrypoint": ["sh", "-c"], "Cmd": ["echo $PWD $(id -u) $A $B"] }),
            "/made/by/image 1000 image image\n",
        ),
        (json!({ "Entrypoint": ["echo"] }), "\n"),
        (
            json!({ "Entrypoint": ["sh", "-c"], "Cmd": ["echo $PWD $(id -u) $A $B"], "User": "0",
            "Env": ["A=mine"], "WorkingDir": "/tmp" }),
            "/tmp 0 mine image\n",
        ),
    ] {
        let mut body = body;
        body["Image"] = json!(reference);
        assert_eq!(daemon.run(&body).output.stdout, expected, "{body}");
    }
    let id = daemon.create(&json!({ "Image": reference, "Labels": { "x": "mine" } }));
    let config = daemon.inspect(&id)["Config"].clone();
    assert_eq!(config["Labels"], json!({ "x": "mine", "y": "image" }));
    assert_eq!(config["Image"], reference);
}
