//! Requests a second: the smallest one, and a list of containers, on one connection and on eight.

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
const CONTAINERS: usize = 20;
/// Bytes of an answer at most.
const MAX_ANSWER: usize = 1 << 20;

pub(crate) fn measure(peers: &[Peer], table: &mut Table) -> Result<()> {
    let ids: Vec<Vec<String>> = peers
        .iter()
        .map(|peer| (0..CONTAINERS).map(|_| peer.create(&["true"], "none")).collect())
        .collect();
    for (name, path) in [("_ping", "/_ping"), ("containers/json", "/containers/json?all=1")] {
        for clients in [1, 8] {
            let mut samples: Vec<Vec<f64>> = peers.iter().map(|_| Vec::new()).collect();
            for _ in 0..SAMPLES {
                for (index, peer) in peers.iter().enumerate() {
                    samples[index].push(rate(peer, path, clients)?);
                }
            }
            table.rate(&format!("requests: {name}, {clients} clients"), "1/s", samples);
        }
    }
    for (peer, ids) in peers.iter().zip(&ids) {
        for id in ids {
            peer.remove(id);
        }
    }
    Ok(())
}

fn rate(peer: &Peer, path: &str, clients: usize) -> Result<f64> {
    let begin = Instant::now();
    let counts: Vec<Result<u32>> = thread::scope(|scope| {
        let workers: Vec<_> =
            (0..clients).map(|_| scope.spawn(|| ask_until(peer, path, begin + SAMPLE))).collect();
        workers.into_iter().map(|worker| worker.join().expect("a client")).collect()
    });
    let total: u32 = counts.into_iter().sum::<Result<u32>>()?;
    Ok(f64::from(total) / begin.elapsed().as_secs_f64())
}

/// Asks on one connection again and again; how often an answer came.
fn ask_until(peer: &Peer, path: &str, end: Instant) -> Result<u32> {
    let mut stream = peer.http.connect();
    let request = format!("GET {path} HTTP/1.1\r\nHost: d\r\n\r\n");
    let mut buffer = vec![0; MAX_ANSWER];
    let mut count = 0;
    while Instant::now() < end {
        stream.write_all(request.as_bytes())?;
        let mut length = 0;
        while !is_whole(&buffer[..length]) {
            let read = stream.read(&mut buffer[length..])?;
            ensure!(read > 0, "the connection ended");
            length += read;
        }
        count += 1;
    }
    Ok(count)
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
