//! Log drivers: where a container's output is kept, with which options.

use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use harness::daemon::Options;
use harness::{Daemon, eventually, stdcopy};
use serde_json::{Value, json};

fn body(driver: &str, options: &Value, script: &str) -> Value {
    json!({ "Cmd": ["sh", "-c", script], "Env": ["c=1", "d=2"], "Labels": { "a": "x y/z", "b": "lb" },
        "HostConfig": { "LogConfig": { "Type": driver, "Config": options } } })
}

/// Runs a script with such a log; the container's id.
fn run(daemon: &Daemon, driver: &str, options: &Value, script: &str) -> String {
    let id = daemon.launch(&body(driver, options, script));
    daemon.wait(&id);
    id
}

fn logs(daemon: &Daemon, id: &str, query: &str) -> stdcopy::Output {
    let path = format!("/containers/{id}/logs?stdout=1&stderr=1&{query}");
    stdcopy::split(&daemon.http().get(&path).expect(200).body)
}

fn numbers(text: &str) -> Vec<u32> {
    text.lines().map(|line| line.parse().expect("a number")).collect()
}

#[test]
fn local_files_are_rotated_and_read() {
    let daemon = Daemon::start();
    let script = "seq 1 3000; sleep 0.3; echo err >&2; sleep 0.3; printf 'no end'";
    let id = run(&daemon, "local", &json!({ "max-size": "20k", "max-file": "3" }), script);
    let inspected = daemon.inspect(&id);
    assert_eq!(inspected["HostConfig"]["LogConfig"]["Type"], "local");
    assert_eq!(inspected["LogPath"], "");
    let seen = logs(&daemon, &id, "");
    assert!(
        seen.stderr == "err\n" && seen.stdout.starts_with(|first: char| first.is_ascii_digit())
    );
    let lines = seen.stdout.strip_suffix("no end").map(numbers).expect("the last line");
    assert!(lines.last() == Some(&3000) && lines.len() < 3000, "{}", lines.len());
    assert!(lines.windows(2).all(|pair| pair[0] + 1 == pair[1]), "the lines have a gap");
    let tail = logs(&daemon, &id, "tail=5");
    assert_eq!(tail.stdout.lines().count() + tail.stderr.lines().count(), 5);
    let stamp = logs(&daemon, &id, "tail=1&timestamps=1&details=1");
    let text = stamp.stdout + &stamp.stderr;
    let stamp = text.split(' ').next().expect("a time");
    assert_eq!(stamp.len(), 30, "{stamp}");
    assert!(logs(&daemon, &id, "since=4102444800").stdout.is_empty());
}

#[test]
fn long_lines_of_local_are_whole() {
    let daemon = Daemon::start();
    let script = "awk 'BEGIN { for (i = 0; i < 40000; i++) printf \"x\"; printf \"\\nend\\n\" }'";
    let id = run(&daemon, "local", &json!({}), script);
    let seen = logs(&daemon, &id, "").stdout;
    assert!(seen == format!("{}\nend\n", "x".repeat(40_000)), "{} bytes", seen.len());
}

