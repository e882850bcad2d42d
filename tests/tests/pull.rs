//! Pull: what is fetched, verified, unpacked, and what happens when a registry misbehaves.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use harness::debian_registry::{DebianRegistry, inspect_layout};
use harness::image::{self, Compression, Files, Flavour, Image, Layer, PATH};
use harness::registry::{FaultKind, Guard, Registry};
use harness::{Answer, Daemon, name};
use serde_json::{Value, json};

/// How the store's own index names the test image.
const LISTED: &str = "docker.io/library/jocker-test:latest";

fn settings() -> Value {
    json!({ "Cmd": ["sh"], "Env": [PATH] })
}

/// Busybox, and on top of it a layer of each compression that adds, replaces and hides files.
fn layered(flavour: Flavour, zstd: bool) -> Image {
    let unique = name();
    let third = if zstd { Compression::Zstd } else { Compression::Gzip };
    let layers = vec![
        image::busybox_files()
            .dir("old", 0o755)
            .file("old/hidden", 0o644, b"x")
            .file("gone", 0o644, unique.as_bytes())
            .file("changed", 0o644, b"first")
            .layer(Compression::Gzip),
        Files::new()
            .file(".wh.gone", 0o644, b"")
            .file("changed", 0o600, unique.as_bytes())
            .layer(Compression::Plain),
        Files::new()
            .dir("old", 0o700)
            .file("old/.wh..wh..opq", 0o644, b"")
            .file("old/new", 0o644, b"new\n")
            .file("unique", 0o644, unique.as_bytes())
            .hard_link("old/twin", "old/new")
            .layer(third),
    ];
    Image::new(flavour, layers, &settings())
}

fn pull(daemon: &Daemon, reference: &str) -> Answer {
    daemon.http().post(&format!("/images/create?fromImage={reference}"))
}

/// The error of a pull: of the answer itself, or of its last line.
#[track_caller]
fn error_of(answer: &Answer) -> String {
    if answer.status != 200 {
        return answer.message();
    }
    let lines = answer.json_lines();
    let error = lines.iter().find_map(|line| line["errorDetail"]["message"].as_str());
    error.unwrap_or_else(|| panic!("no error in {lines:?}")).to_owned()
}

#[track_caller]
fn succeeded(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let lines = answer.json_lines();
    assert!(lines.iter().all(|line| line["error"].is_null()), "{lines:?}");
    lines
}

#[track_caller]
fn check_files(daemon: &Daemon, reference: &str) {
    let script =
        "ls /old /gone 2>&1 | grep -v '^$'; cat /old/new /old/twin; stat -c %a /changed /old";
    let body = json!({ "Image": reference });
    let seen = daemon.sh(&body, &format!("{{ {script}; }} | sort"));
    let mut lines: Vec<_> = seen.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "/old:",
            "600",
            "700",
            "ls: /gone: No such file or directory",
            "new",
            "new",
            "new",
            "twin"
        ]
    );
}

/// Route: POST /images/create
#[test]
fn unpacks_layers_with_whiteouts_of_either_flavour() {
    let daemon = Daemon::start();
    let registry = Registry::start();
    for (flavour, zstd) in [(Flavour::Oci, true), (Flavour::Docker, false)] {
        let image = layered(flavour, zstd && !daemon.is_reference());
        let reference = registry.push("layered", if zstd { "oci" } else { "docker" }, &image);
        succeeded(&pull(&daemon, &reference));
        check_files(&daemon, &reference);
    }
}

#[test]
fn tells_its_progress_line_by_line() {
    let daemon = Daemon::start();
    let registry = Registry::start();
    let image = layered(Flavour::Oci, false);
    let reference = registry.push("some/progress", "v2", &image);
    let answer = pull(&daemon, &reference);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let lines = succeeded(&answer);
    assert_eq!(lines[0], json!({ "status": "Pulling from some/progress", "id": "v2" }));
    for layer in &image.layers {
        let short = &layer.digest[7..19];
        let of_layer = |status: &str| {
            let is = |line: &Value| line["status"] == status && line["id"] == short;
            assert!(lines.iter().any(is), "{status} of {short}: {lines:?}");
        };
        for status in ["Pulling fs layer", "Download complete", "Pull complete"] {
            of_layer(status);
        }
    }
    let tail: Vec<_> = lines[lines.len() - 2..].iter().map(|line| line["status"].clone()).collect();
    assert_eq!(tail[0], format!("Digest: {}", image.manifest_digest()));
    assert_eq!(tail[1], format!("Status: Downloaded newer image for {reference}"));
    let again = succeeded(&pull(&daemon, &reference));
    let last = again.last().expect("a line");
    assert_eq!(last["status"], format!("Status: Image is up to date for {reference}"));
    let blobs = registry.asked("/blobs/");
    assert!(blobs.iter().filter(|asked| asked.path.contains(&image.layers[0].digest)).count() == 1);
}

