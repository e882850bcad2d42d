//! A pull of a large image from a registry in this process.

use std::time::Instant;

use anyhow::{Context, Result};
use harness::image::{Compression, Files, Flavour, Image, PATH};
use harness::registry::{Guard, Registry};
use serde_json::json;

use crate::others;
use crate::peer::Peer;
use crate::table::Table;

/// Layers of the image.
const LAYERS: usize = 6;
/// Bytes of a file; a layer is full of such.
const FILE: usize = 256 * 1024;

pub(crate) fn measure(
    peers: &[Peer],
    rounds: usize,
    megabytes: usize,
    table: &mut Table,
) -> Result<()> {
    let image = large(megabytes);
    let registry = Registry::listening(peers.first().context("a daemon")?.listen()?, Guard::Open);
    let mut references = Vec::new();
    for (index, peer) in peers.iter().enumerate() {
        let host = if index == 0 {
            registry.host()
        } else {
            let listener = peer.listen()?;
            let host = listener.local_addr()?.to_string();
            registry.also_on(listener);
            host
        };
        registry.push("bench/large", "latest", &image);
        references.push(format!("{host}/bench/large:latest"));
    }
    let mut samples: Vec<Vec<f64>> = peers.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (index, peer) in peers.iter().enumerate() {
            let begin = Instant::now();
            peer.pull(&references[index])?;
            samples[index].push(begin.elapsed().as_secs_f64());
            peer.http.delete(&format!("/images/{}", references[index])).expect(200);
        }
    }
    let packed: usize = image.layers.iter().map(|layer| layer.blob.len()).sum();
    let unpacked: usize = image.layers.iter().map(|layer| layer.tar.len()).sum();
    let name = format!("pull: {LAYERS} layers, {}/{} MB", packed / 1_000_000, unpacked / 1_000_000);
    let own = samples[0].clone();
    table.cost(&name, "s", samples);
    others::measure((&peers[0], &references[0]), &image, &own, table)?;
    Ok(())
}

/// An image whose files are half noise, half text.
pub(crate) fn large(megabytes: usize) -> Image {
    let files = megabytes * 1_000_000 / LAYERS / FILE;
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let layers = (0..LAYERS).map(|layer| {
        let mut tar = Files::new().dir(&format!("layer{layer}"), 0o755);
        for file in 0..files {
            tar = tar.file(&format!("layer{layer}/file{file}"), 0o644, &noise.file());
        }
        tar.layer(Compression::Gzip)
    });
    Image::new(Flavour::Oci, layers.collect(), &json!({ "Cmd": ["true"], "Env": [PATH] }))
}

/// Marsaglia's xorshift64: the same bytes in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn file(&mut self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FILE);
        while bytes.len() < FILE {
            if self.next().is_multiple_of(2) {
                (0..64).for_each(|_| bytes.extend_from_slice(&self.next().to_le_bytes()));
            } else {
                let line = format!("line {} of a file that compresses well\n", self.next() % 1000);
                (0..12).for_each(|_| bytes.extend_from_slice(line.as_bytes()));
            }
        }
        bytes.truncate(FILE);
        bytes
    }
}
