//! Images on other ways than a pull: loaded from an archive, saved to one, pushed to Debian's
//! registry; and the daemon's memory meanwhile.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::image::Image;
use harness::packages::program;

use crate::peer::Peer;
use crate::table::Table;

/// The name that the image is loaded under.
const NAME: &str = "bench/transfer:latest";
/// How long the registry may take to come up.
const START: Duration = Duration::from_secs(20);

pub(crate) fn measure(
    peers: &[Peer],
    rounds: usize,
    image: &Image,
    table: &mut Table,
) -> Result<()> {
    let archive = image.archive(NAME);
    let none = || -> Vec<Vec<f64>> { peers.iter().map(|_| Vec::new()).collect() };
    let (mut loads, mut saves, mut pushes) = (none(), none(), none());
    for _ in 0..rounds {
        for (index, peer) in peers.iter().enumerate() {
            loads[index].push(timed(|| load(peer, &archive))?);
            saves[index].push(timed(|| save(peer, archive.len() / 2))?);
            let registry = DebianRegistry::start(peer)?;
            pushes[index].push(timed(|| push(peer, &registry))?);
            peer.http.delete(&format!("/images/{}?force=1", registry.target())).expect(200);
            peer.http.delete(&format!("/images/{NAME}?force=1")).expect(200);
        }
    }
    let megabytes = archive.len() / 1_000_000;
    table.cost(&format!("load: archive of {megabytes} MB"), "s", loads);
    table.cost("save: of the same image", "s", saves);
    table.cost("push: of the same image", "s", pushes);
    Ok(())
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let begin = Instant::now();
    work()?;
    Ok(begin.elapsed().as_secs_f64())
}

fn load(peer: &Peer, archive: &[u8]) -> Result<()> {
    let headers = [("Content-Type", "application/x-tar")];
    let answer = peer.http.send("POST", "/images/load?quiet=1", &headers, archive);
    let is_loaded = answer.status == 200 && answer.text().contains("Loaded image");
    ensure!(is_loaded, "{}: {}", answer.asked, answer.text());
    Ok(())
}

fn save(peer: &Peer, at_least: usize) -> Result<()> {
    let answer = peer.http.get(&format!("/images/{NAME}/get"));
    let length = answer.body.len();
    ensure!(answer.status == 200 && length > at_least, "{}: {length} bytes", answer.asked);
    Ok(())
}

fn push(peer: &Peer, registry: &DebianRegistry) -> Result<()> {
    let target = registry.target();
    let (repository, tag) = target.rsplit_once(':').context("a tag")?;
    peer.http.post(&format!("/images/{NAME}/tag?repo={repository}&tag={tag}")).expect(201);
    let path = format!("/images/{repository}/push?tag={tag}");
    let answer = peer.http.send("POST", &path, &[("X-Registry-Auth", "e30=")], b"");
    let is_pushed = answer.status == 200 && !answer.text().contains("errorDetail");
    ensure!(is_pushed, "{}: {}", answer.asked, answer.text());
    Ok(())
}

/// An empty registry in a daemon's network namespace.
struct DebianRegistry {
    port: u16,
    child: Child,
    dir: PathBuf,
}

impl DebianRegistry {
    fn start(peer: &Peer) -> Result<Self> {
        let port = peer.listen()?.local_addr()?.port();
        let dir = std::env::temp_dir().join(format!("jocker-bench-registry-{port}"));
        fs::create_dir(&dir)?;
        let config = dir.join("config.yml");
        let root = dir.join("content");
        let text = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage:\n  filesystem: {{ rootdirectory: {} }}\n\
             http: {{ addr: '127.0.0.1:{port}' }}\n",
            root.display()
        );
        fs::write(&config, text)?;
        let child = Command::new("nsenter")
            .arg(format!("--net=/proc/{}/ns/net", peer.pid))
            .arg(program("docker-registry", "docker-registry"))
            .arg("serve")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let registry = Self { port, child, dir };
        let begin = Instant::now();
        while !peer.within(move || TcpStream::connect(("127.0.0.1", port)).is_ok())? {
            ensure!(begin.elapsed() < START, "the registry does not come up");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(registry)
    }

    fn target(&self) -> String {
        format!("127.0.0.1:{}/bench/transfer:latest", self.port)
    }
}

impl Drop for DebianRegistry {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
        let _left = fs::remove_dir_all(&self.dir);
    }
}
