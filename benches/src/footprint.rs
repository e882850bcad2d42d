//! Memory of a daemon while it pulls a gibibyte, looked at again and again, and what is left of it
//! afterwards.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use harness::registry::{Guard, Registry};

use crate::memory::{family, field};
use crate::peer::Peer;
use crate::pull::large;
use crate::table::Table;

/// Of the image's layers together, unpacked.
const MEGABYTES: usize = 1074;
/// Between two looks.
const PERIOD: Duration = Duration::from_millis(50);
/// Until threads and buffers that are not needed have gone.
const REST: Duration = Duration::from_secs(15);

pub(crate) fn measure(peers: &[Peer], table: &mut Table) -> Result<()> {
    let image = large(MEGABYTES);
    let registry = Registry::listening(peers.first().context("a daemon")?.listen()?, Guard::Open);
    registry.push("bench/footprint", "latest", &image);
    let (mut before, mut during, mut after) = (Vec::new(), Vec::new(), Vec::new());
    for (index, peer) in peers.iter().enumerate() {
        let mut host = registry.host();
        if index > 0 {
            let listener = peer.listen()?;
            host = listener.local_addr()?.to_string();
            registry.also_on(listener);
        }
        let reference = format!("{host}/bench/footprint:latest");
        before.push(vec![pss(peer.pid)]);
        during.push(while_pulling(peer, &reference)?);
        peer.http.delete(&format!("/images/{reference}")).expect(200);
        thread::sleep(REST);
        after.push(vec![pss(peer.pid)]);
    }
    let peaks = during.iter().map(|looks| vec![looks.iter().copied().fold(0.0, f64::max)]);
    let peaks = peaks.collect();
    table.cost("footprint: before a pull of 1 GiB, PSS", "MB", before);
    table.cost("footprint: meanwhile, PSS, all looks", "MB", during);
    table.cost("footprint: meanwhile, PSS, the most", "MB", peaks);
    table.cost("footprint: 15 s later, PSS", "MB", after);
    Ok(())
}

fn while_pulling(peer: &Peer, reference: &str) -> Result<Vec<f64>> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let looks = scope.spawn(|| {
            let mut looks = Vec::new();
            while !done.load(Ordering::Relaxed) {
                looks.push(pss(peer.pid));
                thread::sleep(PERIOD);
            }
            looks
        });
        let pulled = peer.pull(reference);
        done.store(true, Ordering::Relaxed);
        let looks = looks.join().map_err(|_| anyhow::anyhow!("looking at the memory failed"))?;
        pulled.map(|()| looks)
    })
}

/// Of a daemon's processes together, in MB; what ends meanwhile does not count.
fn pss(pid: u32) -> f64 {
    let family = family(pid).unwrap_or_default();
    family.into_iter().map(|pid| field(pid, &["Pss:"]).unwrap_or(0.0)).sum::<f64>() / 1024.0
}
