//! `jocker image`: images at registries, in OCI layouts and in archives without a daemon, beside what
//! skopeo and umoci make of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use harness::daemon::built;
use harness::debian_registry::{DebianRegistry, inspect_layout, skopeo};
use harness::docker::{Run, finish};
use harness::image::Compression::{self, Gzip, Plain, Zstd};
use harness::image::{Files, Flavour, Image};
use harness::registry::{Guard, Registry};
use harness::{name, packages};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Runs `jocker image`, with a directory for the client's configuration.
#[track_caller]
fn image_with(config: &Path, args: &[&str]) -> Run {
    let mut command = Command::new(built("jocker", "JOCKER"));
    command.arg("image").args(args).env("DOCKER_CONFIG", config);
    finish(command, b"")
}

#[track_caller]
fn image(args: &[&str]) -> Run {
    image_with(Path::new("/nonexistent"), args)
}

/// A directory, and places in it.
struct Ground(TempDir);

impl Ground {
    fn new() -> Self {
        Self(TempDir::new().expect("directory"))
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// Nothing else is left in it.
    #[track_caller]
    fn has(&self, names: &[&str]) {
        let found = fs::read_dir(self.0.path()).expect("readdir").flatten();
        let mut found: Vec<String> =
            found.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        found.sort();
        assert_eq!(found, names);
    }
}

/// Three layers that hide, replace and open what lies below them.
fn layered(mark: &str, flavour: Flavour, packed: [Compression; 3]) -> Image {
    let low = Files::new()
        .dir("a", 0o750)
        .file("a/kept", 0o644, mark.as_bytes())
        .file("a/gone", 0o644, b"gone")
        .file("a/changed", 0o600, b"old")
        .dir("shut", 0o755)
        .dir("shut/below", 0o755)
        .file("shut/below/old", 0o644, b"old")
        .dir("was-directory", 0o755)
        .file("was-directory/x", 0o644, b"x")
        .file("was-file", 0o644, b"x");
    let middle = Files::new()
        .file("a/.wh.gone", 0o644, b"")
        .file("a/changed", 0o4755, b"new and longer")
        .file("shut/.wh..wh..opq", 0o644, b"")
        .file("shut/new", 0o644, b"new");
    let top = Files::new()
        .file(".wh.was-directory", 0o644, b"")
        .file("was-directory", 0o644, b"now a file")
        .dir("was-file", 0o711)
        .file("was-file/inside", 0o644, b"inside")
        .file("implied/deep/file", 0o640, b"deep");
    let layers = [low, middle, top].into_iter().zip(packed);
    let layers = layers.map(|(files, compression)| files.layer(compression));
    let settings = json!({ "Cmd": ["true"], "Env": ["A=b"], "Labels": { "mark": mark } });
    Image::new(flavour, layers.collect(), &settings)
}

/// Every node with all that `find` tells of it, and the bytes of files.
fn listing(root: &str) -> String {
    let script = "cd \"$1\" && find . -mindepth 1 -printf '%P %y %m %U:%G %l\\n' | sort \
        && find . ! -type d -printf '%P %T@\\n' | sort && find . -type f -exec sha256sum {} + | sort";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", root]);
    finish(command, b"").ok()
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn tells_and_copies_what_skopeo_does() {
    let (ground, mark) = (Ground::new(), name());
    let registry = Registry::start();
    // What is plain, skopeo would compress.
    let made = layered(&mark, Flavour::Oci, [Gzip, Zstd, Gzip]);
    registry.answer(&format!("/v2/{mark}/tags/list"), r#"{"tags":["v1"]}"#);
    let from = format!("docker://{}", registry.push(&mark, "v1", &made));
    let (ours, theirs) = (ground.at("ours"), ground.at("theirs"));
    let digest = image(&["copy", &from, &format!("oci:{ours}:x")]).ok();
    assert_eq!(digest, made.manifest_digest());
    skopeo(&["copy", "--src-tls-verify=false", &from, &format!("oci:{theirs}:x")]).ok();
    let index =
        |layout: &str| json_of(&fs::read_to_string(format!("{layout}/index.json")).expect("index"));
    assert_eq!(index(&ours)["manifests"], index(&theirs)["manifests"]);
    let blobs = |layout: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", "cd \"$1\"/blobs/sha256 && sha256sum *", "sh", layout]);
        finish(command, b"").ok()
    };
    assert_eq!(blobs(&ours), blobs(&theirs));
    let told = json_of(&image(&["inspect", &from]).ok());
    let theirs = json_of(&skopeo(&["inspect", "--tls-verify=false", &from]).ok());
    for key in
        ["Name", "Digest", "RepoTags", "Created", "Labels", "Architecture", "Os", "Layers", "Env"]
    {
        assert_eq!(told[key], theirs[key], "{key}");
    }
    assert_eq!(told["LayersData"][0]["Size"], made.layers[0].blob.len());
    let raw = image(&["inspect", "--raw", &from]).ok();
    assert_eq!(raw, skopeo(&["inspect", "--raw", "--tls-verify=false", &from]).ok());
    let config = image(&["inspect", "--config", &format!("oci:{ours}")]).ok();
    assert_eq!(json_of(&config)["config"]["Labels"]["mark"], mark.as_str());
    ground.has(&["ours", "theirs"]);
}

