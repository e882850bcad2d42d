//! The platforms that newer clients name in JSON: at each endpoint an image is for them or not.
//! dockerd knows these parameters since API 1.46 to 1.52.

use harness::image::Files;
use harness::{Answer, Daemon, escaped, name};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A query's value for a platform.
fn platform(architecture: &str) -> String {
    escaped(&json!({ "os": "linux", "architecture": architecture }).to_string())
}

/// An image for this architecture, called `mark:architecture`.
fn make(daemon: &Daemon, mark: &str, architecture: &str) -> String {
    let archive = Files::new().file("a", 0o644, architecture.as_bytes()).finish();
    let path = format!(
        "/images/create?fromSrc=-&repo={mark}&tag={architecture}&platform=linux%2F{architecture}"
    );
    daemon
        .http()
        .send("POST", &path, &[("Content-Type", "application/x-tar")], &archive)
        .expect(200);
    format!("{mark}:{architecture}")
}

fn load(daemon: &Daemon, query: &str, archive: &[u8]) -> Answer {
    let headers = [("Content-Type", "application/x-tar")];
    daemon.http().send("POST", &format!("/images/load?quiet=1{query}"), &headers, archive)
}

#[track_caller]
fn is_not_for(answer: &Answer, image: &str) {
    let expected = format!(
        "image with reference {image} was found but does not match the specified platform: wanted linux/s390x, \
         actual: linux/arm64"
    );
    assert_eq!((answer.status, answer.message()), (404, expected), "{}", answer.asked);
}

#[test]
fn an_image_is_for_the_platform_or_is_not_found() {
    let Some(daemon) = Daemon::ours() else { return };
    let image = make(&daemon, &name(), "arm64");
    let (own, other) = (platform("arm64"), platform("s390x"));
    for path in [format!("/images/{image}/json"), format!("/images/{image}/history")] {
        daemon.http().get(&format!("{path}?platform={own}")).expect(200);
        is_not_for(&daemon.http().get(&format!("{path}?platform={other}")), &image);
        daemon.http().get(&format!("/v1.47{path}?platform={other}")).expect(200);
    }
    let push = |version: &str| {
        daemon.http().post(&format!("{version}/images/{image}/push?tag=arm64&platform={other}"))
    };
    let bare = image.split(':').next().expect("a name");
    let push_of = format!("/images/{bare}/push?tag=arm64&platform={other}");
    is_not_for(&daemon.http().post(&push_of), &image);
    assert_ne!(push("/v1.45").status, 404);
    let remove = |platforms: &str| daemon.http().delete(&format!("/images/{image}?{platforms}"));
    is_not_for(&remove(&format!("platforms={other}")), &image);
    remove(&format!("platforms={other}&platforms={own}")).expect(200);
}

#[test]
fn an_inspect_tells_of_the_manifest() {
    let Some(daemon) = Daemon::ours() else { return };
    let image = make(&daemon, &name(), "arm64");
    let inspect = |query: &str| daemon.http().get(&format!("/images/{image}/json?{query}"));
    let told = inspect("manifests=1").expect(200).json();
    let [manifest] = told["Manifests"].as_array().expect("manifests").as_slice() else {
        panic!("{told}")
    };
    assert_eq!(manifest["ImageData"]["Platform"]["architecture"], "arm64", "{manifest}");
    assert_eq!(inspect("").expect(200).json().get("Manifests"), None::<&Value>);
    let both = inspect(&format!("manifests=1&platform={}", platform("arm64"))).expect(400);
    let why = "conflicting options: manifests and platform options cannot both be set";
    assert_eq!(both.message(), why);
    daemon.http().delete(&format!("/images/{image}")).expect(200);
}

