//! An application of four services, driven by docker compose: v2, and the older one in Python.
//!
//! A web server asks an application server, which asks a database; a worker writes to the database.
//! They find each other by name, in two networks; the database is waited for until it is healthy, and
//! its data outlives it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::daemon::IMAGE;
use harness::docker::Run;
use harness::patience::eventually;
use harness::{Daemon, name, packages};

const SHOP: &str = include_str!("compose/shop.yaml");
const PATIENCE: Duration = Duration::from_secs(60);

/// The application, as one of the composes runs it; taken down with the value.
struct Shop<'a> {
    daemon: &'a Daemon,
    compose: PathBuf,
    project: String,
    directory: tempfile::TempDir,
    redis: String,
}

impl<'a> Shop<'a> {
    #[track_caller]
    fn new(daemon: &'a Daemon, compose: &Path) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("compose.yaml"), SHOP).expect("compose.yaml");
        let (project, compose) = (name(), compose.to_owned());
        let redis = format!("{project}-redis");
        let root = packages::root_of("redis-server");
        daemon.docker(&["import", root.to_str().expect("UTF-8"), &redis]).ok();
        Self { daemon, compose, project, directory, redis }
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> Run {
        let file = self.directory.path().join("compose.yaml");
        let mut all = vec!["-f", file.to_str().expect("UTF-8"), "-p", &self.project];
        all.extend(args);
        self.daemon.client(&self.compose, &all, &[("REDIS", &self.redis), ("BUSYBOX", IMAGE)])
    }

    /// Asks the web server: visits so far, this one included, and jobs that the worker has done.
    fn visit(&self) -> Option<(u64, u64)> {
        let published = self.run(&["port", "web", "80"]).ok();
        let mut stream = TcpStream::connect(&published).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        stream.write_all(b"GET /cgi-bin/shop HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        // Redis: `:visits`, then the length of the number of jobs, then that.
        let mut lines = answer.lines().skip_while(|line| !line.starts_with(':'));
        let visits = lines.next()?.strip_prefix(':')?.trim().parse().ok()?;
        let jobs = lines.nth(1).and_then(|line| line.trim().parse().ok()).unwrap_or(0);
        Some((visits, jobs))
    }

    /// What of the project a list still shows.
    fn left(&self, list: &[&str]) -> String {
        let label = format!("label=com.docker.compose.project={}", self.project);
        self.daemon.docker(&[list, &["--filter", &label]].concat()).ok()
    }
}

impl Drop for Shop<'_> {
    fn drop(&mut self) {
        let _down = self.run(&["down", "-v", "-t", "0"]);
        let _gone = self.daemon.docker(&["rmi", "-f", &self.redis]);
    }
}

fn goes_through_its_life(compose: &Path) {
    let daemon = Daemon::start();
    let shop = Shop::new(&daemon, compose);
    shop.run(&["up", "-d"]).ok();
    let (visits, _) = eventually("the shop is open", PATIENCE, || shop.visit());
    eventually("the worker works", PATIENCE, || shop.visit().filter(|(_, jobs)| *jobs > 0));

    let shown = shop.run(&["ps"]).ok();
    for service in ["db", "app", "web", "worker"] {
        assert!(shown.lines().any(|line| line.contains(service)), "{service}: {shown}");
    }
    let said = shop.run(&["logs", "worker"]).ok();
    assert!(said.contains("did a job"), "{said}");
    assert_eq!(shop.run(&["exec", "-T", "db", "redis-cli", "ping"]).ok(), "PONG");
    assert_eq!(shop.run(&["exec", "-T", "app", "sh", "-c", "exit 7"]).code, 7);

    shop.run(&["up", "-d", "--scale", "worker=3"]).ok();
    assert_eq!(shop.run(&["ps", "-q", "worker"]).ok().lines().count(), 3);
    shop.run(&["restart", "-t", "1", "db"]).ok();
    let (after, _) = eventually("it is open again", PATIENCE, || shop.visit());
    assert!(after > visits, "the data outlives its container: {visits}, then {after}");
    shop.run(&["stop", "-t", "1", "web"]).ok();
    shop.run(&["rm", "-f", "web"]).ok();
    shop.run(&["up", "-d"]).ok();
    eventually("its new web server answers", PATIENCE, || shop.visit());

    shop.run(&["down", "-v", "-t", "1"]).ok();
    for list in [&["ps", "-aq"][..], &["network", "ls", "-q"], &["volume", "ls", "-q"]] {
        assert_eq!(shop.left(list), "", "{list:?}");
    }
}

#[test]
fn version_2_drives_an_application() {
    goes_through_its_life(&packages::compose());
}

#[test]
fn version_1_drives_an_application() {
    goes_through_its_life(&packages::program("docker-compose", "docker-compose"));
}