/// Writes a blob into a layout; its descriptor.
fn blob(layout: &str, kind: &str, bytes: &[u8]) -> Value {
    let digest = harness::image::digest(bytes);
    let path = format!("{layout}/blobs/sha256/{}", &digest["sha256:".len()..]);
    fs::write(path, bytes).expect("write");
    json!({ "mediaType": kind, "digest": digest, "size": bytes.len() })
}

/// A layout with two platforms' images and an attestation under the name `x`; the index's digest.
fn several_platforms(registry: &Registry, layout: &str, mark: &str) -> String {
    let oci = |kind: &str| format!("application/vnd.oci.image.{kind}.v1+json");
    let mut manifests = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let layer = Files::new().file("mark", 0o640, format!("{mark}{architecture}").as_bytes());
        let layers = vec![layer.layer(Gzip)];
        let made = Image::for_architecture(architecture, Flavour::Oci, layers, &json!({}));
        let from = format!("docker://{}", registry.push(mark, architecture, &made));
        image(&[
            "copy",
            "--platform",
            &format!("linux/{architecture}"),
            &from,
            &format!("oci:{layout}:{architecture}"),
        ])
        .ok();
        let index = json_of(&fs::read_to_string(format!("{layout}/index.json")).expect("index"));
        let mut descriptor =
            index["manifests"].as_array().expect("a list").last().expect("one").clone();
        descriptor.as_object_mut().expect("an object").remove("annotations");
        descriptor["platform"] = json!({ "os": "linux", "architecture": architecture });
        manifests.push(descriptor);
    }
    let statement = blob(layout, "application/vnd.in-toto+json", b"{\"_type\":\"statement\"}");
    let config = blob(layout, &oci("config"), b"{\"os\":\"unknown\",\"architecture\":\"unknown\"}");
    let about = json!({ "schemaVersion": 2, "mediaType": oci("manifest"), "config": config,
        "layers": [statement] });
    let mut about = blob(layout, &oci("manifest"), about.to_string().as_bytes());
    about["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
    about["annotations"] = json!({ "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": manifests[0]["digest"] });
    manifests.push(about);
    let all = json!({ "schemaVersion": 2, "mediaType": oci("index"), "manifests": manifests });
    let mut top = blob(layout, &oci("index"), all.to_string().as_bytes());
    top["annotations"] = json!({ "org.opencontainers.image.ref.name": "x" });
    let index = json!({ "schemaVersion": 2, "manifests": [top] });
    fs::write(format!("{layout}/index.json"), index.to_string()).expect("write");
    index["manifests"][0]["digest"].as_str().expect("a digest").to_owned()
}

