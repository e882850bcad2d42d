//! What other programs take for the image that is pulled, in the same run: skopeo's copy to an OCI
//! layout, which unpacks nothing; gunzip of its layers on all processors; podman's pull.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use harness::image::Image;
use harness::packages::program;

use crate::peer::Peer;
use crate::table::{Table, median};

/// Pulls by other programs; `own` are the first daemon's samples, in seconds.
pub(crate) fn measure(
    (peer, reference): (&Peer, &str),
    image: &Image,
    own: &[f64],
    table: &mut Table,
) -> Result<()> {
    let ground = Ground::new()?;
    let (mut skopeo, mut gunzip, mut podman) = (Vec::new(), Vec::new(), Vec::new());
    for layer in &image.layers {
        let number = fs::read_dir(&ground.0)?.count();
        fs::write(ground.0.join(format!("{number}.gz")), &layer.blob)?;
    }
    for round in 0..own.len() {
        let layout = format!("oci:{}:x", ground.0.join(format!("layout{round}")).display());
        let from = format!("docker://{reference}");
        let copy = ["copy", "--quiet", "--src-tls-verify=false", &from, &layout];
        skopeo.push(timed(inside(peer, program("skopeo", "skopeo")).args(copy))?);
        gunzip.push(unzip(&ground, image.layers.len())?);
        let (root, run) = (ground.0.join("podman"), ground.0.join("podman-run"));
        let mut pull = inside(peer, program("podman", "podman"));
        pull.arg("--root").arg(root).arg("--runroot").arg(run);
        pull.args(["--storage-driver", "overlay"]);
        podman.push(timed(pull.args(["pull", "--quiet", "--tls-verify=false", reference]))?);
        let mut remove = inside(peer, program("podman", "podman"));
        remove.arg("--root").arg(ground.0.join("podman"));
        remove.arg("--runroot").arg(ground.0.join("podman-run"));
        timed(remove.args(["--storage-driver", "overlay", "rmi", "--force", reference]))?;
    }
    let bound = median(&skopeo).max(median(&gunzip));
    table.cost("the same image: skopeo copy to a layout", "s", vec![skopeo]);
    table.cost("the same layers: gunzip on all processors", "s", vec![gunzip]);
    table.cost("the same image: podman pull", "s", vec![podman]);
    table.cost("pull by the slower of skopeo and gunzip", "times", vec![vec![median(own) / bound]]);
    Ok(())
}

/// A program in the network namespace of a daemon.
fn inside(peer: &Peer, program: PathBuf) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/proc/{}/ns/net", peer.pid)).arg(program);
    command
}

fn timed(command: &mut Command) -> Result<f64> {
    let begin = Instant::now();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(begin.elapsed().as_secs_f64())
}

fn unzip(ground: &Ground, layers: usize) -> Result<f64> {
    let next = AtomicUsize::new(0);
    let begin = Instant::now();
    thread::scope(|scope| {
        let work = || -> Result<()> {
            loop {
                let layer = next.fetch_add(1, Ordering::Relaxed);
                if layer >= layers {
                    return Ok(());
                }
                let from = File::open(ground.0.join(format!("{layer}.gz")))?;
                let status =
                    Command::new("gzip").arg("-dc").stdin(from).stdout(Stdio::null()).status()?;
                ensure!(status.success(), "gzip: {status}");
            }
        };
        let processors = thread::available_parallelism()?.get();
        let all: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
        all.into_iter().try_for_each(|one| one.join().expect("no panic"))
    })?;
    Ok(begin.elapsed().as_secs_f64())
}

/// A directory for all of it.
struct Ground(PathBuf);

impl Ground {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("jocker-bench-others-{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _left = fs::remove_dir_all(&self.0);
    }
}
