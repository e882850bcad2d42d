//! Lists of images and the disk's usage where there are a thousand images.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use harness::image::{Compression, Files, Flavour, Image};
use serde_json::json;

use crate::peer::Peer;
use crate::table::Table;

/// Images of each daemon.
const IMAGES: usize = 1000;
/// Requests of each kind.
const REQUESTS: usize = 50;
/// Pause between two requests.
const PAUSE: Duration = Duration::from_millis(10);
/// Loads at the same time.
const CLIENTS: usize = 4;
/// What all of them have, and nothing else.
const LABEL: &str = "jocker-bench-many";

pub(crate) fn measure(peers: &[Peer], table: &mut Table) -> Result<()> {
    let (mut lists, mut usages) = (Vec::new(), Vec::new());
    for peer in peers {
        fill(peer)?;
        lists.push(samples(peer, "/images/json"));
        usages.push(samples(peer, "/system/df?type=image"));
        let filters =
            format!("%7B%22dangling%22%3A%5B%22false%22%5D%2C%22label%22%3A%5B%22{LABEL}%22%5D%7D");
        peer.http.post(&format!("/images/prune?filters={filters}")).expect(200);
    }
    table.cost(&format!("images: list of {IMAGES}"), "ms", lists);
    table.cost(&format!("images: usage of {IMAGES}"), "ms", usages);
    Ok(())
}

/// Images of a common layer and one of their own each.
fn fill(peer: &Peer) -> Result<()> {
    let base = Files::new().file("base", 0o644, b"of all").layer(Compression::Plain);
    let load = |number: usize| {
        let own = Files::new().file("own", 0o644, number.to_string().as_bytes());
        let layers = vec![base.clone(), own.layer(Compression::Plain)];
        let image = Image::new(Flavour::Oci, layers, &json!({ "Labels": { (LABEL): "" } }));
        let archive = image.archive(&format!("bench/many:{number}"));
        let headers = [("Content-Type", "application/x-tar")];
        let answer = peer.http.send("POST", "/images/load?quiet=1", &headers, &archive);
        ensure!(answer.text().contains("Loaded image"), "{}: {}", answer.asked, answer.text());
        Ok(())
    };
    thread::scope(|scope| {
        let client = |first: usize| (first..IMAGES).step_by(CLIENTS).try_for_each(load);
        let clients: Vec<_> =
            (0..CLIENTS).map(|first| scope.spawn(move || client(first))).collect();
        clients.into_iter().try_for_each(|client| client.join().expect("a client"))
    })
}

/// Milliseconds of each request.
fn samples(peer: &Peer, path: &str) -> Vec<f64> {
    let one = |_| {
        thread::sleep(PAUSE);
        let begin = Instant::now();
        peer.http.get(path).expect(200);
        begin.elapsed().as_secs_f64() * 1000.0
    };
    (0..REQUESTS).map(one).collect()
}
