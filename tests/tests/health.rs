//! Health checks: what the daemon finds out about a container by a command that it runs in it.

use std::time::Duration;

use harness::daemon::Options;
use harness::{Daemon, eventually, name};
use serde_json::{Value, json};

const MS: i64 = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(20);

/// A sleeper with a health check.
fn checked(daemon: &Daemon, check: &Value) -> String {
    let body = json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL", "Healthcheck": check });
    daemon.launch(&body)
}

fn health(daemon: &Daemon, id: &str) -> Value {
    daemon.inspect(id)["State"]["Health"].clone()
}

fn becomes(daemon: &Daemon, id: &str, status: &str) -> Value {
    eventually(status, PATIENCE, || {
        Some(health(daemon, id)).filter(|health| health["Status"] == status)
    })
}

fn touch(daemon: &Daemon, id: &str, path: &str) {
    assert_eq!(daemon.exec(id, &["touch", path]).0, 0);
}

#[test]
fn goes_from_starting_to_healthy_to_unhealthy_and_back() {
    let daemon = Daemon::start();
    let test = "echo seen; echo err >&2; test ! -e /tmp/bad";
    let id = checked(
        &daemon,
        &json!({ "Test": ["CMD-SHELL", test], "Interval": 400 * MS, "Retries": 2 }),
    );
    let first = health(&daemon, &id);
    assert_eq!(first, json!({ "Status": "starting", "FailingStreak": 0, "Log": [] }));
    let healthy = becomes(&daemon, &id, "healthy");
    let entry = &healthy["Log"][0];
    assert_eq!((&entry["ExitCode"], &healthy["FailingStreak"]), (&json!(0), &json!(0)));
    let output = entry["Output"].as_str().expect("a text");
    assert!(output.contains("seen\n") && output.contains("err\n"), "{output}");
    assert!(entry["Start"].as_str() < entry["End"].as_str(), "{entry}");
    touch(&daemon, &id, "/tmp/bad");
    let bad = becomes(&daemon, &id, "unhealthy");
    assert!(bad["FailingStreak"].as_i64() >= Some(2), "{bad}");
    let log = bad["Log"].as_array().expect("a list");
    assert_eq!(log.last().expect("an entry")["ExitCode"], 1);
    assert_eq!(daemon.exec(&id, &["rm", "/tmp/bad"]).0, 0);
    let good = becomes(&daemon, &id, "healthy");
    assert_eq!(good["FailingStreak"], 0);
    eventually("five entries", PATIENCE, || {
        (health(&daemon, &id)["Log"].as_array()?.len() == 5).then_some(())
    });
}

#[test]
fn is_shown_and_chosen_in_lists() {
    let daemon = Daemon::start();
    let check = |test: &str| json!({ "Test": ["CMD", test], "Interval": 300 * MS, "Retries": 1 });
    let healthy = checked(&daemon, &check("true"));
    let unhealthy = checked(&daemon, &check("false"));
    let starting = checked(&daemon, &json!({ "Test": ["CMD", "true"] }));
    let none = daemon.sleeper();
    becomes(&daemon, &healthy, "healthy");
    becomes(&daemon, &unhealthy, "unhealthy");
    for (id, value, shown) in [
        (&healthy, "healthy", "(healthy)"),
        (&unhealthy, "unhealthy", "(unhealthy)"),
        (&starting, "starting", "(health: starting)"),
        (&none, "none", ""),
    ] {
        let filters = json!({ "health": [value], "id": [id] }).to_string();
        let query = filters.replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
        let rows = daemon.http().get(&format!("/containers/json?filters={query}")).expect(200);
        let rows = rows.json();
        assert_eq!(rows.as_array().map(Vec::len), Some(1), "{value}: {rows}");
        let status = rows[0]["Status"].as_str().expect("a text");
        assert!(status.starts_with("Up ") && status.ends_with(shown), "{value}: {status}");
    }
    let line =
        daemon.docker(&["ps", "--filter", "health=unhealthy", "--format", "{{.ID}}", "--no-trunc"]);
    assert!(line.ok().lines().any(|line| line == unhealthy));
}

