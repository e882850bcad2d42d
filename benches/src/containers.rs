//! What a container costs: by the API, by the stock CLI, and an exec in a running one.

use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::json;

use crate::peer::{IMAGE, Peer};
use crate::table::Table;

/// Milliseconds that `work` takes.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let begin = Instant::now();
    let value = work();
    (begin.elapsed().as_secs_f64() * 1000.0, value)
}

/// Parts of one cycle, in milliseconds.
struct Cycle {
    create: f64,
    start: f64,
    /// From the start's request to the answer of the wait.
    to_exit: f64,
    remove: f64,
    total: f64,
}

fn cycle(peer: &Peer, network: &str) -> Cycle {
    let begin = Instant::now();
    let (create, id) = timed(|| peer.create(&["true"], network));
    let started = Instant::now();
    let (start, ()) = timed(|| {
        peer.http.post(&format!("/containers/{id}/start")).expect(204);
    });
    let waited = peer.http.post(&format!("/containers/{id}/wait")).expect(200).json();
    let to_exit = started.elapsed().as_secs_f64() * 1000.0;
    assert_eq!(waited["StatusCode"], 0, "{}: {waited}", peer.name);
    let (remove, ()) = timed(|| {
        peer.http.delete(&format!("/containers/{id}")).expect(204);
    });
    Cycle { create, start, to_exit, remove, total: begin.elapsed().as_secs_f64() * 1000.0 }
}

/// Create, start, wait, remove by the API, on no network and on the default one.
pub(crate) fn cycles(peers: &[Peer], rounds: usize, table: &mut Table) {
    for network in ["none", "bridge"] {
        let mut seen: Vec<Vec<Cycle>> = peers.iter().map(|_| Vec::new()).collect();
        for round in 0..=rounds {
            for (index, peer) in peers.iter().enumerate() {
                crate::settle();
                let cycle = cycle(peer, network);
                // The first round warms caches.
                if round > 0 {
                    seen[index].push(cycle);
                }
            }
        }
        let column = |part: fn(&Cycle) -> f64| -> Vec<Vec<f64>> {
            seen.iter().map(|cycles| cycles.iter().map(part).collect()).collect()
        };
        table.cost(&format!("container, {network}: all"), "ms", column(|cycle| cycle.total));
        table.cost(&format!("container, {network}: create"), "ms", column(|cycle| cycle.create));
        table.cost(&format!("container, {network}: start"), "ms", column(|cycle| cycle.start));
        table.cost(&format!("container, {network}: start to exit"), "ms", column(|c| c.to_exit));
        table.cost(&format!("container, {network}: remove"), "ms", column(|cycle| cycle.remove));
    }
}

fn docker(peer: &Peer, args: &[&str]) {
    let status = Command::new(harness::docker::docker())
        .args(args)
        .env("DOCKER_HOST", format!("unix://{}", peer.http.socket().display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "docker {args:?} on {}", peer.name);
}

/// `docker run --rm IMAGE true`, and what the CLI costs by itself.
pub(crate) fn by_the_cli(peers: &[Peer], rounds: usize, table: &mut Table) {
    let run = ["run", "--rm", IMAGE, "true"];
    let alone = ["run", "--rm", "--network", "none", IMAGE, "true"];
    for (name, args) in [
        ("cli: docker version", &["version"][..]),
        ("cli: docker run --rm, none", &alone),
        ("cli: docker run --rm, bridge", &run),
    ] {
        let samples = in_turns(peers, rounds, |peer| timed(|| docker(peer, args)).0);
        table.cost(name, "ms", samples);
    }
}

/// Exec create and start, its output read to the end.
pub(crate) fn execs(peers: &[Peer], rounds: usize, table: &mut Table) {
    let ids: Vec<_> = peers
        .iter()
        .map(|peer| {
            let id = peer.create(&["sleep", "3600"], "none");
            peer.http.post(&format!("/containers/{id}/start")).expect(204);
            id
        })
        .collect();
    let exec = |peer: &Peer, id: &str| {
        let body = json!({ "AttachStdout": true, "AttachStderr": true, "Cmd": ["true"] });
        let path = format!("/containers/{id}/exec");
        let exec = peer.http.post_json(&path, &body).expect(201).json();
        let path = format!("/exec/{}/start", exec["Id"].as_str().expect("an id"));
        let start = json!({ "Detach": false, "Tty": false });
        peer.http.upgrade(&path, Some(&start)).expect(101).read_to_end();
    };
    let samples = in_turns(peers, rounds, |peer| {
        let index = peers.iter().position(|other| other.name == peer.name).expect("a peer");
        timed(|| exec(peer, &ids[index])).0
    });
    table.cost("exec: create, start, end of output", "ms", samples);
    for (peer, id) in peers.iter().zip(&ids) {
        peer.remove(id);
    }
}

/// `measure` on each peer in turns; the first round is not counted.
pub(crate) fn in_turns(
    peers: &[Peer],
    rounds: usize,
    measure: impl Fn(&Peer) -> f64,
) -> Vec<Vec<f64>> {
    let mut samples: Vec<Vec<f64>> = peers.iter().map(|_| Vec::new()).collect();
    for round in 0..=rounds {
        for (index, peer) in peers.iter().enumerate() {
            crate::settle();
            let sample = measure(peer);
            if round > 0 {
                samples[index].push(sample);
            }
        }
    }
    samples
}
