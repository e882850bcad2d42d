//! Output: a container that writes many lines into its log, the log read back, and the same lines to
//! an attached client.

use std::io::{BufRead, BufReader, Read};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::peer::{IMAGE, Peer};
use crate::table::Table;

/// Bytes of a line, with its line feed.
const LINE: usize = 63;
/// Bytes read at once.
const CHUNK: usize = 1 << 16;

/// Every daemon writes, reads back and streams `lines` lines, `rounds` times.
pub(crate) fn measure(
    peers: &[Peer],
    rounds: usize,
    lines: usize,
    table: &mut Table,
) -> Result<()> {
    let none = || -> Vec<Vec<f64>> { peers.iter().map(|_| Vec::new()).collect() };
    for driver in ["json-file", "local"] {
        let (mut write, mut read) = (none(), none());
        for _ in 0..rounds {
            for (index, peer) in peers.iter().enumerate() {
                let (written, back) = write_and_read(peer, driver, lines)
                    .with_context(|| format!("{driver} log of {}", peer.name))?;
                write[index].push(written);
                read[index].push(back);
            }
        }
        table.cost(&format!("logs: {lines} lines to {driver}"), "ms", write);
        table.cost(&format!("logs: {lines} lines back from {driver}"), "ms", read);
    }
    let mut attached = none();
    for _ in 0..rounds {
        for (index, peer) in peers.iter().enumerate() {
            attached[index].push(attach(peer, lines)?);
        }
    }
    table.cost(&format!("attach: {lines} lines, no log"), "ms", attached);
    Ok(())
}

/// Milliseconds from the start to the exit, and to read everything back.
fn write_and_read(peer: &Peer, driver: &str, lines: usize) -> Result<(f64, f64)> {
    // Nothing may be rotated away.
    let options = json!({ "max-size": "1g", "max-file": "2" });
    let id = create(peer, lines, &json!({ "Type": driver, "Config": options }));
    let begin = Instant::now();
    peer.http.post(&format!("/containers/{id}/start")).expect(204);
    let ended = peer.http.post(&format!("/containers/{id}/wait")).expect(200).json();
    let written = milliseconds(begin);
    ensure!(ended["StatusCode"] == 0, "the writer has failed: {ended}");
    let begin = Instant::now();
    let path = format!("/containers/{id}/logs?stdout=1");
    let stream = peer.http.open("GET", &path, &[], b"");
    ensure!(stream.status == 200, "{}: status {}", stream.asked, stream.status);
    let seen = count(stream.body)?;
    let read = milliseconds(begin);
    ensure!(seen == lines, "{seen} of {lines} lines came back");
    peer.remove(&id);
    Ok((written, read))
}

/// Milliseconds from the start to the end of an attached client's stream.
fn attach(peer: &Peer, lines: usize) -> Result<f64> {
    let id = create(peer, lines, &json!({ "Type": "none" }));
    let path = format!("/containers/{id}/attach?stream=1&stdout=1");
    let mut client = peer.http.upgrade(&path, None).expect(101);
    let begin = Instant::now();
    peer.http.post(&format!("/containers/{id}/start")).expect(204);
    let seen = count(client.read_to_end().as_slice())?;
    let took = milliseconds(begin);
    ensure!(seen == lines, "{}: {seen} of {lines} lines came", peer.name);
    peer.remove(&id);
    Ok(took)
}

fn create(peer: &Peer, lines: usize, log: &Value) -> String {
    let line = "x".repeat(LINE - 1);
    let script = format!("yes {line} | head -n {lines}");
    let body = json!({ "Image": IMAGE, "Cmd": ["sh", "-c", script],
        "HostConfig": { "NetworkMode": "none", "LogConfig": log } });
    let answer = peer.http.post_json("/containers/create", &body).expect(201);
    answer.json()["Id"].as_str().expect("an id").to_owned()
}

/// Ends of lines in a multiplexed stream: frames of a header (eight bytes, the last four of them the
/// length) and a payload, which may end anywhere in a line.
fn count(from: impl Read) -> Result<usize> {
    let mut from = BufReader::with_capacity(CHUNK, from);
    let mut lines = 0;
    let mut payload = Vec::new();
    while !from.fill_buf()?.is_empty() {
        let mut header = [0; 8];
        from.read_exact(&mut header)?;
        let [.., a, b, c, d] = header;
        payload.resize(usize::try_from(u32::from_be_bytes([a, b, c, d]))?, 0);
        from.read_exact(&mut payload)?;
        lines += payload.iter().filter(|byte| **byte == b'\n').count();
    }
    Ok(lines)
}

fn milliseconds(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1000.0
}
