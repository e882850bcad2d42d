//! Pulls against what lasts and what breaks: the daemon's own death, many layers at a slow registry,
//! a registry that knows its users.

use std::fs;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use harness::daemon::Options;
use harness::debian_registry::DebianRegistry;
use harness::image::{Compression, Files, Flavour, Image, PATH};
use harness::registry::{FaultKind, Registry};
use harness::{Answer, Daemon, eventually, name};
use serde_json::json;

/// A layer's bytes go through a slow registry in pieces of this size.
const PIECE: usize = 16 << 10;

fn noise(seed: usize, length: usize) -> Vec<u8> {
    let mut state = seed as u64 | 0x9e37_79b9_0000_0000;
    let byte = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(byte).collect()
}

/// An image with one file of noise in each layer.
fn image(layers: usize, bytes: usize) -> Image {
    let mark = name();
    let layers = (0..layers).map(|layer| {
        let files = Files::new().file(&format!("{mark}-{layer}"), 0o644, &noise(layer + 1, bytes));
        files.layer(Compression::Gzip)
    });
    Image::new(Flavour::Oci, layers.collect(), &json!({ "Cmd": ["true"], "Env": [PATH] }))
}

#[track_caller]
fn pulled(daemon: &Daemon, reference: &str) {
    let answer = daemon.http().post(&format!("/images/create?fromImage={reference}")).expect(200);
    assert!(!answer.text().contains("errorDetail"), "{}", answer.text());
}

fn remove(daemon: &Daemon, reference: &str) {
    daemon.http().delete(&format!("/images/{reference}?force=1")).expect(200);
}

#[test]
fn goes_on_after_the_daemon_s_death() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let registry = Registry::start();
    let image = image(1, 2 << 20);
    let reference = registry.push("death", "v1", &image);
    let layer = &image.layers[0];
    registry.fail(&layer.digest, 1, FaultKind::Slow(20));
    let path = format!("/images/create?fromImage={reference}");
    let pull = daemon.http().open("POST", &path, &[], b"");
    let hex = layer.digest.trim_start_matches("sha256:");
    let partial = daemon.data_root().join(format!("ingest/{hex}.partial"));
    let length = || fs::metadata(&partial).map_or(0, |file| file.len());
    eventually("a part of the layer", Duration::from_secs(20), || {
        (length() > 10 * PIECE as u64).then_some(())
    });
    daemon.kill9();
    drop(pull);
    let there = length();
    assert!(there < layer.blob.len() as u64, "all of it had come already");
    daemon.start_again(&Options::new());
    registry.heal();
    pulled(&daemon, &reference);
    let asked = registry.asked(&layer.digest);
    let range = asked.last().and_then(|asked| asked.headers.get("range"));
    assert_eq!(range, Some(&format!("bytes={there}-")), "{asked:?}");
    remove(&daemon, &reference);
}

#[test]
fn layers_come_side_by_side() {
    const LAYERS: usize = 10;
    const PAUSE: Duration = Duration::from_millis(100);
    let daemon = Daemon::start();
    let registry = Registry::start();
    let image = image(LAYERS, 5 * PIECE);
    let reference = registry.push("many", "v1", &image);
    let mut one_by_one = Duration::ZERO;
    for layer in &image.layers {
        registry.fail(&layer.digest, 1, FaultKind::Slow(PAUSE.as_millis() as u64));
        one_by_one += PAUSE * u32::try_from(layer.blob.len() / PIECE).expect("few");
    }
    let begin = Instant::now();
    pulled(&daemon, &reference);
    let took = begin.elapsed();
    // Three at a time, if nobody says otherwise.
    assert!(took < one_by_one * 4 / 5, "{took:?} of {one_by_one:?}");
    remove(&daemon, &reference);
}

/// The most memory that the daemon ever had, in bytes: proc_pid_status(5).
fn peak(daemon: &Daemon) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

#[test]
fn a_large_image_takes_no_more_memory_than_a_small_one() {
    const MOST: u64 = 64 << 20;
    const MORE: u64 = 12 << 20;
    let Some(daemon) = Daemon::ours() else { return };
    let registry = Registry::start();
    let (noise, mark) = (noise(1, 1 << 20), name());
    let mut peaks = Vec::new();
    for megabytes in [8, 64] {
        let layers = (0..4).map(|layer| {
            let files =
                Files::new().file(&format!("{mark}-{layer}"), 0o644, &noise.repeat(megabytes));
            files.layer(Compression::Gzip)
        });
        let image = Image::new(Flavour::Oci, layers.collect(), &json!({ "Cmd": ["true"] }));
        let reference = registry.push("large", &format!("{megabytes}"), &image);
        pulled(&daemon, &reference);
        peaks.push(peak(&daemon));
        remove(&daemon, &reference);
    }
    assert!(peaks[1] < MOST && peaks[1] < peaks[0] + MORE, "{peaks:?}");
}

/// Asks with credentials, if there are any.
fn ask(daemon: &Daemon, path: &str, password: Option<&str>) -> Answer {
    let auth = password.map(|password| json!({ "username": "me", "password": password }));
    let header = URL_SAFE.encode(auth.unwrap_or(json!({})).to_string());
    daemon.http().send("POST", path, &[("X-Registry-Auth", &header)], b"")
}

fn is_done(answer: &Answer) -> bool {
    answer.status == 200 && !answer.text().contains("errorDetail")
}

#[test]
fn a_real_registry_lets_its_users_in() {
    let daemon = Daemon::start();
    let user = "me:$2b$05$abcdefghijklmnopqrstuu2hRFrp4I066MRb3RN97889YsHW2pPHq";
    let registry = DebianRegistry::guarded(Some(user));
    let login = |password: &str| {
        let host = registry.host();
        let body = json!({ "username": "me", "password": password, "serveraddress": host });
        daemon.http().post_json("/auth", &body)
    };
    assert_eq!(login("p4ssword").expect(200).json()["Status"], "Login Succeeded");
    let refused = login("wrong");
    assert!(refused.status == 401 || refused.status == 500, "{}", refused.text());
    let image = image(1, 1000);
    let mark = name();
    let archive = image.archive(&format!("{mark}:v1"));
    let kind = [("Content-Type", "application/x-tar")];
    daemon.http().send("POST", "/images/load", &kind, &archive).expect(200);
    let repository = format!("{}/{mark}", registry.host());
    let path = format!("/images/{mark}:v1/tag?repo={repository}&tag=v1");
    daemon.http().post(&path).expect(201);
    let push = format!("/images/{repository}/push?tag=v1");
    assert!(!is_done(&ask(&daemon, &push, None)));
    assert!(!is_done(&ask(&daemon, &push, Some("wrong"))));
    let pushed = ask(&daemon, &push, Some("p4ssword"));
    assert!(is_done(&pushed), "{}", pushed.text());
    remove(&daemon, &format!("{mark}:v1"));
    remove(&daemon, &format!("{repository}:v1"));
    let pull = format!("/images/create?fromImage={repository}:v1");
    assert!(!is_done(&ask(&daemon, &pull, None)));
    assert!(!is_done(&ask(&daemon, &pull, Some("wrong"))));
    let pulled = ask(&daemon, &pull, Some("p4ssword"));
    assert!(is_done(&pulled), "{}", pulled.text());
    assert!(!pulled.text().contains("p4ssword"));
    remove(&daemon, &format!("{repository}:v1"));
}