#[test]
fn probes_that_fail_to_run_or_to_end_say_why() {
    let daemon = Daemon::start();
    let missing = checked(
        &daemon,
        &json!({ "Test": ["CMD", "/no-such"], "Interval": 300 * MS, "Retries": 1 }),
    );
    let slow = json!({ "Test": ["CMD-SHELL", "echo begun; sleep 987"], "Interval": 300 * MS,
        "Timeout": 500 * MS, "Retries": 1 });
    let slow = checked(&daemon, &slow);
    let wordy = json!({ "Test": ["CMD-SHELL", "yes | head -c 9000"], "Interval": 300 * MS });
    let wordy = checked(&daemon, &wordy);
    let entry = &becomes(&daemon, &missing, "unhealthy")["Log"][0];
    assert_eq!(entry["ExitCode"], -1);
    let why = entry["Output"].as_str().expect("a text");
    assert!(why.contains("exec failed") && why.contains("/no-such"), "{why}");
    let entry = &becomes(&daemon, &slow, "unhealthy")["Log"][0];
    assert_eq!(entry["ExitCode"], -1);
    assert_eq!(entry["Output"], "Health check exceeded timeout (500ms): begun\n");
    let entry = &becomes(&daemon, &wordy, "healthy")["Log"][0];
    let output = entry["Output"].as_str().expect("a text");
    assert_eq!((output.len(), output.ends_with("...")), (4096 + 3, true));
    // What took too long is killed.
    let check = json!({ "Interval": 100_000 * MS, "Test": ["CMD", "true"] });
    let quiet = checked(&daemon, &check);
    let left = || daemon.http().get(&format!("/containers/{slow}/top")).expect(200).json();
    let sleepers = |top: &Value| top["Processes"].to_string().matches("sleep 987").count();
    eventually("an end of the slow probes", PATIENCE, || (sleepers(&left()) <= 2).then_some(()));
    assert_eq!(health(&daemon, &quiet)["Log"], json!([]));
}

#[test]
fn the_start_period_forgives() {
    let daemon = Daemon::start();
    let check = json!({ "Test": ["CMD", "test", "-e", "/tmp/up"], "Interval": 60_000 * MS,
        "StartPeriod": 60_000 * MS, "StartInterval": 200 * MS, "Retries": 1 });
    let id = checked(&daemon, &check);
    let tried = eventually("probes", PATIENCE, || {
        Some(health(&daemon, &id))
            .filter(|health| health["Log"].as_array().is_some_and(|log| log.len() > 2))
    });
    assert_eq!((&tried["Status"], &tried["FailingStreak"]), (&json!("starting"), &json!(0)));
    touch(&daemon, &id, "/tmp/up");
    becomes(&daemon, &id, "healthy");
}

#[test]
fn stops_with_the_container_and_while_it_is_paused() {
    let daemon = Daemon::start();
    let check = json!({ "Test": ["CMD", "true"], "Interval": 300 * MS });
    let id = checked(&daemon, &check);
    becomes(&daemon, &id, "healthy");
    daemon.http().post(&format!("/containers/{id}/pause")).expect(204);
    let paused = health(&daemon, &id);
    assert_eq!(paused["Status"], "unhealthy");
    std::thread::sleep(Duration::from_millis(900));
    assert_eq!(health(&daemon, &id), paused);
    daemon.http().post(&format!("/containers/{id}/unpause")).expect(204);
    becomes(&daemon, &id, "healthy");
    daemon.http().post(&format!("/containers/{id}/stop")).expect(204);
    let stopped = health(&daemon, &id);
    assert_eq!((&stopped["Status"], &stopped["FailingStreak"]), (&json!("unhealthy"), &json!(0)));
    let kept = stopped["Log"].as_array().expect("a list").len();
    assert!(kept > 0);
    daemon.start_container(&id);
    let again = health(&daemon, &id);
    assert_eq!(again["Log"].as_array().map(Vec::len), Some(kept), "{again}");
    becomes(&daemon, &id, "healthy");
}

