//! Requests a second on one connection and on eight, and how long the slowest of eight clients wait:
//! the smallest request, what the daemon says of itself, and a list of containers.

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::peer::Peer;
use crate::table::Table;

/// How long one sample lasts.
const SAMPLE: Duration = Duration::from_millis(700);
/// Samples of each daemon.
const SAMPLES: usize = 3;
/// Containers in the list.
const CONTAINERS: usize = 100;
/// What is asked for.
const PATHS: [(&str, &str); 4] = [
    ("_ping", "/_ping"),
    ("version", "/version"),
    ("info", "/info"),
    ("containers/json", "/containers/json?all=1"),
];
/// Of a hundred answers so many came in the time that is told.
const PERCENT: usize = 99;
/// How every answer begins.
const STATUS: &[u8] = b"HTTP/1.1 200 OK\r\n";
/// Bytes of an answer at most.
const MAX_ANSWER: usize = 1 << 20;

pub(crate) fn measure(peers: &[Peer], table: &mut Table) -> Result<()> {
    let ids: Vec<Vec<String>> = peers
        .iter()
        .map(|peer| (0..CONTAINERS).map(|_| peer.create(&["true"], "none")).collect())
        .collect();
    for (name, path) in PATHS {
        for clients in [1, 8] {
            let mut samples: Vec<Vec<f64>> = peers.iter().map(|_| Vec::new()).collect();
            let mut slowest = samples.clone();
            for _ in 0..SAMPLES {
                for (index, peer) in peers.iter().enumerate() {
                    let mut waits = waits(peer, path, clients)?;
                    samples[index].push(waits.len() as f64 / SAMPLE.as_secs_f64());
                    waits.sort_unstable();
                    let wait = waits.get(waits.len() * PERCENT / 100).copied().unwrap_or_default();
                    slowest[index].push(wait.as_secs_f64() * 1000.0);
                }
            }
            table.rate(&format!("requests: {name}, {clients} clients"), "1/s", samples);
            if clients > 1 {
                table.cost(
                    &format!("requests: {name}, {clients} clients, p{PERCENT}"),
                    "ms",
                    slowest,
                );
            }
        }
    }
    for (peer, ids) in peers.iter().zip(&ids) {
        for id in ids {
            peer.remove(id);
        }
    }
    Ok(())
}

/// How long each answer took that came within a sample's time.
fn waits(peer: &Peer, path: &str, clients: usize) -> Result<Vec<Duration>> {
    let end = Instant::now() + SAMPLE;
    let each: Vec<Result<Vec<Duration>>> = thread::scope(|scope| {
        let workers: Vec<_> =
            (0..clients).map(|_| scope.spawn(|| ask_until(peer, path, end))).collect();
        workers.into_iter().map(|worker| worker.join().expect("a client")).collect()
    });
    Ok(each.into_iter().collect::<Result<Vec<_>>>()?.concat())
}

/// Asks on one connection again and again; how long each answer took.
fn ask_until(peer: &Peer, path: &str, end: Instant) -> Result<Vec<Duration>> {
    let mut stream = peer.http.connect();
    let request = format!("GET {path} HTTP/1.1\r\nHost: d\r\n\r\n");
    let mut buffer = vec![0; MAX_ANSWER];
    let mut waits = Vec::new();
    let mut begin = Instant::now();
    while begin < end {
        stream.write_all(request.as_bytes())?;
        let mut length = 0;
        while !is_whole(&buffer[..length]) {
            let read = stream.read(&mut buffer[length..])?;
            ensure!(read > 0, "the connection ended");
            length += read;
        }
        let head = &buffer[..length.min(STATUS.len())];
        ensure!(head == STATUS, "{path}: {}", String::from_utf8_lossy(head));
        let now = Instant::now();
        waits.push(now - begin);
        begin = now;
    }
    Ok(waits)
}

/// Whether an answer, counted or chunked, is there to its end.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let counted: Option<usize> =
        text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    match counted {
        Some(length) => bytes.len() >= head + 4 + length,
        None => bytes.ends_with(b"\r\n0\r\n\r\n"),
    }
}
