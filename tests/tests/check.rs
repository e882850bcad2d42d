//! `jockerd check` on a data root whose daemon has ended.

use std::fs;
use std::process::Command;

use harness::Daemon;
use harness::daemon::{Options, jockerd};
use harness::docker::{Run, finish};
use harness::image::Image;

fn check(daemon: &Daemon, more: &[&str]) -> Run {
    let mut command = Command::new(jockerd());
    command.arg("check").arg("--data-root").arg(daemon.data_root()).args(more);
    finish(command, b"")
}

#[test]
fn tells_and_repairs_what_is_broken() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let image = Image::busybox();
    let refused = check(&daemon, &[]).fails(2);
    assert!(refused.contains("in use by another daemon"), "{refused}");
    daemon.stop();
    let sum = check(&daemon, &[]).ok();
    assert!(sum.starts_with("checked 1 images, 1 layers, 3 blobs ("), "{sum}");
    assert!(sum.ends_with(": 0 broken"), "{sum}");

    let hex = image.layers[0].digest.trim_start_matches("sha256:");
    let blob = daemon.data_root().join("blobs/sha256").join(hex);
    let mut bytes = fs::read(&blob).expect("blob");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&blob, bytes).expect("damage");
    let broken = check(&daemon, &[]);
    let told = &broken.stdout;
    assert_eq!(broken.code, 1, "{told}");
    assert!(told.contains(&format!("blob sha256:{hex}: its bytes have the digest")), "{told}");
    assert!(told.contains("to be pulled again: docker.io/library/jocker-test:latest"), "{told}");
    let repaired = check(&daemon, &["--repair"]).ok();
    assert!(repaired.contains("(dropped)"), "{repaired}");

    daemon.start_again(&Options::new());
    daemon.http().get("/images/jocker-test:latest/json").expect(404);
    let reference = daemon.registry().push("mended", "latest", image);
    daemon.http().post(&format!("/images/create?fromImage={reference}")).expect(200);
    daemon.stop();
    let sum = check(&daemon, &[]).ok();
    assert!(sum.ends_with(": 0 broken"), "{sum}");
}

#[test]
fn needs_a_store() {
    let nothing = tempfile::tempdir().expect("directory");
    let mut command = Command::new(jockerd());
    command.arg("check").arg("--data-root").arg(nothing.path());
    let told = finish(command, b"").fails(2);
    assert!(told.contains("no store in"), "{told}");
}