#[test]
fn tells_its_changes_and_its_execs() {
    let daemon = Daemon::start();
    let since = daemon.http().get("/info").expect(200).json()["SystemTime"].clone();
    let since: jiff::Timestamp = since.as_str().expect("a time").parse().expect("a time");
    let check =
        json!({ "Test": ["CMD-SHELL", "test ! -e /tmp/bad"], "Interval": 400 * MS, "Retries": 1 });
    let id = checked(&daemon, &check);
    becomes(&daemon, &id, "healthy");
    touch(&daemon, &id, "/tmp/bad");
    becomes(&daemon, &id, "unhealthy");
    let until = jiff::Timestamp::now().as_second() + 1;
    let filters = json!({ "container": [id] }).to_string();
    let filters = filters.replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
    let path = format!("/events?since={}&until={until}&filters={filters}", since.as_second());
    let text = daemon.http().get(&path).expect(200).text();
    let events: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
    let actions: Vec<&str> = events.iter().filter_map(|event| event["Action"].as_str()).collect();
    let probe = "/bin/sh -c test ! -e /tmp/bad";
    let begin = [
        "create",
        "start",
        &format!("exec_create: {probe}"),
        &format!("exec_start: {probe}"),
        "exec_die",
        "health_status: healthy",
    ];
    assert_eq!(actions[..6], begin);
    assert!(actions.contains(&"health_status: unhealthy"), "{actions:?}");
    let changes = actions.iter().filter(|action| action.starts_with("health_status")).count();
    assert_eq!(changes, 2, "{actions:?}");
    assert!(events[4]["Actor"]["Attributes"]["execID"].is_string(), "{}", events[4]);
    assert_eq!(events[4]["Actor"]["Attributes"]["exitCode"], "0");
}

#[test]
fn times_that_can_not_be_are_refused() {
    let daemon = Daemon::start();
    for (field, value, why) in [
        ("Interval", 999_999, "Interval in Healthcheck cannot be less than 1ms"),
        ("Interval", -1, "Interval in Healthcheck cannot be less than 1ms"),
        ("Timeout", 1, "Timeout in Healthcheck cannot be less than 1ms"),
        ("StartPeriod", 5, "StartPeriod in Healthcheck cannot be less than 1ms"),
        ("StartInterval", 5, "StartInterval in Healthcheck cannot be less than 1ms"),
        ("Retries", -5, "Retries in Healthcheck cannot be negative"),
    ] {
        let mut check = json!({ "Test": ["CMD", "true"] });
        check[field] = json!(value);
        let answer =
            daemon.try_create(&json!({ "Cmd": ["true"], "Healthcheck": check })).expect(400);
        assert_eq!(answer.message(), why);
    }
}

#[test]
fn by_the_cli_and_switched_off() {
    let daemon = Daemon::start();
    let (on, off) = (name(), name());
    let run = |name: &str, options: &[&str]| {
        let head = ["run", "-d", "--network", "none", "--stop-signal", "KILL", "--name", name];
        let tail = [harness::IMAGE, "sleep", "1000"];
        daemon.docker(&[&head[..], options, &tail[..]].concat()).ok()
    };
    run(
        &on,
        &[
            "--health-cmd",
            "true",
            "--health-interval",
            "300ms",
            "--health-start-interval",
            "100ms",
            "--health-start-period",
            "5s",
            "--health-retries",
            "4",
            "--health-timeout",
            "2s",
        ],
    );
    becomes(&daemon, &on, "healthy");
    let expected = json!({ "Test": ["CMD-SHELL", "true"], "Interval": 300 * MS, "Timeout": 2000 * MS,
        "StartPeriod": 5000 * MS, "StartInterval": 100 * MS, "Retries": 4 });
    assert_eq!(daemon.inspect(&on)["Config"]["Healthcheck"], expected);
    run(&off, &["--no-healthcheck"]);
    assert_eq!(daemon.inspect(&off)["Config"]["Healthcheck"]["Test"], json!(["NONE"]));
    assert!(health(&daemon, &off).is_null());
}

#[test]
fn goes_on_after_the_daemon_s_death() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let check = json!({ "Test": ["CMD", "test", "!", "-e", "/tmp/bad"], "Interval": 400 * MS, "Retries": 2 });
    let id = checked(&daemon, &check);
    let before = becomes(&daemon, &id, "healthy");
    daemon.kill9();
    daemon.start_again(&Options::new());
    let after = health(&daemon, &id);
    assert_eq!((&after["Status"], &after["Log"][0]), (&before["Status"], &before["Log"][0]));
    touch(&daemon, &id, "/tmp/bad");
    becomes(&daemon, &id, "unhealthy");
}
