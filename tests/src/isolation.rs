//! A network namespace for the calling test: its daemon, bridge, firewall rules and registries
//! live there, beside nobody else's, and all of it ends with the last process in it.

use std::cell::Cell;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::OnceLock;

use nix::sched::{CloneFlags, unshare};

thread_local! {
    static ISOLATED: Cell<bool> = const { Cell::new(false) };
}

/// The network namespace that the first isolated test came from.
static OUTSIDE: OnceLock<File> = OnceLock::new();

/// The socket of another daemon that the tests shall drive, from `JOCKER_TEST_HOST`.
pub fn other_daemon() -> Option<String> {
    let host = std::env::var("JOCKER_TEST_HOST").ok().filter(|host| !host.is_empty())?;
    let path = host.strip_prefix("unix://");
    Some(path.unwrap_or_else(|| panic!("JOCKER_TEST_HOST is not unix://…: {host}")).to_owned())
}

/// Moves the calling thread, and all that it starts from now on, into a network namespace of its
/// own; once a thread. With `JOCKER_TEST_HOST` nothing is moved.
#[track_caller]
pub fn isolate() {
    if other_daemon().is_some() || ISOLATED.get() {
        return;
    }
    assert!(nix::unistd::geteuid().is_root(), "these tests start containers: run them as root");
    OUTSIDE.get_or_init(|| File::open("/proc/thread-self/ns/net").expect("own network namespace"));
    unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace of the test's own");
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
    assert!(up.is_ok_and(|status| status.success()), "`ip link set lo up` (Debian: iproute2)");
    ISOLATED.set(true);
}

/// A command that runs where the machine's network is: for downloads.
pub fn outside(program: &str) -> Command {
    let Some(namespace) = OUTSIDE.get() else { return Command::new(program) };
    let mut command = Command::new("nsenter");
    let path = format!("--net=/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd());
    command.args([path.as_str(), "--", program]);
    command
}

/// The identity of the calling thread's network namespace, as `net:[4026531833]`.
pub fn namespace() -> String {
    let link = fs::read_link("/proc/thread-self/ns/net").expect("own network namespace");
    link.to_string_lossy().into_owned()
}

/// Pids of all processes in the network namespace `wanted`, this one excepted.
pub fn processes_in(wanted: &str) -> Vec<u32> {
    let own = std::process::id();
    let entries = fs::read_dir("/proc").expect("/proc");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != own)
        .filter(|pid| {
            fs::read_link(format!("/proc/{pid}/ns/net"))
                .is_ok_and(|link| link.to_string_lossy() == wanted)
        })
        .collect()
}

/// Pids of the monitors in this thread's network namespace: those of its own daemon.
pub fn monitors() -> Vec<u32> {
    let mut found = processes_in(&namespace());
    found.retain(|pid| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm"));
        name.is_ok_and(|name| name.trim() == "jocker-monitor")
    });
    found
}
