//! The daemon is killed by itself at every named step (`JOCKER_CRASH_AT`) of a pull and of a
//! start; the next daemon finds a legal state and goes on.

use std::time::Duration;

use harness::daemon::Options;
use harness::image::{Compression, Files, Flavour, Image, PATH, busybox_files};
use harness::registry::Registry;
use harness::{Client, Daemon, eventually, name, source};
use serde_json::json;

/// The steps that the sources name: the arguments of `crash::step(…)`.
fn steps() -> Vec<String> {
    let mut steps: Vec<String> = source::files(".rs")
        .iter()
        .filter(|file| !file.path.starts_with("tests/"))
        .flat_map(|file| {
            let pieces = file.text.split("crash::step(\"").skip(1);
            pieces
                .filter_map(|piece| piece.split('"').next())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    steps.sort();
    steps.dedup();
    steps
}

/// How the store's own index names the test image.
const LISTED: &str = "docker.io/library/jocker-test:latest";

fn two_layers() -> Image {
    let upper = Files::new().file("mark", 0o644, name().as_bytes()).layer(Compression::Gzip);
    let layers = vec![busybox_files().layer(Compression::Gzip), upper];
    Image::new(Flavour::Oci, layers, &json!({ "Cmd": ["sh"], "Env": [PATH] }))
}

/// Makes a request whose answer may never come.
fn attempt(client: &Client, request: impl FnOnce(&Client) + Send + 'static) {
    if !client.is_up() {
        return;
    }
    // The connection breaks when the daemon dies: that is no failure of this test.
    std::panic::set_hook(Box::new(|_| {}));
    let client = client.clone();
    let _broken_or_answered = std::thread::spawn(move || request(&client)).join();
    let _restored = std::panic::take_hook();
}

/// Pulls, creates, starts and removes under a daemon that dies at `step`; whether it died.
fn die_at(daemon: &mut Daemon, step: &str, reference: &str) -> bool {
    daemon.kill9();
    daemon.start_again(&Options::new().env("JOCKER_CRASH_AT", step));
    let http = daemon.http().clone();
    let called = name();
    let body = json!({ "Image": reference, "Cmd": ["sh", "-c", "exit 3"],
        "HostConfig": { "NetworkMode": "bridge" } });
    let create = format!("/containers/create?name={called}");
    let pull = format!("/images/create?fromImage={reference}");
    attempt(&http, move |client| drop(client.post(&pull)));
    attempt(&http, move |client| drop(client.post_json(&create, &body)));
    for path in [format!("/containers/{called}/start"), format!("/containers/{called}/wait")] {
        attempt(&http, move |client| drop(client.post(&path)));
    }
    for path in [format!("/containers/{called}?force=1"), format!("/images/{reference}")] {
        attempt(&http, move |client| drop(client.delete(&path)));
    }
    !http.is_up()
}

#[test]
fn every_step_of_a_pull_and_of_a_start() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let registry = Registry::start();
    let steps = steps();
    assert!(!steps.is_empty(), "the sources name no step to die at");
    let mut reached = 0;
    for step in &steps {
        let image = two_layers();
        let reference = registry.push("crash", &format!("at-{reached}-{}", name()), &image);
        if die_at(&mut daemon, step, &reference) {
            reached += 1;
            daemon.wait_for_end();
            daemon.start_again(&Options::new());
        } else {
            daemon.kill9();
            daemon.start_again(&Options::new());
        }
        check(&daemon, step, &reference);
    }
    assert!(reached * 2 >= steps.len(), "{reached} of {steps:?} were reached");
}

/// Everything that is listed is whole, everything can be done again, everything can be removed.
#[track_caller]
fn check(daemon: &Daemon, step: &str, reference: &str) {
    let http = daemon.http();
    for container in daemon.list_all() {
        let id = container["Id"].as_str().expect("an id");
        let shown = http.get(&format!("/containers/{id}/json"));
        let state = if shown.status == 404 { json!({}) } else { shown.json()["State"].clone() };
        let status = state["Status"].as_str().unwrap_or("removing").to_owned();
        if status == "removing" {
            // Its removal was under way, and goes on.
            eventually("it is gone", Duration::from_secs(20), || {
                (http.get(&format!("/containers/{id}/json")).status == 404).then_some(())
            });
            continue;
        }
        assert!(["created", "running", "exited"].contains(&status.as_str()), "{step}: {state}");
        if status == "running" {
            eventually("its end", Duration::from_secs(20), || {
                (daemon.inspect(id)["State"]["Running"] == false).then_some(())
            });
            assert_eq!(daemon.inspect(id)["State"]["ExitCode"], 3, "{step}");
        }
        daemon.remove(id);
    }
    let known = http.get(&format!("/images/{reference}/json")).status == 200;
    let body = json!({ "Image": reference });
    if known {
        assert_eq!(daemon.sh(&body, "cat /mark > /dev/null; echo whole"), "whole\n", "{step}");
    }
    let pulled = http.post(&format!("/images/create?fromImage={reference}")).expect(200);
    assert!(!pulled.text().contains("errorDetail"), "{step}: {}", pulled.text());
    assert_eq!(daemon.sh(&body, "cat /mark > /dev/null; echo whole"), "whole\n", "{step}");
    http.delete(&format!("/images/{reference}")).expect(200);
    let layout = harness::debian_registry::inspect_layout(&daemon.data_root(), LISTED);
    assert_eq!(layout["Architecture"], "amd64", "{step}");
}