#[test]
fn archives_are_saved_and_loaded_by_platform() {
    let Some(daemon) = Daemon::ours() else { return };
    let mark = name();
    let images = ["amd64", "arm64"].map(|architecture| make(&daemon, &mark, architecture));
    let [amd, arm] = &images;
    let (own, other) = (platform("arm64"), platform("s390x"));
    let save = |path: &str, query: &str| daemon.http().get(&format!("{path}?{query}"));
    save(&format!("/images/{arm}/get"), &format!("platform={own}")).expect(200);
    let both = format!("names={amd}&names={arm}");
    for (path, query) in [
        (format!("/images/{arm}/get"), format!("platform={other}")),
        ("/images/get".to_owned(), format!("{both}&platform={other}&platform={own}")),
    ] {
        let said = save(&path, &query).expect(404).message();
        assert_eq!(said, "no suitable export target found for platform linux/s390x");
    }
    let several = format!("{both}&platform={own}&platform={}", platform("amd64"));
    let said = save("/v1.51/images/get", &several).expect(400).message();
    assert!(said.starts_with("multiple platform parameters are not supported"), "{said}");
    let archive = save("/images/get", &several).expect(200).body;
    let remove = |image: &str| daemon.http().delete(&format!("/images/{image}"));
    images.iter().for_each(|image| drop(remove(image).expect(200)));
    let said = load(&daemon, &format!("&platform={other}"), &archive).expect(200).text();
    assert!(said.contains("archive has no image for platform linux/s390x"), "{said}");
    let said = load(&daemon, &format!("&platform={own}&platform={other}"), &archive).text();
    assert!(said.contains(&format!("Loaded image: {arm}")) && !said.contains(amd), "{said}");
    daemon.http().get(&format!("/images/{amd}/json")).expect(404);
    remove(arm).expect(200);
}

#[test]
fn what_is_no_platform_is_refused() {
    let Some(daemon) = Daemon::ours() else { return };
    let image = make(&daemon, &name(), "arm64");
    let bare = image.split(':').next().expect("a name");
    for (text, why) in [
        ("linux/amd64", "failed to parse platform: "),
        ("{}", "both OS and Architecture must be provided"),
        (r#"{"os.version":"1"}"#, "optional platform fields provided, but OS and Architecture are"),
    ] {
        let text = escaped(text);
        for (method, path) in [
            ("GET", format!("/images/{image}/json?platform={text}")),
            ("GET", format!("/images/{image}/history?platform={text}")),
            ("GET", format!("/images/{image}/get?platform={text}")),
            ("GET", format!("/images/get?names={image}&platform={text}")),
            ("POST", format!("/images/load?platform={text}")),
            ("POST", format!("/images/{bare}/push?tag=arm64&platform={text}")),
            ("DELETE", format!("/images/{image}?platforms={text}")),
        ] {
            let said = daemon.http().send(method, &path, &[], b"").expect(400).message();
            assert!(said.starts_with(why), "{path}: {said}");
        }
    }
    daemon.http().delete(&format!("/images/{image}")).expect(200);
}

/// By the bundled client's flags.
#[test]
fn the_client_asks_for_platforms() {
    let Some(daemon) = Daemon::ours() else { return };
    let image = make(&daemon, &name(), "arm64");
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("saved").display().to_string();
    let run = |words: &[&str]| daemon.jocker(words);
    for words in [&["history", "-q"][..], &["save", "-o", &file], &["push"], &["rmi"]] {
        let words = [words, &["--platform", "linux/s390x", &image]].concat();
        let said = run(&words).fails(1);
        assert!(said.contains("linux/s390x"), "{words:?}: {said}");
    }
    run(&["history", "-q", "--platform", "linux/arm64", &image]).ok();
    run(&["save", "-o", &file, "--platform", "linux/arm64", &image]).ok();
    run(&["rmi", "--platform", "linux/arm64", &image]).ok();
    let said = run(&["load", "-i", &file, "--platform", "linux"]).fails(1);
    assert!(said.contains("archive has no image for platform"), "{said}");
    let said = run(&["load", "-i", &file, "--platform", "linux/arm64"]).ok();
    assert!(said.contains(&image), "{said}");
    let said = run(&["save", "--platform", "linux//x", &image]).fails(125);
    assert!(said.contains("must be os[/arch[/variant]]"), "{said}");
    daemon.http().delete(&format!("/images/{image}")).expect(200);
}