#[test]
fn the_cli_pulls_by_tag_and_digest() {
    let daemon = Daemon::start();
    let registry = Registry::start();
    let image = layered(Flavour::Oci, false);
    let reference = registry.push("cli/pull", "v1", &image);
    let said = daemon.docker(&["pull", &reference]).ok();
    assert!(said.contains(&format!("Digest: {}", image.manifest_digest())), "{said}");
    assert!(said.ends_with(&reference), "{said}");
    let by_digest = format!("{}/cli/pull@{}", registry.host(), image.manifest_digest());
    daemon.docker(&["pull", &by_digest]).ok();
    check_files(&daemon, &by_digest);
    let missing = format!("{}/cli/pull:nosuch", registry.host());
    let error = daemon.docker(&["pull", &missing]).fails(1);
    assert!(error.contains("manifest") && error.contains("nosuch"), "{error}");
}

#[test]
fn a_missing_image_is_pulled_by_run() {
    let daemon = Daemon::start();
    let registry = Registry::start();
    let reference = registry.push("run/pulls", "v1", &layered(Flavour::Oci, false));
    let run = daemon.docker(&["run", "--rm", "--network", "none", &reference, "echo", "hello"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "hello\n"), "{}", run.stderr);
    assert!(run.stderr.contains(&format!("Unable to find image '{reference}' locally")));
}

#[test]
fn takes_the_image_of_this_platform_out_of_an_index() {
    let daemon = Daemon::start();
    let registry = Registry::start();
    let ours = layered(Flavour::Oci, false);
    let layer = Files::new().file("other", 0o644, b"x").layer(Compression::Gzip);
    let other = Image::for_architecture("s390x", Flavour::Oci, vec![layer], &settings());
    registry.add(&ours);
    registry.add(&other);
    let index = image::index(&[("s390x", &other), ("amd64", &ours)]);
    let kind = "application/vnd.oci.image.index.v1+json";
    let reference = registry.push_bytes("index", "both", kind, &index);
    let lines = succeeded(&pull(&daemon, &reference));
    let digest = json!({ "status": format!("Digest: {}", image::digest(&index)) });
    assert!(lines.contains(&digest), "{lines:?}");
    check_files(&daemon, &reference);
    let foreign = image::index(&[("s390x", &other)]);
    let reference = registry.push_bytes("index", "foreign", kind, &foreign);
    let error = error_of(&pull(&daemon, &reference));
    assert!(error.contains("no matching manifest for linux/amd64"), "{error}");
}

#[test]
fn logs_in_by_basic_and_by_token() {
    let daemon = Daemon::start();
    for guard in [Guard::Basic("me:secret".into()), Guard::Token("me:secret".into())] {
        let registry = Registry::guarded(guard.clone());
        let reference = registry.push("guarded", "v1", &layered(Flavour::Oci, false));
        let refused = pull(&daemon, &reference);
        assert!(refused.status >= 400, "{guard:?}: pulled without credentials");
        for (password, status) in [("wrong", 500), ("secret", 200)] {
            let auth = json!({ "username": "me", "password": password,
                "serveraddress": registry.host() });
            let header = URL_SAFE.encode(auth.to_string());
            let path = format!("/images/create?fromImage={reference}");
            let answer = daemon.http().send("POST", &path, &[("X-Registry-Auth", &header)], b"");
            assert_eq!(
                answer.status == 200,
                status == 200,
                "{guard:?} {password}: {}",
                answer.text()
            );
            assert!(
                !answer.text().contains(password) || password == "wrong",
                "the password is told"
            );
        }
        check_files(&daemon, &reference);
    }
}

