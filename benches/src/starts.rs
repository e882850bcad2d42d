//! How long a daemon takes from the start of its program to its first answer: with nothing to look after, and with a
//! hundred containers that ran all the while. The daemons are started and stopped here, by a command line each.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use harness::Client;
use rustix::process::{Pid, Signal, kill_process};

use crate::peer::Peer;
use crate::table::Table;

/// Containers that run meanwhile.
const CONTAINERS: usize = 100;
/// Between two looks for an answer.
const LOOK: Duration = Duration::from_micros(200);
/// For a daemon to answer, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon that can be started: `NAME=unix:///path=COMMAND`.
#[derive(Debug)]
struct Startable {
    name: String,
    socket: String,
    command: String,
}

impl Startable {
    fn parse(text: &str) -> Result<Self> {
        let mut parts = text.splitn(3, '=');
        let mut next = || parts.next().map(str::to_owned).filter(|part| !part.is_empty());
        let what = "a daemon to start is NAME=unix:///path=COMMAND";
        Ok(Self {
            name: next().context(what)?,
            socket: next().context(what)?,
            command: next().context(what)?,
        })
    }

    /// Starts it; what runs, and milliseconds until it answered.
    fn start(&self) -> Result<(Started, f64)> {
        let path = self.socket.strip_prefix("unix://").context("a socket is unix:///path")?;
        let client = Client::new(Path::new(path));
        ensure!(!client.is_up(), "{} runs already", self.socket);
        let begin = Instant::now();
        let child = Command::new("sh")
            .args(["-c", &format!("exec {}", self.command)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let mut started = Started(child);
        while !client.is_up() {
            if let Some(status) = started.0.try_wait()? {
                bail!("{}: {status}", self.command);
            }
            ensure!(begin.elapsed() < PATIENCE, "{} does not answer", self.socket);
            thread::sleep(LOOK);
        }
        Ok((started, begin.elapsed().as_secs_f64() * 1000.0))
    }

    fn peer(&self) -> Result<Peer> {
        Peer::connect(&format!("{}={}", self.name, self.socket))
    }
}

/// A daemon that runs; dropping it ends it.
#[derive(Debug)]
struct Started(Child);

impl Started {
    fn stop(mut self) -> Result<()> {
        self.end()?;
        let begin = Instant::now();
        while self.0.try_wait()?.is_none() {
            ensure!(begin.elapsed() < PATIENCE, "a daemon does not end");
            thread::sleep(LOOK);
        }
        Ok(())
    }

    fn end(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.0), Signal::TERM)?)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(Some(_))) {
            _ = self.end();
            _ = self.0.wait();
        }
    }
}

pub(crate) fn measure(daemons: &[String], rounds: usize) -> Result<Table> {
    let daemons = daemons.iter().map(|text| Startable::parse(text)).collect::<Result<Vec<_>>>()?;
    let mut table = Table::new(daemons.iter().map(|daemon| daemon.name.clone()).collect());
    // The first start makes the data root.
    for daemon in &daemons {
        let (started, _) = daemon.start()?;
        daemon.peer()?.provide_image()?;
        started.stop()?;
    }
    table.cost("starts: program to first answer", "ms", samples(&daemons, rounds)?);
    let mut running = Vec::new();
    for daemon in &daemons {
        let (started, _) = daemon.start()?;
        let peer = daemon.peer()?;
        let ids: Vec<_> =
            (0..CONTAINERS).map(|_| peer.create(&["sleep", "3600"], "none")).collect();
        for id in &ids {
            peer.http.post(&format!("/containers/{id}/start")).expect(204);
        }
        started.stop()?;
        running.push(ids);
    }
    let beside = samples(&daemons, rounds);
    for (daemon, ids) in daemons.iter().zip(&running) {
        let (started, _) = daemon.start()?;
        let peer = daemon.peer()?;
        let alive = ids.iter().filter(|id| {
            let seen = peer.http.get(&format!("/containers/{id}/json")).expect(200).json();
            seen["State"]["Running"] == true
        });
        let alive = alive.count();
        ids.iter().for_each(|id| peer.remove(id));
        started.stop()?;
        ensure!(alive == CONTAINERS, "{}: {alive} of {CONTAINERS} still ran", daemon.name);
    }
    table.cost(&format!("starts: the same, {CONTAINERS} containers run"), "ms", beside?);
    Ok(table)
}

/// In turns, so that what else the machine does falls on all of them.
fn samples(daemons: &[Startable], rounds: usize) -> Result<Vec<Vec<f64>>> {
    let mut samples: Vec<Vec<f64>> = daemons.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (daemon, samples) in daemons.iter().zip(&mut samples) {
            crate::settle();
            let (started, took) = daemon.start()?;
            samples.push(took);
            started.stop()?;
        }
    }
    Ok(samples)
}
