//! The life of a container by the API: create, list, inspect, start, stop, kill, remove.

use std::time::{Duration, Instant};

use harness::{Daemon, IMAGE, escaped, eventually, name};
use serde_json::{Value, json};

/// Route: POST /containers/create
/// Route: GET /containers/{id}/json
#[test]
fn inspection_shows_what_was_asked_for() {
    let daemon = Daemon::start();
    let asked = json!({
        "Cmd": ["sh", "-c", "true"], "Env": ["A=1"], "Labels": { "l": "v" }, "WorkingDir": "/tmp",
        "User": "app", "Hostname": "box", "StopSignal": "SIGUSR1", "StopTimeout": 3,
        "HostConfig": { "Memory": 67108864, "NanoCpus": 500000000, "PidsLimit": 50 },
    });
    let id = daemon.create(&asked);
    let seen = daemon.inspect(&id);
    assert_eq!(seen["Id"], id);
    assert_eq!(seen["Path"], "sh");
    assert_eq!(seen["Args"], json!(["-c", "true"]));
    assert_eq!(seen["RestartCount"], 0);
    assert_eq!(seen["Driver"].as_str().map(|driver| driver.contains("overlay")), Some(true));
    assert_eq!(seen["Platform"], "linux");
    assert!(seen["Name"].as_str().is_some_and(|name| name.starts_with("/jt-")));
    assert!(seen["Image"].as_str().is_some_and(|image| image.starts_with("sha256:")));
    let config = &seen["Config"];
    for field in ["Cmd", "WorkingDir", "User", "Hostname", "StopSignal", "StopTimeout"] {
        assert_eq!(config[field], asked[field], "{field}");
    }
    assert_eq!(config["Labels"]["l"], "v");
    assert_eq!(config["Env"][0], "A=1");
    assert!(config["Env"].as_array().is_some_and(|env| env.len() == 2), "{}", config["Env"]);
    assert_eq!(config["Image"], IMAGE);
    let host = &seen["HostConfig"];
    for (field, value) in [
        ("Memory", json!(67_108_864)),
        ("NanoCpus", json!(500_000_000)),
        ("PidsLimit", json!(50)),
        ("NetworkMode", json!("none")),
        ("ShmSize", json!(67_108_864)),
        ("IpcMode", json!("private")),
        ("AutoRemove", json!(false)),
        ("Privileged", json!(false)),
        ("RestartPolicy", json!({ "Name": "no", "MaximumRetryCount": 0 })),
    ] {
        assert_eq!(host[field], value, "{field}");
    }
    assert_eq!(host["LogConfig"]["Type"], "json-file");
    let state = &seen["State"];
    for (field, value) in [
        ("Status", json!("created")),
        ("Running", json!(false)),
        ("Pid", json!(0)),
        ("ExitCode", json!(0)),
        ("StartedAt", json!("0001-01-01T00:00:00Z")),
        ("FinishedAt", json!("0001-01-01T00:00:00Z")),
    ] {
        assert_eq!(state[field], value, "{field}");
    }
}

