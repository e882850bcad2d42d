//! Events: what happened, as it happens and later.

use std::time::Duration;

use harness::{Daemon, IMAGE, escaped, name, now};
use serde_json::{Value, json};

fn filters(value: &Value) -> String {
    escaped(&value.to_string())
}

fn actions(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| event["Action"].as_str().expect("an action").to_owned()).collect()
}

/// Route: GET /events
#[test]
fn tells_the_life_of_a_container() {
    let daemon = Daemon::start();
    let begin = now();
    let body = json!({ "Cmd": ["sh", "-c", "exit 5"], "Labels": { "mark": "m" } });
    let id = daemon.launch(&body);
    daemon.wait(&id);
    daemon.remove(&id);
    let only = filters(&json!({ "container": [id], "type": ["container"] }));
    // Clients of 1.52 and later do not get the fields id, status and from any more.
    let path = format!("/v1.44/events?since={begin}&until={}&filters={only}", now() + 1);
    let events = daemon.http().get(&path).expect(200).json_lines();
    assert_eq!(actions(&events), ["create", "start", "die", "destroy"]);
    for event in &events {
        assert_eq!(event["Type"], "container");
        assert_eq!(event["Actor"]["ID"], id);
        assert_eq!(event["scope"], "local");
        assert_eq!(event["id"], id);
        assert_eq!(event["status"], event["Action"]);
        assert_eq!(event["from"], IMAGE);
        let attributes = &event["Actor"]["Attributes"];
        assert_eq!((&attributes["image"], &attributes["mark"]), (&json!(IMAGE), &json!("m")));
        assert!(attributes["name"].as_str().is_some_and(|name| name.starts_with("jt-")));
        let nanos = event["timeNano"].as_u64().expect("a time");
        assert_eq!(Some(nanos / 1_000_000_000), event["time"].as_u64());
    }
    assert_eq!(events[2]["Actor"]["Attributes"]["exitCode"], "5");
}

#[test]
fn comes_at_once_to_who_listens() {
    let daemon = Daemon::start();
    let called = name();
    let only = filters(&json!({ "container": [called] }));
    let mut stream = daemon.http().open("GET", &format!("/events?filters={only}"), &[], b"");
    assert_eq!(stream.status, 200);
    let body = json!({ "Image": IMAGE, "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL",
        "HostConfig": { "NetworkMode": "none" } });
    let id = daemon.http().post_json(&format!("/containers/create?name={called}"), &body);
    let id = id.expect(201).json()["Id"].as_str().expect("an id").to_owned();
    stream.set_patience(Duration::from_secs(10));
    let next = |stream: &mut harness::client::Stream| {
        let event = stream.next_json().expect("an event");
        event["Action"].as_str().expect("an action").to_owned()
    };
    assert_eq!(next(&mut stream), "create");
    daemon.start_container(&id);
    assert_eq!(next(&mut stream), "start");
    daemon.http().post(&format!("/containers/{id}/kill")).expect(204);
    let mut pair = [next(&mut stream), next(&mut stream)];
    pair.sort();
    assert_eq!(pair, ["die", "kill"]);
    daemon.remove(&id);
    assert_eq!(next(&mut stream), "destroy");
}

#[test]
fn is_filtered_by_type_action_and_image() {
    let daemon = Daemon::start();
    let begin = now();
    let id = daemon.launch(&json!({ "Cmd": ["true"] }));
    daemon.wait(&id);
    for (wanted, expected) in [
        (json!({ "container": [id], "event": ["die"] }), vec!["die"]),
        (json!({ "container": [id], "event": ["start", "create"] }), vec!["create", "start"]),
        (json!({ "container": [id], "type": ["image"] }), vec![]),
        (json!({ "container": [id], "image": ["no-such-image"] }), vec![]),
        (json!({ "container": [id], "event": ["die"], "image": [IMAGE] }), vec!["die"]),
    ] {
        let path =
            format!("/events?since={begin}&until={}&filters={}", now() + 1, filters(&wanted));
        let events = daemon.http().get(&path).expect(200).json_lines();
        let events: Vec<_> =
            events.into_iter().filter(|event| event["Type"] != "network").collect();
        assert_eq!(actions(&events), expected, "{wanted}");
    }
}

