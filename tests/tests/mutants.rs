//! Thousands of odd requests, made by chance: the daemon answers or hangs up, and goes on as before.
//! `JOCKER_MUTANTS=N` sends so many, `JOCKER_MUTANT_SEED=N` others than usual.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use harness::churn::random::Random;
use harness::mutant::mutant;
use harness::{Daemon, IMAGE, source};
use serde_json::json;

const REQUESTS: u64 = 1500;
/// Requests after which what they drive is made anew.
const BATCH: u64 = 100;
/// How long an answer is waited for: many requests are not whole, and rightly never answered.
const PATIENCE: Duration = Duration::from_millis(40);
/// How long a question takes at most when they are over.
const ANSWER: Duration = Duration::from_secs(2);
/// How much the daemon may grow, in KiB.
const GROWTH: u64 = 48 * 1024;
/// Descriptors that it may have more: connections that it has not yet seen the end of.
const DESCRIPTORS: usize = 20;
const NAME: &str = "mutated";

fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).unwrap_or_default();
    text.parse().unwrap_or(default)
}

/// `METHOD /path` of each row of the router's table, but the ones that start containers of their body.
fn routes() -> Vec<String> {
    let routes = source::routes().into_iter().filter(|route| !route.ends_with("/run"));
    routes.collect()
}

fn memory_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("descriptors").count()
}

/// Something to drive: a running container, of whatever is left of the last one.
fn prepare(daemon: &Daemon) {
    let body = json!({
        "Image": IMAGE, "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL",
        "HostConfig": {"NetworkMode": "none"},
    });
    daemon.http().post_json(&format!("/containers/create?name={NAME}"), &body);
    daemon.http().post(&format!("/containers/{NAME}/unpause"));
    daemon.http().post(&format!("/containers/{NAME}/start"));
}

/// What comes for the bytes, as far as it comes soon.
fn exchange(daemon: &Daemon, bytes: &[u8], half_close: bool) -> Vec<u8> {
    let mut stream = daemon.http().connect();
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    // A daemon that hangs up on nonsense need not read all of it.
    let _ = stream.write_all(bytes);
    if half_close {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).unwrap_or(0);
    answer.truncate(read);
    answer
}

#[test]
fn no_request_breaks_or_feeds_the_daemon() {
    let Some(daemon) = Daemon::ours() else { return };
    let seed = number("JOCKER_MUTANT_SEED", 7);
    let requests = number("JOCKER_MUTANTS", REQUESTS);
    let (mut random, routes, pid) = (Random::new(seed, 0), routes(), daemon.pid());
    let mut before = (0, 0);
    let mut answered = 0;
    for at in 0..requests {
        if at % BATCH == 0 {
            prepare(&daemon);
        }
        // What is set up with the first requests is no growth.
        if at == requests / 4 {
            before = (memory_kib(pid), descriptors(pid));
        }
        let bytes = mutant(&mut random, &routes, NAME);
        let answer = exchange(&daemon, &bytes, random.chance(50));
        let told = || {
            let (bytes, answer) = (bytes.escape_ascii(), answer.escape_ascii());
            format!("request {at} of seed {seed}: {bytes:.2000}\n{answer:.2000}")
        };
        let is_http = answer.is_empty() || answer.starts_with(b"HTTP/1.1 ");
        assert!(is_http, "{}", told());
        let failed = answer.starts_with(b"HTTP/1.1 500")
            && answer.windows(16).any(|it| it == b"the daemon faile");
        assert!(!failed, "{}", told());
        answered += u64::from(!answer.is_empty());
    }
    assert!(answered > requests / 2, "{answered} of {requests} were answered");

    let begin = Instant::now();
    daemon.http().get("/_ping").expect(200);
    assert!(begin.elapsed() < ANSWER, "{:?}", begin.elapsed());
    assert_eq!(daemon.pid(), pid);
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
    let settled = || descriptors(pid) <= before.1 + DESCRIPTORS;
    assert!(harness::becomes(Duration::from_secs(20), settled), "{} descriptors", descriptors(pid));
    let grown = memory_kib(pid).saturating_sub(before.0);
    assert!(grown <= GROWTH, "{grown} KiB more than {}", before.0);
}
