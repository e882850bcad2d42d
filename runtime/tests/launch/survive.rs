//! Who started a container may die: the container goes on, and others can take it over.

use runtime::monitor::protocol::State;

use crate::bed::{Bed, Control, attach, frames, shell, wait_until};

#[test]
fn containers_outlive_the_launcher() {
    let bed = Bed::new();
    let started = bed.start(shell("while ! [ -e /tmp/go ]; do sleep 0.1; done; echo late; exit 4"));
    let pid = Control::new(&started.socket).running();
    let launcher = rustix::process::Pid::from_raw(bed.launcher.pid().cast_signed()).unwrap();
    rustix::process::kill_process(launcher, rustix::process::Signal::KILL).unwrap();
    wait_until("the launcher's end", || !bed.launcher.is_alive());
    assert!(bed.try_start(shell("true"), |_| ()).is_err());

    let mut control = Control::new(&started.socket);
    assert_eq!(control.running(), pid);
    let client = attach(&started.socket, false);
    std::fs::write(bed.directory.path().join("root/tmp/go"), "").unwrap();
    assert_eq!(frames(client).0, b"late\n");
    assert_eq!(control.exit().exit_code, 4);
    started.wait_gone(&bed);
}

#[test]
fn the_launcher_ends_with_its_daemon() {
    let bed = Bed::new();
    let process = format!("/proc/{}", bed.launcher.pid());
    drop(bed);
    assert!(!std::path::Path::new(&process).exists());
}

#[test]
fn the_running_binary_can_not_be_written() {
    let bed = Bed::new();
    let started = bed.start(shell("sleep 1000"));
    let pid = Control::new(&started.socket).running();
    for process in [bed.launcher.pid().cast_signed(), started.monitor.0] {
        let program = format!("/proc/{process}/exe");
        // Opening it would fail with ETXTBSY as long as it runs: what counts is the mount.
        let mount = rustix::fs::statvfs(&program).unwrap();
        assert!(mount.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY), "{program}");
    }
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    started.wait_gone(&bed);
}

#[test]
fn a_monitor_is_small() {
    /// Memory of a monitor's own, in kB, once its container has written much. Pages of the binary
    /// are not counted: monitors share them.
    const OWN_MAX: u64 = 200;
    let bed = Bed::new();
    let command = "head -c 3000000 /dev/zero | tr '\\0' x; echo last; sleep 1000";
    let (started, mut control) = bed.start_controlled(shell(command));
    let pid = control.running();
    let log = || std::fs::read_to_string(&started.log).unwrap_or_default();
    wait_until("the output", || log().contains(r"last\n"));
    let path = format!("/proc/{}/smaps_rollup", started.monitor.0);
    let own = || -> u64 {
        let rollup = std::fs::read_to_string(&path).unwrap();
        let own = rollup.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).unwrap();
        own.trim().trim_end_matches(" kB").parse().unwrap()
    };
    // What the start took of the heap is given back a moment later.
    wait_until("a small monitor", || own() <= OWN_MAX);
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert!(matches!(control.next(), Some(State::Exited { .. })));
    started.wait_gone(&bed);
}