#[test]
fn tells_of_images_and_execs() {
    let daemon = Daemon::start();
    let begin = now();
    let tag = name();
    daemon.docker(&["tag", IMAGE, &tag]).ok();
    daemon.docker(&["rmi", &tag]).ok();
    let path = format!(
        "/events?since={begin}&until={}&filters={}",
        now() + 1,
        filters(&json!({ "type": ["image"], "event": ["tag", "untag"] }))
    );
    let events = daemon.http().get(&path).expect(200).json_lines();
    assert!(actions(&events).contains(&"tag".to_owned()), "{events:?}");
    assert!(actions(&events).contains(&"untag".to_owned()), "{events:?}");
    let id = daemon.sleeper();
    daemon.exec(&id, &["sh", "-c", "exit 3"]);
    let only = filters(&json!({ "container": [id] }));
    let path = format!("/events?since={begin}&until={}&filters={only}", now() + 1);
    let events = daemon.http().get(&path).expect(200).json_lines();
    let names = actions(&events);
    assert!(
        names.iter().any(|action| action.starts_with("exec_create: sh -c exit 3")),
        "{names:?}"
    );
    assert!(names.iter().any(|action| action.starts_with("exec_start: ")), "{names:?}");
    let died = events.iter().find(|event| event["Action"] == "exec_die").expect("exec_die");
    assert_eq!(died["Actor"]["Attributes"]["exitCode"], "3");
}

#[test]
fn refuses_times_and_filters_it_does_not_know() {
    let daemon = Daemon::start();
    for query in ["since=tomorrow", "until=x", "filters=notjson", "since=20&until=10"] {
        let answer = daemon.http().get(&format!("/events?{query}"));
        // dockerd answers 500 to times that it can not parse.
        assert!(answer.status >= 400, "{query}: {}", answer.text());
        assert!(daemon.is_reference() || answer.status == 400, "{query}: {}", answer.status);
        assert!(!answer.message().is_empty());
    }
}

#[test]
fn reaches_the_cli() {
    let daemon = Daemon::start();
    let begin = now();
    let called = name();
    daemon.docker(&["run", "--rm", "--name", &called, "--network", "none", IMAGE, "true"]).ok();
    std::thread::sleep(Duration::from_millis(1100));
    let (since, until) = (begin.to_string(), now().to_string());
    let only = format!("container={called}");
    let format = "{{.Action}}";
    let args =
        ["events", "--since", &since, "--until", &until, "--filter", &only, "--format", format];
    let seen = daemon.docker(&args).ok();
    let seen: Vec<_> = seen.lines().collect();
    for action in ["create", "attach", "start", "die", "destroy"] {
        assert!(seen.contains(&action), "{action}: {seen:?}");
    }
}

#[test]
fn a_client_that_is_too_slow_is_let_go_without_a_hole() {
    // dockerd leaves events out instead.
    let Some(daemon) = Daemon::ours() else { return };
    let id = daemon.create(&json!({ "Cmd": ["true"] }));
    let only = filters(&json!({ "container": [id], "event": ["rename"] }));
    let stream = daemon.http().open("GET", &format!("/events?filters={only}"), &[], b"");
    assert_eq!(stream.status, 200);
    let called = name();
    let rename = |number: usize| {
        let path = format!("/containers/{id}/rename?name={called}-{number}");
        daemon.http().post(&path).expect(204);
    };
    (0..4000).for_each(rename);
    let seen = stream.finish().json_lines();
    assert!(!seen.is_empty() && seen.len() < 4000, "{}", seen.len());
    for (number, event) in seen.iter().enumerate() {
        let new = &event["Actor"]["Attributes"]["name"];
        assert_eq!(*new, format!("{called}-{number}"), "a hole at {number}");
    }
    let log = daemon.log();
    assert!(log.contains("too slow"), "{log}");
}
