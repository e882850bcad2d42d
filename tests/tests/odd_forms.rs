//! What people type and bring beside the usual forms of images: other compressions, platforms that an image
//! is not for, names that nothing can have, and errors while a client still writes.

use std::io::Write;
use std::process::{Command, Stdio};

use harness::debian_registry::DebianRegistry;
use harness::image::{Compression, Files, Flavour, Image};
use harness::{Daemon, name};
use tempfile::TempDir;

fn image(mark: &str) -> Image {
    let layer = Files::new().file("mark", 0o640, mark.as_bytes()).layer(Compression::Plain);
    Image::new(Flavour::Oci, vec![layer], &serde_json::json!({ "Cmd": ["true"] }))
}

/// What a program of the host makes of bytes.
fn through(program: &str, bytes: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(["--compress", "--stdout"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
    let (mut stdin, bytes) = (child.stdin.take().expect("stdin"), bytes.to_vec());
    let writer = std::thread::spawn(move || stdin.write_all(&bytes).expect("write"));
    let output = child.wait_with_output().expect("wait");
    writer.join().expect("writer");
    output.stdout
}

#[test]
fn archives_of_xz_and_bzip2_are_read() {
    let daemon = Daemon::start();
    for program in ["xz", "bzip2"] {
        let mark = name();
        let tag = format!("{mark}:v1");
        let (image, tree) =
            (image(&mark), Files::new().file("mark", 0o640, mark.as_bytes()).finish());
        let loaded = through(program, &image.archive(&tag));
        assert_eq!(
            daemon.docker_with(&["load", "-q"], &loaded).ok(),
            format!("Loaded image: {tag}")
        );
        let half = &loaded[..loaded.len() / 2];
        daemon.docker_with(&["load", "-q"], half).fails(1);
        let imported = format!("{mark}:imported");
        let bytes = through(program, &tree);
        daemon.docker_with(&["import", "-", &imported], &bytes).ok();
        let layers = "{{index .RootFS.Layers 0}}";
        let diff_id = daemon.docker(&["image", "inspect", "-f", layers, &imported]).ok();
        assert_eq!(diff_id, harness::image::digest(&tree));
        let id = daemon.docker(&["create", &tag, "true"]).ok();
        daemon.docker_with(&["cp", "-", &format!("{id}:/")], &bytes).ok();
        daemon.docker(&["rm", &id]).ok();
        daemon.docker(&["rmi", &tag, &imported]).ok();
    }
}

#[test]
fn errors_are_seen_by_clients_that_still_write() {
    let daemon = Daemon::start();
    let much = vec![7; 16 << 20];
    let dir = TempDir::new().expect("directory");
    let file = dir.path().join("much");
    std::fs::write(&file, &much).expect("write");
    let (file, nobody) = (file.display().to_string(), name());
    for _ in 0..3 {
        let said = daemon.docker_with(&["import", "-c", "RUN x", "-", "x:y"], &much).fails(1);
        assert!(said.contains("RUN is not a valid change command"), "{said}");
        let said = daemon.docker(&["cp", &file, &format!("{nobody}:/x")]).fails(1);
        assert!(said.contains(&format!("No such container: {nobody}")), "{said}");
    }
}

#[test]
fn a_platform_that_is_asked_for_is_looked_at_every_time() {
    let daemon = Daemon::start();
    let registry = DebianRegistry::start();
    let mark = name();
    let reference = registry.push(&mark, "v1", &image(&mark));
    let pull = |platform: &str| daemon.docker(&["pull", "-q", "--platform", platform, &reference]);
    assert_eq!(pull("linux/amd64").ok(), reference);
    let said = pull("linux/arm64").fails(1);
    assert!(said.contains("does not match the specified platform"), "{said}");
    assert_eq!(daemon.docker(&["pull", "-q", &reference]).ok(), reference);
    daemon.docker(&["rmi", &reference]).ok();
}

#[test]
fn names_that_nothing_has_are_told_as_such() {
    let daemon = Daemon::start();
    for (args, words) in [
        (&["inspect", "--type", "container", "a/b:1"][..], "No such container: a/b:1"),
        (&["start", "a/b"], "No such container: a/b"),
        (&["exec", "a/b", "true"], "No such container: a/b"),
        (&["logs", "a/b"], "No such container: a/b"),
        (&["inspect", "--type", "network", "a/b"], "network a/b not found"),
        (&["volume", "rm", "a/b"], "get a/b: no such volume"),
        (&["save", "-o", "/dev/null/x", "A"], "invalid output path"),
        (&["images", "--filter", "reference=["], "syntax error in pattern"),
        (&["kill", "-s", "99", "a/b"], "a/b: the linux daemon does not support signal 99"),
        (&["search", "http://x"], "repository name (http://x) should not have a scheme"),
    ] {
        let run = daemon.docker(args);
        assert!(run.code != 0 && run.stderr.contains(words), "{args:?}: {}", run.stderr);
    }
    let answer = daemon.http().get("/images/A/get");
    assert_eq!(
        answer.message(),
        "invalid reference format: repository name (library/A) must be lowercase"
    );
    let tar = Files::new().file("a", 0o644, b"x").finish();
    for (change, words) in [
        ("", "file with no instructions"),
        ("nosuch x", "nosuch is not a valid change command"),
        ("VOLUME []", "VOLUME requires at least one argument"),
    ] {
        let said = daemon.docker_with(&["import", "-c", change, "-", "x:y"], &tar).fails(1);
        assert!(said.contains(words), "{said}");
    }
}
