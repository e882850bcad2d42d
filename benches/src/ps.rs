//! How long a list of the running containers takes, alone and while eight clients start and stop others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::peer::Peer;
use crate::table::Table;

/// Clients that start and stop.
const CLIENTS: usize = 8;
/// Containers that run all the time.
const RUNNING: usize = 20;
/// Lists of each daemon.
const LISTS: usize = 200;
/// Pause between two lists.
const PAUSE: Duration = Duration::from_millis(10);

pub(crate) fn measure(peers: &[Peer], table: &mut Table) {
    let (mut alone, mut busy, mut worst) = (Vec::new(), Vec::new(), Vec::new());
    for peer in peers {
        let ids: Vec<_> = (0..RUNNING).map(|_| started(peer)).collect();
        alone.push(lists(peer));
        let samples = while_busy(peer);
        worst.push(vec![samples.iter().copied().fold(0.0, f64::max)]);
        busy.push(samples);
        ids.iter().for_each(|id| peer.remove(id));
    }
    table.cost("ps: list, nobody else", "ms", alone);
    table.cost("ps: list, 8 clients start and stop", "ms", busy);
    table.cost("ps: the same, the slowest", "ms", worst);
}

fn started(peer: &Peer) -> String {
    let id = peer.create(&["sleep", "3600"], "none");
    peer.http.post(&format!("/containers/{id}/start")).expect(204);
    id
}

/// Milliseconds of each list.
fn lists(peer: &Peer) -> Vec<f64> {
    let one = |_| {
        thread::sleep(PAUSE);
        let begin = Instant::now();
        peer.http.get("/containers/json").expect(200);
        begin.elapsed().as_secs_f64() * 1000.0
    };
    (0..LISTS).map(one).collect()
}

fn while_busy(peer: &Peer) -> Vec<f64> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let id = started(peer);
                    peer.http.post(&format!("/containers/{id}/stop")).expect(204);
                    peer.remove(&id);
                }
            });
        }
        let samples = lists(peer);
        over.store(true, Ordering::Relaxed);
        samples
    })
}
