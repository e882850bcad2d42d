//! `jocker-bench`: what containers cost behind Docker sockets, side by side in one run.
//!
//! Every measure is taken in turns (one round on the first socket, one on the next, and again), so
//! that what else the machine does falls on all of them. The bare floor is measured in the same
//! minute: the same namespaces, overlay, mounts and exec by system calls alone.

mod containers;
mod floor;
mod footprint;
mod logs;
mod many;
mod memory;
mod network;
mod oci;
mod others;

mod peer;
mod ps;
mod pull;
mod requests;
mod running;
mod starts;
mod table;
mod transfer;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;

use crate::peer::Peer;
use crate::table::Table;

/// How long the machine rests before each sample.
const SETTLE: Duration = Duration::from_millis(30);

/// Compares Docker sockets; the first one is ours, ratios are the others' medians over ours.
#[derive(Debug, Parser)]
#[command(name = "jocker-bench", version)]
struct Flags {
    /// NAME=unix:///path of each daemon
    #[arg(required_unless_present_any = ["runtime", "start"], value_name = "NAME=SOCKET")]
    hosts: Vec<String>,

    /// Compares OCI command lines instead: NAME=/path of each; the first one is ours
    #[arg(long, value_name = "NAME=PROGRAM", conflicts_with = "hosts")]
    runtime: Vec<String>,

    /// Compares starts of daemons, which must not run: NAME=unix:///path=COMMAND of each; the first one is ours. What
    /// runs in containers has to outlive the daemon (dockerd: --live-restore)
    #[arg(long, value_name = "NAME=SOCKET=COMMAND", conflicts_with_all = ["hosts", "runtime"])]
    start: Vec<String>,

    /// Rounds of the measures of containers
    #[arg(long, default_value_t = 20)]
    rounds: usize,

    /// Rounds of the pull
    #[arg(long, default_value_t = 3)]
    pulls: usize,

    /// Size of the pulled image's layers together, in MB, unpacked
    #[arg(long, default_value_t = 250)]
    pull_size: usize,

    /// Rounds of the measures of output
    #[arg(long, default_value_t = 1)]
    log_rounds: usize,

    /// Lines of 63 bytes that a container writes
    #[arg(long, default_value_t = 1_000_000)]
    log_lines: usize,

    /// Containers that run at the same time; measured only by `--only running`
    #[arg(long, default_value_t = 1000)]
    running: usize,

    /// Only measures whose name contains one of these words
    #[arg(long, value_name = "WORD")]
    only: Vec<String>,

    /// Also write the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Flags {
    fn wants(&self, measure: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| measure.contains(word.as_str()))
    }
}

/// Before each sample: what the one before has left to do must not be charged to this one.
fn settle() {
    std::thread::sleep(SETTLE);
}

fn main() -> Result<()> {
    if let Some(request) = floor::Request::of_arguments() {
        return floor::serve(&request);
    }
    let flags = Flags::parse();
    anyhow::ensure!(
        rustix::process::geteuid().is_root(),
        "root is needed: the floor makes namespaces"
    );
    if !flags.runtime.is_empty() {
        if let Some(status) = oci::without_unified()? {
            std::process::exit(status);
        }
        return show(&flags, &oci::measure(&flags.runtime, flags.rounds)?);
    }
    if !flags.start.is_empty() {
        return show(&flags, &starts::measure(&flags.start, flags.rounds)?);
    }
    let peers: Vec<Peer> =
        flags.hosts.iter().map(|host| Peer::connect(host)).collect::<Result<_>>()?;
    let mut table = Table::new(peers.iter().map(|peer| peer.name.clone()).collect());
    for peer in &peers {
        peer.provide_image().with_context(|| format!("the image of {}", peer.name))?;
    }
    if flags.wants("memory") {
        memory::measure(&peers, &mut table)?;
    }
    if flags.wants("floor") {
        floor::measure(flags.rounds, &mut table)?;
    }
    if flags.wants("container") {
        containers::cycles(&peers, flags.rounds, &mut table);
    }
    if flags.wants("cli") {
        containers::by_the_cli(&peers, flags.rounds, &mut table);
    }
    if flags.wants("exec") {
        containers::execs(&peers, flags.rounds, &mut table);
    }
    if flags.wants("requests") {
        requests::measure(&peers, &mut table)?;
    }
    if flags.wants("ps") {
        ps::measure(&peers, &mut table);
    }
    // Minutes with another daemon, so only when asked for.
    if !flags.only.is_empty() && flags.wants("running") {
        running::measure(&peers, flags.running, &mut table)?;
    }
    if flags.wants("logs") {
        logs::measure(&peers, flags.log_rounds, flags.log_lines, &mut table)?;
    }
    if flags.wants("network") {
        network::measure(&peers, flags.rounds, &mut table)?;
    }
    if flags.wants("pull") {
        pull::measure(&peers, flags.pulls, flags.pull_size, &mut table)?;
    }
    if flags.wants("transfer") {
        let image = pull::large(flags.pull_size);
        transfer::measure(&peers, flags.pulls, &image, &mut table)?;
    }
    if flags.wants("images") {
        many::measure(&peers, &mut table)?;
    }
    if flags.wants("footprint") {
        footprint::measure(&peers, &mut table)?;
    }
    show(&flags, &table)
}

fn show(flags: &Flags, table: &Table) -> Result<()> {
    print!("{}", table.render());
    if let Some(path) = &flags.json {
        std::fs::write(path, table.json().to_string())?;
    }
    Ok(())
}
