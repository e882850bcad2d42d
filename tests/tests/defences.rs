//! Attacks from inside, beside those in `defaults.rs` and `archive.rs`; and the list of all in `docs/defences.md`.

use harness::{Daemon, source};
use serde_json::json;

/// Files of control groups that would let a container out, or out of its limits.
#[test]
fn control_groups_can_not_be_changed_from_inside() {
    let daemon = Daemon::start();
    let script = "find /sys/fs/cgroup \\( -name release_agent -o -name cgroup.procs \
        -o -name notify_on_release -o -name '*.max' -o -name memory.limit_in_bytes \\) > /tmp/all; \
        while read file; do (echo 0 > $file) 2> /dev/null && echo \"written: $file\"; done < /tmp/all; \
        mkdir /tmp/x; mkdir /sys/fs/cgroup/x /sys/fs/cgroup/*/x 2> /dev/null && echo made; \
        mount -t cgroup -o memory none /tmp/x 2> /dev/null && echo mounted; \
        mount -o remount,rw /sys/fs/cgroup 2> /dev/null && echo remounted; \
        unshare -UrmC true 2> /dev/null && echo unshared; \
        test -s /tmp/all && echo looked";
    let finished = daemon.run(&json!({ "Cmd": ["sh", "-c", script], "User": "0" }));
    assert_eq!(finished.output.stdout, "looked\n", "{:?}", finished.output.stderr);
}

/// A container on the host's network sees its abstract sockets: none may be the engine's. In `/proc/net/unix` their
/// names begin with `@`; unix(7).
#[test]
fn no_socket_of_the_engine_is_reached_by_its_name_alone() {
    let Some(daemon) = Daemon::ours() else { return };
    let sleeper = daemon.sleeper();
    let body = json!({ "Cmd": ["cat", "/proc/net/unix"], "HostConfig": { "NetworkMode": "host" } });
    let finished = daemon.run(&body);
    let table = finished.output.stdout;
    assert!(table.contains("RefCount"), "{table}");
    let own = daemon.socket().display().to_string();
    assert!(table.contains(&own), "the namespace is not the daemon's: {table}");
    let named = table.lines().filter(|line| line.contains(" @"));
    assert_eq!(named.collect::<Vec<_>>(), Vec::<&str>::new());
    daemon.remove(&sleeper);
}

#[test]
fn every_known_flaw_has_a_test() {
    let text = source::file("docs/defences.md");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 25, "the table is not understood");
    for row in rows {
        let named: Vec<_> = row.split('`').filter_map(|word| word.split_once(".rs::")).collect();
        assert!(!named.is_empty(), "no test: {row}");
        for (file, test) in named {
            let file = source::file(&format!("{file}.rs"));
            assert!(file.contains(&format!("fn {test}(")), "{test} is not there: {row}");
        }
    }
}