/// Route: POST /containers/{id}/start
/// Route: POST /containers/{id}/stop
/// Route: DELETE /containers/{id}
#[test]
fn goes_through_its_states() {
    let daemon = Daemon::start();
    let id = daemon.create(&json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL" }));
    let http = daemon.http();
    http.post(&format!("/containers/{id}/stop")).expect(304);
    http.post(&format!("/containers/{id}/kill")).expect(409);
    http.post(&format!("/containers/{id}/start")).expect(204);
    http.post(&format!("/containers/{id}/start")).expect(304);
    let state = daemon.inspect(&id)["State"].clone();
    assert_eq!((&state["Status"], &state["Running"]), (&json!("running"), &json!(true)));
    assert!(state["Pid"].as_i64().is_some_and(|pid| pid > 1), "{state}");
    let refused = http.delete(&format!("/containers/{id}")).expect(409);
    assert!(refused.message().contains("cannot remove container"), "{}", refused.message());
    http.post(&format!("/containers/{id}/stop")).expect(204);
    http.post(&format!("/containers/{id}/stop")).expect(304);
    let state = daemon.inspect(&id)["State"].clone();
    assert_eq!((&state["Status"], &state["ExitCode"]), (&json!("exited"), &json!(137)));
    assert_eq!((&state["Pid"], &state["Running"]), (&json!(0), &json!(false)));
    assert!(state["FinishedAt"].as_str() > state["StartedAt"].as_str(), "{state}");
    http.post(&format!("/containers/{id}/start")).expect(204);
    http.delete(&format!("/containers/{id}?force=1")).expect(204);
    http.get(&format!("/containers/{id}/json")).expect(404);
    http.delete(&format!("/containers/{id}")).expect(404);
}

#[test]
fn starts_again_with_what_it_wrote() {
    let daemon = Daemon::start();
    let script = "echo run >> /count; wc -l < /count";
    let id = daemon.create(&json!({ "Cmd": ["sh", "-c", script] }));
    for round in 1..=3 {
        daemon.start_container(&id);
        assert_eq!(daemon.wait(&id), 0);
        let said = daemon.logs(&id).stdout;
        assert_eq!(said.lines().last().map(str::trim), Some(round.to_string().as_str()));
    }
}

/// Route: POST /containers/{id}/kill
#[test]
fn is_killed_by_any_name_of_a_signal() {
    let daemon = Daemon::start();
    let script = "trap 'exit 21' USR1 37; echo ready; while :; do sleep 0.05; done";
    for (signal, code) in [
        ("", 137),
        ("?signal=9", 137),
        ("?signal=SIGKILL", 137),
        ("?signal=usr1", 21),
        ("?signal=10", 21),
        ("?signal=SIGRTMIN%2B3", 21),
    ] {
        let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", script] }));
        eventually("the trap is set", Duration::from_secs(20), || {
            daemon.logs(&id).stdout.contains("ready").then_some(())
        });
        daemon.http().post(&format!("/containers/{id}/kill{signal}")).expect(204);
        assert_eq!(daemon.wait(&id), code, "{signal}");
    }
}

#[test]
fn stops_by_its_signal_and_is_killed_after_its_time() {
    let daemon = Daemon::start();
    let script = "trap 'echo bye; exit 4' QUIT; echo ready; while :; do sleep 0.05; done";
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", script], "StopSignal": "SIGQUIT" }));
    eventually("the trap is set", Duration::from_secs(20), || {
        daemon.logs(&id).stdout.contains("ready").then_some(())
    });
    daemon.http().post(&format!("/containers/{id}/stop")).expect(204);
    assert_eq!(daemon.wait(&id), 4);
    assert!(daemon.logs(&id).stdout.ends_with("bye\n"));

    let stubborn = daemon.launch(&json!({ "Cmd": ["sh", "-c", "trap '' TERM; sleep 1000"] }));
    let begin = Instant::now();
    daemon.http().post(&format!("/containers/{stubborn}/stop?t=1")).expect(204);
    let took = begin.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(8)).contains(&took), "{took:?}");
    assert_eq!(daemon.wait(&stubborn), 137);
}

#[test]
fn is_found_by_name_id_and_unique_prefix() {
    let daemon = Daemon::start();
    let called = name();
    let body = json!({ "Image": IMAGE, "Cmd": ["true"] });
    let path = format!("/containers/create?name={called}");
    let made = daemon.http().post_json(&path, &body).expect(201).json();
    assert_eq!(made["Warnings"], json!([]));
    let id = made["Id"].as_str().expect("an id");
    assert!(id.len() == 64 && id.bytes().all(|byte| b"0123456789abcdef".contains(&byte)), "{id}");
    for reference in [&called, id, &id[..12]] {
        assert_eq!(daemon.inspect(reference)["Id"], id, "{reference}");
    }
    let again = daemon.http().post_json(&path, &body).expect(409).message();
    assert!(again.contains("is already in use by container"), "{again}");
    assert!(again.contains(id), "{again}");
}

