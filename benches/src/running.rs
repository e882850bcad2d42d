//! A thousand containers that run at the same time: how long the first starts take and the last ones, and the
//! memory of what watches them all.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::memory::{family, field, parent};
use crate::peer::Peer;
use crate::table::{Table, median};

/// Starts at each end whose times are compared.
const ENDS: usize = 50;
/// Pause before a look at the memory, for what a daemon does after a request.
const SETTLE: Duration = Duration::from_secs(3);

pub(crate) fn measure(peers: &[Peer], containers: usize, table: &mut Table) -> Result<()> {
    let (mut first, mut last, mut growth) = (Vec::new(), Vec::new(), Vec::new());
    let (mut watchers, mut daemons, mut lists) = (Vec::new(), Vec::new(), Vec::new());
    for peer in peers {
        let mut running = Vec::new();
        let filled = fill(peer, containers, &mut running);
        let seen = filled.and_then(|starts| {
            thread::sleep(SETTLE);
            Ok((starts, together(peer, &running)?, listed(peer)))
        });
        // Whatever failed: a thousand containers must not be left.
        running.iter().for_each(|id| peer.remove(id));
        let (starts, (of_watchers, of_daemon), list) = seen?;
        let ends = ENDS.min(containers / 2).max(1);
        let (early, late) = (starts[..ends].to_vec(), starts[starts.len() - ends..].to_vec());
        growth.push(vec![median(&late) / median(&early)]);
        first.push(early);
        last.push(late);
        watchers.push(vec![of_watchers]);
        daemons.push(vec![of_daemon]);
        lists.push(vec![list]);
    }
    table.cost("running: start of one of the first", "ms", first);
    table.cost(&format!("running: start of one of the last of {containers}"), "ms", last);
    table.cost("running: the last starts over the first", "x", growth);
    table.cost(&format!("running: watchers of {containers}, PSS"), "MB", watchers);
    table.cost(&format!("running: daemon beside {containers}, PSS"), "MB", daemons);
    table.cost(&format!("running: list of {containers}"), "ms", lists);
    Ok(())
}

/// Milliseconds of each start.
fn fill(peer: &Peer, containers: usize, running: &mut Vec<String>) -> Result<Vec<f64>> {
    let mut starts = Vec::new();
    for _ in 0..containers {
        let id = peer.create(&["sleep", "3600"], "none");
        running.push(id.clone());
        let begin = Instant::now();
        let answer = peer.http.post(&format!("/containers/{id}/start"));
        starts.push(begin.elapsed().as_secs_f64() * 1000.0);
        anyhow::ensure!(answer.status == 204, "{}: {}", answer.asked, answer.text());
    }
    Ok(starts)
}

/// PSS of the parents of the containers' first processes, and of the daemon with all its processes but these, in MB.
fn together(peer: &Peer, running: &[String]) -> Result<(f64, f64)> {
    let mut watchers = Vec::new();
    let mut inits = Vec::new();
    for id in running {
        let state = peer.http.get(&format!("/containers/{id}/json")).expect(200).json();
        let init = u32::try_from(state["State"]["Pid"].as_u64().context("a pid")?)?;
        watchers.push(parent(init).context("the container's watcher")?);
        inits.push(init);
    }
    let pss =
        |pids: &[u32]| pids.iter().map(|pid| field(*pid, &["Pss:"]).unwrap_or(0.0)).sum::<f64>();
    let others: Vec<u32> = family(peer.pid)?
        .into_iter()
        .filter(|pid| !watchers.contains(pid) && !inits.contains(pid))
        .collect();
    Ok((pss(&watchers) / 1024.0, pss(&others) / 1024.0))
}

/// Milliseconds of a list of all that run, the median.
fn listed(peer: &Peer) -> f64 {
    let one = |_| {
        let begin = Instant::now();
        peer.http.get("/containers/json").expect(200);
        begin.elapsed().as_secs_f64() * 1000.0
    };
    median(&(0..ENDS).map(one).collect::<Vec<_>>())
}