#[test]
fn older_files_are_compressed_and_read() {
    let daemon = Daemon::start();
    let options = json!({ "max-size": "30k", "max-file": "4", "compress": "true" });
    for driver in ["json-file", "local"] {
        let id = run(&daemon, driver, &options, "seq 1 3000; sleep 1; seq 3001 3010");
        let lines = numbers(&logs(&daemon, &id, "").stdout);
        assert!(lines.last() == Some(&3010) && lines.len() > 1000, "{driver}: {}", lines.len());
        assert!(lines.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{driver}: a gap");
        let tail = numbers(&logs(&daemon, &id, "tail=900").stdout);
        assert_eq!((tail.len(), tail.last()), (900, Some(&3010)), "{driver}");
        if daemon.is_reference() {
            continue;
        }
        let directory = daemon.data_root().join("containers").join(&id).join("log");
        eventually("compressed files", Duration::from_secs(10), || {
            let entries = std::fs::read_dir(&directory).expect("the log's directory").flatten();
            let names: Vec<_> = entries.map(|e| e.file_name().into_string().unwrap()).collect();
            (names.iter().filter(|name| name.ends_with(".gz")).count() == 3).then_some(())
        });
    }
}

#[test]
fn labels_variables_and_tags_are_told() {
    let daemon = Daemon::start();
    let options = json!({ "labels": "a,none", "env": "c", "tag": "{{.Name}}|{{.ImageName}}" });
    let id = run(&daemon, "json-file", &options, "echo hello");
    let name = daemon.inspect(&id)["Name"].as_str().expect("a name")[1..].to_owned();
    let seen = logs(&daemon, &id, "details=1").stdout;
    let tag = format!("{name}%7Cjocker-test%3Alatest");
    assert_eq!(seen, format!("a=x+y%2Fz,c=1,tag={tag} hello\n"));
    assert_eq!(logs(&daemon, &id, "").stdout, "hello\n");
    let plain = run(&daemon, "json-file", &json!({}), "echo hello");
    assert_eq!(logs(&daemon, &plain, "details=1").stdout, " hello\n");
    let options = json!({ "labels-regex": "^(a|z)$", "env-regex": "^c" });
    let fitting = run(&daemon, "json-file", &options, "echo hello");
    let seen = logs(&daemon, &fitting, "details=1").stdout;
    assert_eq!(seen, "a=x+y%2Fz,c=1 hello\n");
    let broken = daemon.create(&body("json-file", &json!({ "env-regex": "(" }), "true"));
    let why = daemon.http().post(&format!("/containers/{broken}/start")).expect(500).message();
    assert!(why.contains("failed to initialize logging driver: error parsing regexp: "), "{why}");
}

#[test]
fn options_that_can_not_be_are_refused() {
    let daemon = Daemon::start();
    for (driver, options, why) in [
        ("json-file", json!({ "bad": "1" }), "unknown log opt 'bad' for json-file log driver"),
        ("local", json!({ "labels": "a" }), "unknown log opt 'labels' for log driver local"),
        ("journald", json!({ "bad": "1" }), "unknown log opt 'bad' for journald log driver"),
        ("json-file", json!({ "mode": "x" }), "logger: logging mode not supported: x"),
        (
            "json-file",
            json!({ "mode": "non-blocking", "max-buffer-size": "x" }),
            "error parsing option max-buffer-size: invalid size: 'x'",
        ),
        (
            "local",
            json!({ "max-buffer-size": "1m" }),
            "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
        ),
    ] {
        let answer = daemon.try_create(&body(driver, &options, "true")).expect(400);
        assert_eq!(answer.message(), why);
    }
    let prefix = "failed to create task for container: failed to initialize logging driver: ";
    for (driver, options, why) in [
        ("json-file", json!({ "max-size": "x" }), "invalid size: 'x'"),
        ("json-file", json!({ "max-size": "0" }), "max-size must be a positive number"),
        ("json-file", json!({ "max-file": "0" }), "max-file cannot be less than 1"),
        ("json-file", json!({ "max-file": "x" }), "strconv.Atoi: parsing \"x\": invalid syntax"),
        (
            "json-file",
            json!({ "tag": "{{.Bad}}" }),
            "template: log-tag:1:2: executing \"log-tag\" at <.Bad>: can't evaluate field Bad in type *logger.Info",
        ),
        ("local", json!({ "max-size": "x" }), "invalid value for max-size: x: invalid size: 'x'"),
        (
            "local",
            json!({ "max-file": "x" }),
            "invalid value for max-file: x: strconv.Atoi: parsing \"x\": invalid syntax",
        ),
        (
            "local",
            json!({ "max-file": "1" }),
            "compression cannot be enabled when max file count is 1",
        ),
        (
            "local",
            json!({ "compress": "x" }),
            "error reading compress log option: strconv.ParseBool: parsing \"x\": invalid syntax",
        ),
    ] {
        let id = daemon.create(&body(driver, &options, "true"));
        let answer = daemon.http().post(&format!("/containers/{id}/start")).expect(500);
        assert_eq!(answer.message(), format!("{prefix}{why}"));
    }
}

#[test]
fn a_log_that_may_not_wait_is_kept_too() {
    let daemon = Daemon::start();
    let options = json!({ "mode": "non-blocking", "max-buffer-size": "2m" });
    let id = run(&daemon, "json-file", &options, "seq 1 500");
    assert_eq!(numbers(&logs(&daemon, &id, "").stdout).len(), 500);
}

/// A pipe stands for a file on a disk that blocks: this test holds it open and does not read.
#[test]
fn a_container_that_may_not_wait_goes_on_beside_a_disk_that_blocks() {
    let Some(daemon) = Daemon::ours() else { return };
    let run = |options: Value| {
        let id = daemon.create(&body("json-file", &options, "seq 1 60000; touch /done"));
        let name = format!("{id}-json.log");
        let path = daemon.data_root().join("containers").join(&id).join("log").join(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        let mut options = std::fs::OpenOptions::new();
        let disk = options
            .read(true)
            .write(true)
            .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
            .open(&path);
        daemon.http().post(&format!("/containers/{id}/start")).expect(204);
        (id, disk.expect("the pipe"))
    };
    let is_running = |id: &str| daemon.inspect(id)["State"]["Running"] == true;
    let (waits, mut disk) = run(json!({}));
    let (hurries, _kept) = run(json!({ "mode": "non-blocking", "max-buffer-size": "64k" }));
    assert_eq!(daemon.wait(&hurries), 0);
    assert!(is_running(&waits), "it has said more than a pipe takes, and nobody reads");
    eventually("the end, once the disk takes what it says", Duration::from_secs(20), || {
        let _ = std::io::copy(&mut disk, &mut std::io::sink());
        (!is_running(&waits)).then_some(())
    });
}

#[test]
fn a_host_without_a_journal_says_so() {
    if std::path::Path::new("/run/systemd/journal/socket").exists() {
        return;
    }
    let daemon = Daemon::start();
    let id = daemon.create(&body("journald", &json!({ "tag": "x" }), "true"));
    let answer = daemon.http().post(&format!("/containers/{id}/start")).expect(500);
    assert!(
        answer.message().ends_with("journald is not enabled on this host"),
        "{}",
        answer.message()
    );
}

#[test]
fn a_follower_loses_nothing_over_rotations() {
    // dockerd's own followers lose lines here.
    let Some(daemon) = Daemon::ours() else { return };
    for compress in ["false", "true"] {
        let options = json!({ "max-size": "64k", "max-file": "50", "compress": compress });
        let script = "while [ ! -e /tmp/go ]; do sleep 0.05; done; seq 1 12000";
        let id = daemon.launch(&body("json-file", &options, script));
        let path = format!("/containers/{id}/logs?stdout=1&follow=1");
        let stream = daemon.http().open("GET", &path, &[], b"");
        assert_eq!(stream.status, 200);
        assert_eq!(daemon.exec(&id, &["touch", "/tmp/go"]).0, 0);
        let lines = numbers(&stdcopy::split(&stream.finish().body).stdout);
        assert!(lines == (1..=12_000).collect::<Vec<_>>(), "{compress}: {} lines", lines.len());
    }
}

#[test]
fn the_daemon_s_default_is_taken() {
    let config = json!({ "log-driver": "local", "log-opts": { "max-size": "1m" } });
    let Some(daemon) = Options::new().config(config).start() else { return };
    assert_eq!(daemon.http().get("/info").expect(200).json()["LoggingDriver"], "local");
    let id = daemon.launch(&json!({ "Cmd": ["echo", "hello"] }));
    daemon.wait(&id);
    let expected = json!({ "Type": "local", "Config": { "max-size": "1m" } });
    assert_eq!(daemon.inspect(&id)["HostConfig"]["LogConfig"], expected);
    assert_eq!(logs(&daemon, &id, "").stdout, "hello\n");
    let own = daemon.create(&body("json-file", &json!({}), "true"));
    assert_eq!(daemon.inspect(&own)["HostConfig"]["LogConfig"]["Config"], json!({}));
}

#[test]
fn drivers_that_are_not_there_are_named() {
    let Some(daemon) = Daemon::ours() else { return };
    for driver in ["syslog", "gelf", "fluentd", "splunk", "awslogs", "gcplogs"] {
        let answer = daemon.try_create(&body(driver, &json!({}), "true")).expect(501);
        assert!(answer.message().contains(driver), "{}", answer.message());
    }
    let unknown = daemon.try_create(&body("no-such", &json!({}), "true")).expect(400);
    let why = "error looking up logging plugin no-such: plugin \"no-such\" not found";
    assert_eq!(unknown.message(), why);
}
