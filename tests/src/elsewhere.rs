//! Other places of the network than the test's own host: a neighbour with its own address, and the inside of a
//! running container. A test does its socket calls there from a thread; sockets stay where they were made.

use std::fs::File;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::Command;
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};
use serde_json::Value;

use crate::patience::becomes;

/// How long the wire may take to carry packets, and one answer.
const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_millis(500);

/// A network namespace that is not the test's.
#[derive(Debug)]
pub struct Elsewhere(OwnedFd);

/// Addresses of the host and of its neighbour, by which they reach each other (RFC 5737, RFC 3849).
pub const HOST: &str = "203.0.113.1";
/// See [`HOST`].
pub const NEIGHBOUR: &str = "203.0.113.2";
/// See [`HOST`].
pub const HOST_V6: &str = "2001:db8:7::1";
/// See [`HOST`].
pub const NEIGHBOUR_V6: &str = "2001:db8:7::2";

impl Elsewhere {
    /// Another host, on a wire with the test's: it ends with the value.
    #[track_caller]
    pub fn neighbour() -> Self {
        let namespace = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
            OwnedFd::from(File::open("/proc/thread-self/ns/net").expect("own network namespace"))
        });
        let there = Self(namespace.join().expect("a namespace"));
        let path = format!("/proc/{}/fd/{}", std::process::id(), there.0.as_raw_fd());
        run("ip", "link add wire0 type veth peer name wire1");
        run("ip", &format!("link set wire1 netns {path}"));
        let up = |device: &str, four: &str, six: &str| {
            run("ip", &format!("addr add {four}/24 dev {device}"));
            run("ip", &format!("addr add {six}/64 dev {device} nodad"));
            run("ip", &format!("link set {device} up"));
        };
        up("wire0", HOST, HOST_V6);
        there.with(|| {
            run("ip", "link set lo up");
            up("wire1", NEIGHBOUR, NEIGHBOUR_V6);
        });
        // The kernel makes routes of IPv6 some time after the wire is there. Nobody listens on port 1.
        let answers = |host: &str| {
            let address = SocketAddr::new(host.parse().expect("an address"), 1);
            let refused = TcpStream::connect_timeout(&address, ANSWER).err();
            refused.is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
        };
        let both = || there.with(|| answers(HOST) && answers(HOST_V6));
        assert!(becomes(PATIENCE, both), "the neighbour does not reach the host");
        there
    }

    /// The network of a running container, by its inspection.
    #[track_caller]
    pub fn of_container(inspection: &Value) -> Self {
        let path = format!("/proc/{}/ns/net", inspection["State"]["Pid"]);
        Self(File::open(path).expect("the container's network namespace").into())
    }

    /// Does something there.
    pub fn with<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(self.0.as_fd(), CloneFlags::CLONE_NEWNET).expect("setns");
                work()
            });
            match thread.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

/// Runs a program with these words; what it wrote to stdout. It must end with 0.
#[track_caller]
pub fn run(program: &str, words: &str) -> String {
    let output = Command::new(program).args(words.split_whitespace()).output().expect(program);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {words}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