/// Route: GET /containers/json
#[test]
fn is_listed_with_filters() {
    let daemon = Daemon::start();
    let mark = name();
    let labelled = |value: &str| {
        json!({ "Labels": { "mark": mark, "n": value },
        "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL" })
    };
    let running = daemon.launch(&labelled("1"));
    let created = daemon.create(&labelled("2"));
    let ended =
        daemon.launch(&json!({ "Labels": { "mark": mark }, "Cmd": ["sh", "-c", "exit 3"] }));
    daemon.wait(&ended);
    let list = |query: &str, filters: Value| -> Vec<Value> {
        let filters = filters.to_string();
        let path = format!("/containers/json?{query}filters={}", escaped(&filters));
        daemon.http().get(&path).expect(200).json().as_array().expect("a list").clone()
    };
    let ids = |list: &[Value]| -> Vec<String> {
        list.iter().map(|entry| entry["Id"].as_str().expect("an id").to_owned()).collect()
    };
    let marked = format!("mark={mark}");
    assert_eq!(ids(&list("", json!({ "label": [marked] }))), std::slice::from_ref(&running));
    let all = list("all=1&", json!({ "label": [marked] }));
    assert_eq!(ids(&all), [ended.clone(), created.clone(), running.clone()], "newest first");
    for (filters, expected) in [
        (json!({ "label": [marked, "n=2"] }), vec![&created]),
        (json!({ "label": [marked], "status": ["created"] }), vec![&created]),
        (json!({ "label": [marked], "status": ["exited", "running"] }), vec![&ended, &running]),
        (json!({ "label": [marked], "exited": ["3"] }), vec![&ended]),
        (json!({ "id": [&running[..20]] }), vec![&running]),
        (json!({ "label": { marked.as_str(): true } }), vec![&ended, &created, &running]),
        (json!({ "label": [marked], "before": [created] }), vec![&running]),
        (json!({ "label": [marked], "since": [running] }), vec![&ended, &created]),
        (json!({ "label": [marked], "ancestor": [IMAGE] }), vec![&ended, &created, &running]),
        (json!({ "label": [marked], "name": ["nothing-is-called-so"] }), vec![]),
    ] {
        let found = ids(&list("all=1&", filters.clone()));
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{filters}");
    }
    let limited = list("limit=1&", json!({ "label": [marked] }));
    assert_eq!(ids(&limited), [ended]);
    let entry = &all[0];
    assert_eq!(entry["State"], "exited");
    assert_eq!(entry["Image"], IMAGE);
    assert_eq!(entry["Command"], "sh -c 'exit 3'");
    assert!(entry["Status"].as_str().is_some_and(|status| status.starts_with("Exited (3) ")));
    assert_eq!(entry["HostConfig"]["NetworkMode"], "none");
    assert_eq!(all[1]["Status"], "Created");
    assert!(all[2]["Status"].as_str().is_some_and(|status| status.starts_with("Up ")));
}

#[test]
fn is_removed_on_its_own_when_asked() {
    let daemon = Daemon::start();
    let body = json!({ "Cmd": ["true"], "HostConfig": { "AutoRemove": true } });
    let id = daemon.launch(&body);
    eventually("the container is gone", Duration::from_secs(20), || {
        let status = daemon.http().get(&format!("/containers/{id}/json")).status;
        (status == 404).then_some(())
    });
}

#[test]
fn a_failed_start_is_told_and_can_be_tried_again() {
    let daemon = Daemon::start();
    let id = daemon.create(&json!({ "Cmd": ["/no/such/program"] }));
    for _ in 0..2 {
        let refused = daemon.http().post(&format!("/containers/{id}/start"));
        assert!(refused.status == 400 || refused.status == 404, "{}", refused.status);
        assert!(refused.message().contains("/no/such/program"), "{}", refused.message());
        let state = daemon.inspect(&id)["State"].clone();
        assert_eq!(
            (&state["Running"], &state["ExitCode"]),
            (&json!(false), &json!(127)),
            "{state}"
        );
        assert!(state["Error"].as_str().is_some_and(|error| error.contains("/no/such/program")));
    }
    daemon.remove(&id);
}

#[test]
fn many_clients_start_many_containers() {
    let daemon = Daemon::start();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let daemon = &daemon;
            scope.spawn(move || {
                for round in 0..3 {
                    let code = worker * 10 + round;
                    let script = format!("echo {code}; exit {code}");
                    let finished = daemon.run(&json!({ "Cmd": ["sh", "-c", script] }));
                    assert_eq!(finished.code, i64::from(code));
                    assert_eq!(finished.output.stdout, format!("{code}\n"));
                }
            });
        }
    });
}

#[test]
fn one_container_is_started_once_by_many_clients() {
    let daemon = Daemon::start();
    let id = daemon.create(&json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL" }));
    let statuses = std::thread::scope(|scope| {
        let start = || daemon.http().post(&format!("/containers/{id}/start")).status;
        let workers: Vec<_> = (0..6).map(|_| scope.spawn(start)).collect();
        workers.into_iter().map(|worker| worker.join().expect("status")).collect::<Vec<_>>()
    });
    let made = statuses.iter().filter(|status| **status == 204).count();
    assert_eq!(made, 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [204, 304].contains(status)), "{statuses:?}");
}
