//! Memory: of an idle daemon with all its processes, and of what watches one running container.
//!
//! Figures are of `/proc/PID/smaps_rollup`, proc_pid_smaps(5), in kB there.

use std::collections::HashMap;
use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::peer::Peer;
use crate::table::Table;

/// Containers that run while their watchers are measured.
const CONTAINERS: usize = 5;
/// Pause before a look, for what a daemon does after a request.
const SETTLE: Duration = Duration::from_secs(2);

pub(crate) fn measure(peers: &[Peer], table: &mut Table) -> Result<()> {
    thread::sleep(SETTLE);
    let mut idle = Vec::new();
    for peer in peers {
        let mut pss = 0.0;
        for pid in family(peer.pid)? {
            // A process may end between the two looks.
            pss += field(pid, &["Pss:"]).unwrap_or(0.0);
        }
        idle.push(vec![pss / 1024.0]);
    }
    table.cost("memory: idle daemon, PSS", "MB", idle);
    let mut private = Vec::new();
    let mut shared = Vec::new();
    for peer in peers {
        let (one, other) = watchers(peer)?;
        private.push(one);
        shared.push(other);
    }
    table.cost("memory: watcher of a container, private", "kB", private);
    table.cost("memory: watcher of a container, PSS", "kB", shared);
    Ok(())
}

/// Private memory and PSS of the processes that watch running containers: the parents of their
/// first processes.
fn watchers(peer: &Peer) -> Result<(Vec<f64>, Vec<f64>)> {
    let ids: Vec<_> = (0..CONTAINERS)
        .map(|_| {
            let id = peer.create(&["sleep", "3600"], "none");
            peer.http.post(&format!("/containers/{id}/start")).expect(204);
            id
        })
        .collect();
    thread::sleep(SETTLE);
    let mut private = Vec::new();
    let mut pss = Vec::new();
    for id in &ids {
        let state = peer.http.get(&format!("/containers/{id}/json")).expect(200).json();
        let init = state["State"]["Pid"].as_u64().context("a pid")?;
        let watcher = parent(u32::try_from(init)?).context("the container's watcher")?;
        private.push(field(watcher, &["Private_Clean:", "Private_Dirty:"])?);
        pss.push(field(watcher, &["Pss:"])?);
    }
    for id in &ids {
        peer.remove(id);
    }
    Ok((private, pss))
}

/// A process and all its descendants.
pub(crate) fn family(root: u32) -> Result<Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Some(parent) = parent(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut next = 0;
    while next < found.len() {
        found.extend(children.remove(&found[next]).unwrap_or_default());
        next += 1;
    }
    Ok(found)
}

/// The parent's pid: the second field after the name in parentheses, proc_pid_stat(5).
pub(crate) fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// The sum of some fields, in kB.
pub(crate) fn field(pid: u32, names: &[&str]) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let rows = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        names.contains(&words.next()?).then(|| words.next()?.parse::<f64>().ok())?
    });
    Ok(rows.sum())
}