#[test]
fn whole_indexes_are_copied_as_skopeo_does() {
    let (ground, mark) = (Ground::new(), name());
    let (made, ours, theirs) = (ground.at("made"), ground.at("ours"), ground.at("theirs"));
    let digest = several_platforms(&Registry::start(), &made, &mark);
    let registry = DebianRegistry::start();
    let at = |tag: &str| format!("docker://{}/{mark}:{tag}", registry.host());
    let copy = |from: &str, to: &str| image(&["copy", "--all", from, to]);
    assert_eq!(copy(&format!("oci:{made}:x"), &at("1")).ok(), digest);
    assert_eq!(copy(&at("1"), &format!("oci:{ours}:x")).ok(), digest);
    skopeo(&["copy", "--all", "--src-tls-verify=false", &at("1"), &format!("oci:{theirs}:x")]).ok();
    let listed = |layout: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", "cd \"$1\"/blobs/sha256 && sha256sum *", "sh", layout]);
        finish(command, b"").ok()
    };
    assert_eq!(listed(&ours), listed(&theirs));
    assert_eq!(listed(&ours).lines().count(), 3 * 3 + 1);
    let archive = format!("oci-archive:{}:x", ground.at("archive"));
    assert_eq!(copy(&at("1"), &archive).ok(), digest);
    assert_eq!(copy(&archive, &at("2")).ok(), digest);
    let raw = ["inspect", "--raw", "--tls-verify=false"];
    assert_eq!(
        skopeo(&[&raw[..], &[&at("2")]].concat()).ok(),
        image(&["inspect", "--raw", &at("1")]).ok()
    );
    // Docker's list of what skopeo converted becomes an index of OCI's.
    let docker = ["copy", "--all", "--format", "v2s2", "--dest-tls-verify=false"];
    let one = format!("oci:{}:arm64", ground.at("one"));
    image(&["copy", "--platform", "linux/arm64", &format!("oci:{ours}:x"), &one]).ok();
    skopeo(&[&docker[..], &[&one, &at("3")]].concat()).ok();
    let again = ground.at("again");
    copy(&at("3"), &format!("oci:{again}:x")).ok();
    let raw = json_of(
        &image(&["inspect", "--raw", "--platform", "linux/arm64", &format!("oci:{again}:x")]).ok(),
    );
    assert_eq!(raw["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    let refused = copy(&at("1"), &format!("docker-archive:{}", ground.at("no"))).fails(1);
    assert!(refused.contains("holds one image of one platform"), "{refused}");
    ground.has(&["again", "archive", "made", "one", "ours", "theirs"]);
}

#[test]
fn goes_through_every_transport_and_stays_the_same() {
    let (ground, mark) = (Ground::new(), name());
    let registry = DebianRegistry::start();
    let made = layered(&mark, Flavour::Oci, [Gzip, Zstd, Plain]);
    fs::write(ground.at("docker.tar"), made.archive("stay/same:1")).expect("archive");
    let tag = |tag: &str| format!("docker://{}/{mark}:{tag}", registry.host());
    let places = [
        format!("docker-archive:{}", ground.at("docker.tar")),
        format!("oci:{}:a-tag", ground.at("layout")),
        tag("one"),
        format!("oci-archive:{}:v2", ground.at("oci.tar")),
        tag("two"),
        format!("docker-archive:{}:localhost:5000/b:3", ground.at("again.tar")),
        format!("oci:{}:last", ground.at("layout")),
    ];
    let digests: Vec<String> =
        places.windows(2).map(|pair| image(&["copy", &pair[0], &pair[1]]).ok()).collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
    for place in &places {
        let told = json_of(&image(&["inspect", place]).ok());
        assert_eq!(told["Digest"], digests[0], "{place}");
        assert!(
            image(&["verify", place])
                .ok()
                .contains("3 layers are as their digests say, 0 problems")
        );
        let mut args = vec!["inspect", place.as_str()];
        args.extend(place.starts_with("docker://").then_some("--tls-verify=false"));
        let theirs = json_of(&skopeo(&args).ok());
        assert_eq!(told["Env"], theirs["Env"], "{place}");
        if !place.starts_with("docker-archive:") {
            assert_eq!(theirs["Digest"], digests[0], "{place}");
        }
    }
    let seen = inspect_layout(Path::new(&ground.at("layout")), "last");
    assert_eq!(seen["Digest"], digests[0]);
    // Archives are not written over.
    assert!(image(&["copy", &tag("one"), &places[3]]).fails(1).contains("is there already"));
    ground.has(&["again.tar", "docker.tar", "layout", "oci.tar"]);
}

#[test]
fn unpacks_what_umoci_does() {
    for flavour in [Flavour::Oci, Flavour::Docker] {
        let (ground, mark) = (Ground::new(), name());
        let registry = Registry::start();
        // Docker's own form knows no zstd, nor does umoci.
        let made = layered(&mark, flavour, [Gzip, Plain, Gzip]);
        let from = format!("docker://{}", registry.push(&mark, "v1", &made));
        let layout = format!("oci:{}:x", ground.at("layout"));
        image(&["copy", &from, &layout]).ok();
        let (ours, theirs) = (ground.at("ours"), ground.at("theirs"));
        image(&["unpack", &from, &ours]).ok();
        let mut umoci = Command::new(packages::program("umoci", "umoci"));
        umoci.args(["raw", "unpack", "--image", &layout["oci:".len()..], &theirs]);
        finish(umoci, b"").ok();
        assert_eq!(listing(&ours), listing(&theirs));
        assert_eq!(fs::read(format!("{ours}/a/kept")).expect("file"), mark.as_bytes());
        let said = image(&["unpack", &layout, &ours]).fails(1);
        assert!(said.contains("is there already"), "{said}");
        ground.has(&["layout", "ours", "theirs"]);
    }
}

#[test]
fn damage_is_told_and_goes_nowhere() {
    let (ground, mark) = (Ground::new(), name());
    let registry = Registry::start();
    let made = layered(&mark, Flavour::Oci, [Gzip, Zstd, Plain]);
    let from = format!("docker://{}", registry.push(&mark, "v1", &made));
    let layout = format!("oci:{}:x", ground.at("layout"));
    image(&["copy", &from, &layout]).ok();
    let said = image(&["inspect", &format!("oci:{}:y", ground.at("layout"))]).fails(1);
    assert!(said.contains("has no image \"y\"; it has: x"), "{said}");
    let blob = made.layers[1].blob.clone();
    let path =
        ground.at(&format!("layout/blobs/{}", harness::image::digest(&blob).replace(':', "/")));
    let mut broken = blob.to_vec();
    broken[20] ^= 1;
    for bytes in [broken, blob[..30].to_vec()] {
        fs::write(&path, bytes).expect("write");
        let said = image(&["verify", &layout]);
        assert!(said.stdout.contains("broken: digest mismatch"), "{said:?}");
        said.fails(1);
        image(&["copy", &layout, &format!("oci-archive:{}", ground.at("out.tar"))]).fails(1);
        image(&["unpack", &layout, &ground.at("out")]).fails(1);
    }
    fs::remove_file(&path).expect("unlink");
    image(&["verify", &layout]).fails(1);
    image(&["inspect", &format!("docker://{}/nothing:here", registry.host())]).fails(1);
    image(&["copy", "dir:x", &layout]).fails(2);
    ground.has(&["layout"]);
}

#[test]
fn the_client_s_credentials_are_used() {
    let (ground, mark) = (Ground::new(), name());
    let registry = Registry::guarded(Guard::Basic("me:secret".into()));
    let made = layered(&mark, Flavour::Oci, [Gzip; 3]);
    let from = format!("docker://{}", registry.push(&mark, "v1", &made));
    image(&["inspect", &from]).fails(1);
    let auths = json!({ "auths": { registry.host(): { "auth": "bWU6c2VjcmV0" } } });
    fs::write(ground.at("config.json"), auths.to_string()).expect("write");
    let told = image_with(ground.0.path(), &["inspect", &from]).ok();
    assert_eq!(json_of(&told)["Digest"], made.manifest_digest());
}