/// Route: POST /auth
#[test]
fn auth_checks_credentials() {
    let daemon = Daemon::start();
    let registry = Registry::guarded(Guard::Token("me:secret".into()));
    let body = |password: &str| {
        json!({ "username": "me", "password": password,
        "serveraddress": registry.host() })
    };
    let good = daemon.http().post_json("/auth", &body("secret")).expect(200).json();
    assert_eq!(good["Status"], "Login Succeeded");
    let bad = daemon.http().post_json("/auth", &body("wrong"));
    assert!(bad.status == 401 || bad.status == 500, "{}: {}", bad.status, bad.text());
}

#[test]
fn goes_on_after_a_broken_connection() {
    let daemon = Daemon::start();
    let registry = Registry::start();
    let image = layered(Flavour::Oci, false);
    let reference = registry.push("broken", "v1", &image);
    let large = &image.layers[0];
    let half = large.blob.len() / 2;
    registry.fail(&large.digest, 1, FaultKind::CutAfter(half));
    succeeded(&pull(&daemon, &reference));
    check_files(&daemon, &reference);
    if !daemon.is_reference() {
        let asked = registry.asked(&large.digest);
        let resumed = asked.iter().any(|asked| asked.headers.contains_key("range"));
        assert!(resumed, "the second request fetches all again: {asked:?}");
    }
}

#[test]
fn starts_over_where_ranges_are_not_honoured() {
    let daemon = Daemon::start();
    let registry = Registry::start();
    registry.without_ranges();
    let image = layered(Flavour::Oci, false);
    let reference = registry.push("no-ranges", "v1", &image);
    registry.fail(&image.layers[0].digest, 1, FaultKind::CutAfter(1000));
    succeeded(&pull(&daemon, &reference));
    check_files(&daemon, &reference);
}

#[test]
fn tries_again_when_a_registry_is_busy() {
    let Some(daemon) = Daemon::ours() else { return };
    let registry = Registry::start();
    let image = layered(Flavour::Oci, false);
    let reference = registry.push("busy", "v1", &image);
    registry.fail(&image.layers[1].digest, 1, FaultKind::Status(503));
    registry.fail(&image.layers[2].digest, 1, FaultKind::Status(429));
    succeeded(&pull(&daemon, &reference));
    check_files(&daemon, &reference);
}

#[test]
fn refuses_bytes_that_are_not_what_they_should_be() {
    let daemon = Daemon::start();
    let registry = Registry::start();
    let image = layered(Flavour::Oci, false);
    let reference = registry.push("flipped", "layer", &image);
    registry.fail(&image.layers[0].digest, 100, FaultKind::Flip);
    error_of(&pull(&daemon, &reference));
    daemon.http().get(&format!("/images/{reference}/json")).expect(404);
    registry.heal();
    succeeded(&pull(&daemon, &reference));
    check_files(&daemon, &reference);

    let mut lying = layered(Flavour::Oci, false);
    let config = String::from_utf8(lying.config.clone()).expect("a config");
    let diff_id = &lying.layers[1].diff_id;
    lying.config = config.replace(diff_id.as_str(), &image::digest(b"something else")).into_bytes();
    let manifest = String::from_utf8(lying.manifest.clone()).expect("a manifest");
    let was = image::digest(config.as_bytes());
    lying.manifest = manifest.replace(&was, &image::digest(&lying.config)).into_bytes();
    let reference = registry.push("flipped", "diff-id", &lying);
    let error = error_of(&pull(&daemon, &reference));
    daemon.http().get(&format!("/images/{reference}/json")).expect(404);
    assert!(!error.is_empty());
}

#[test]
fn refuses_manifests_that_make_no_sense() {
    let daemon = Daemon::start();
    let registry = Registry::start();
    let good = layered(Flavour::Oci, false);
    registry.add(&good);
    let manifest = String::from_utf8(good.manifest.clone()).expect("a manifest");
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let deep = "[".repeat(100_000);
    for (tag, text) in [
        ("empty", "{}"),
        ("not-json", "this is not JSON"),
        ("array", "[]"),
        ("deep", deep.as_str()),
        ("foreign-digest", &manifest.replace("sha256:", "md5:")),
        ("short-digest", &manifest.replace(&good.layers[0].digest, "sha256:abc")),
        ("path-digest", &manifest.replace(&good.layers[0].digest, "sha256:../../../../etc/passwd")),
        ("negative-size", &manifest.replace("\"size\":", "\"size\":-")),
        ("fewer-layers", &manifest.replace(&layer_entry(&good.layers[1]), "")),
    ] {
        if daemon.is_reference() && ["empty", "array", "negative-size"].contains(&tag) {
            continue; // dockerd breaks off without an answer, or pulls
        }
        let reference = registry.push_bytes("nonsense", tag, kind, text.as_bytes());
        let answer = pull(&daemon, &reference);
        assert!(!error_of(&answer).is_empty(), "{tag}");
        daemon.http().get(&format!("/images/{reference}/json")).expect(404);
    }
    daemon.http().get("/_ping").expect(200);
}

fn layer_entry(layer: &Layer) -> String {
    let size = layer.blob.len();
    let digest = &layer.digest;
    format!(
        r#"{{"digest":"{digest}","mediaType":"application/vnd.oci.image.layer.v1.tar","size":{size}}},"#
    )
}

#[test]
fn hostile_layers_reach_nothing_outside() {
    let Some(daemon) = Daemon::ours() else { return };
    let registry = Registry::start();
    let outside = daemon.data_root().join("outside");
    let outside = outside.to_str().expect("a path");
    let link = tar::EntryType::Symlink;
    let hard = tar::EntryType::Link;
    let file = tar::EntryType::Regular;
    for (tag, files) in [
        ("dots", Files::new().hostile("../../../../outside", file, "", b"x")),
        ("absolute", Files::new().hostile("/outside", file, "", b"x")),
        ("link", Files::new().link("l", outside).hostile("l/file", file, "", b"x")),
        ("hard", Files::new().hostile("h", hard, "../../../../../../../etc/passwd", b"")),
        ("hard-link", Files::new().link("l", "/etc").hostile("h", hard, "l/passwd", b"")),
        ("link-over", Files::new().link("d", "/").hostile("d", link, outside, b"")),
        ("whiteout", Files::new().hostile(".wh...", file, "", b"").dir("x", 0o755)),
        ("empty-name", Files::new().hostile("", file, "", b"x")),
    ] {
        let image = Image::new(Flavour::Oci, vec![files.layer(Compression::Gzip)], &settings());
        let reference = registry.push("hostile", tag, &image);
        let answer = pull(&daemon, &reference);
        assert!(answer.status >= 200, "{tag}");
        assert!(!std::path::Path::new(outside).exists(), "{tag}: something was written outside");
        assert!(!std::path::Path::new("/outside").exists(), "{tag}: something was written outside");
    }
    daemon.http().get("/_ping").expect(200);
}

#[test]
fn an_abandoned_pull_is_no_obstacle() {
    let daemon = Daemon::start();
    let registry = Registry::start();
    let image = layered(Flavour::Oci, false);
    let reference = registry.push("abandoned", "v1", &image);
    registry.fail(&image.layers[0].digest, 1, FaultKind::Slow(100));
    let path = format!("/images/create?fromImage={reference}");
    let mut stream = daemon.http().open("POST", &path, &[], b"");
    assert!(stream.next_json().is_some());
    drop(stream);
    succeeded(&pull(&daemon, &reference));
    check_files(&daemon, &reference);
}

#[test]
fn the_same_image_is_pulled_once_by_many() {
    let daemon = Daemon::start();
    let registry = Registry::start();
    let image = layered(Flavour::Oci, false);
    let reference = registry.push("together", "v1", &image);
    registry.fail(&image.layers[0].digest, 1, FaultKind::Slow(5));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| succeeded(&pull(&daemon, &reference)));
        }
    });
    let asked = registry.asked(&image.layers[0].digest);
    let fetched = asked.iter().filter(|asked| asked.method == "GET").count();
    assert!(fetched <= 2, "the same layer was fetched {fetched} times");
    check_files(&daemon, &reference);
}

#[test]
fn a_real_registry_serves_it_too() {
    let daemon = Daemon::start();
    let registry = DebianRegistry::start();
    let reference = registry.push("real/image", "v1", &layered(Flavour::Docker, false));
    succeeded(&pull(&daemon, &reference));
    check_files(&daemon, &reference);
}

#[test]
fn the_store_is_an_image_layout() {
    let Some(daemon) = Daemon::ours() else { return };
    let seen = inspect_layout(&daemon.data_root(), LISTED);
    assert_eq!(seen["Architecture"], "amd64");
    assert_eq!(seen["Digest"], Image::busybox().manifest_digest());
}
