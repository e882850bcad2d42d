//! Small things that clients of a dockerd rely on, beyond what each resource's own tests look at.

use std::time::{Duration, Instant};

use harness::{Daemon, IMAGE, name, stdcopy};
use serde_json::json;

#[test]
fn what_only_a_swarm_has_is_answered_as_outside_one() {
    let daemon = Daemon::start();
    let http = daemon.http();
    for path in ["/swarm", "/nodes", "/services", "/tasks", "/v1.41/secrets", "/v1.41/configs"] {
        let message = http.get(path).expect(503).message();
        assert!(message.starts_with("This node is not a swarm manager."), "{path}: {message}");
    }
    http.get("/nodes?filters=nonsense").expect(400);
    http.post("/services/x/update?version=x").expect(400);
    http.post("/services/x/update?version=1").expect(503);
    for kind in ["services", "tasks"] {
        let streams = http.get(&format!("/{kind}/x/logs"));
        assert!([400, 500].contains(&streams.status), "{kind}: {}", streams.status);
        assert!(streams.message().contains("choose at least one stream"), "{}", streams.message());
        http.get(&format!("/{kind}/x/logs?stdout=1")).expect(503);
        http.get(&format!("/{kind}/x/y")).expect(404);
    }
    assert_eq!(http.post("/swarm/leave").expect(503).message(), "This node is not part of a swarm");
    let docker = daemon.docker(&["node", "ls"]).fails(1);
    assert!(docker.contains("This node is not a swarm manager"), "{docker}");
}

#[test]
fn there_are_no_plugins() {
    let daemon = Daemon::start();
    let http = daemon.http();
    assert_eq!(http.get("/plugins").expect(200).json(), json!([]));
    http.get("/plugins?filters={%22nosuch%22:[%22x%22]}").expect(400);
    for (method, path) in [
        ("GET", "/plugins/x/json"),
        ("DELETE", "/plugins/x"),
        ("POST", "/plugins/a/b:1/disable"),
        ("POST", "/plugins/x/enable?timeout=0"),
    ] {
        let message = http.send(method, path, &[], b"").expect(404).message();
        assert!(message.ends_with("not found"), "{method} {path}: {message}");
    }
    daemon.docker(&["plugin", "ls"]).ok();
}

#[test]
fn unclean_paths_lead_to_clean_ones() {
    let daemon = Daemon::start();
    for (path, clean) in [
        ("//version", "/version"),
        ("/v1.41/containers//json?all=1", "/v1.41/containers/json?all=1"),
        ("/v1.41/containers/%2Fx/json", "/v1.41/containers/x/json"),
    ] {
        let answer = daemon.http().get(path).expect(301);
        assert_eq!(answer.header("location"), Some(clean), "{path}");
    }
    daemon.http().send("OPTIONS", "/v1.41/info", &[], b"").expect(200);
}

#[test]
fn the_start_of_an_exec_decides_the_form_of_its_output() {
    let daemon = Daemon::start();
    let id = daemon.sleeper();
    let exec = |tty: bool| {
        let body = json!({"Cmd": ["echo", "hello"], "Tty": tty, "AttachStdout": true});
        daemon.create_exec(&id, &body)
    };
    let output = |exec: String, tty: bool| {
        let body = json!({"Detach": false, "Tty": tty});
        let mut stream =
            daemon.http().upgrade(&format!("/exec/{exec}/start"), Some(&body)).expect(101);
        stream.read_to_end()
    };
    assert_eq!(output(exec(true), true), b"hello\r\n");
    assert_eq!(stdcopy::split(&output(exec(true), false)).stdout, "hello\r\n");
    assert_eq!(stdcopy::split(&output(exec(false), false)).stdout, "hello\n");
    assert_eq!(output(exec(false), true), b"hello\n");
    daemon.remove(&id);
}

/// How long a client's look at the head is awaited, a little less.
const HEAD_READ_WITHIN: Duration = Duration::from_millis(90);

/// A client that takes the head of an answer with whatever comes at once would lose the rest.
#[test]
fn nothing_follows_the_head_of_a_hijacked_answer_before_it_is_read() {
    use std::io::{Read, Write};
    let Some(daemon) = Daemon::ours() else { return };
    let id = daemon.sleeper();
    let mut in_time = 0;
    for _ in 0..200 {
        let body = json!({"Cmd": ["echo", "hello"], "AttachStdout": true});
        let exec = daemon.create_exec(&id, &body);
        let mut stream = daemon.http().connect();
        let start = b"{\"Detach\":false,\"Tty\":false}";
        let head = format!(
            "POST /exec/{exec}/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            start.len()
        );
        let begin = Instant::now();
        stream.write_all(head.as_bytes()).expect("head");
        stream.write_all(start).expect("body");
        std::thread::sleep(Duration::from_millis(30));
        let mut block = [0; 8192];
        let count = stream.read(&mut block).expect("the head");
        if begin.elapsed() > HEAD_READ_WITHIN {
            // Not this client's fault: the machine let it sleep.
            continue;
        }
        let first = String::from_utf8_lossy(&block[..count]);
        assert!(first.ends_with("\r\n\r\n"), "more than the head: {first:?}");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("the output");
        assert_eq!(stdcopy::split(&rest).stdout, "hello\n");
        in_time += 1;
        if in_time == 20 {
            break;
        }
    }
    assert_eq!(in_time, 20);
    daemon.remove(&id);
}

#[test]
fn a_wait_ends_with_each_end_of_a_container_that_restarts() {
    let daemon = Daemon::start();
    let id = daemon.launch(&json!({
        "Image": IMAGE,
        "Cmd": ["sh", "-c", "sleep 1; exit 4"],
        "HostConfig": {"RestartPolicy": {"Name": "always"}, "NetworkMode": "none"},
    }));
    assert_eq!(daemon.wait(&id), 4);
    daemon.remove(&id);
}

#[test]
fn a_wait_tells_why_a_start_failed() {
    let daemon = Daemon::start();
    let id = daemon.create(&json!({"Image": IMAGE, "Cmd": ["/nosuch"]}));
    daemon.http().post(&format!("/containers/{id}/start")).expect(400);
    let ended = daemon.http().post(&format!("/containers/{id}/wait")).expect(200).json();
    assert_eq!(ended["StatusCode"], 127);
    let why = ended["Error"]["Message"].as_str().expect("a reason");
    assert!(why.contains("no such file or directory"), "{why}");
    daemon.remove(&id);
}

#[test]
fn old_versions_have_their_defaults() {
    let daemon = Daemon::start();
    let create = |version: &str, settings: serde_json::Value| {
        let body = json!({"Image": IMAGE, "HostConfig": settings});
        let path = format!("/v{version}/containers/create?name={}", name());
        let id = daemon.http().post_json(&path, &body).expect(201).json()["Id"].clone();
        let id = id.as_str().expect("an id").to_owned();
        let inspected = daemon.inspect(&id);
        daemon.remove(&id);
        inspected
    };
    let settings = json!({"AutoRemove": true, "Annotations": {"a": "b"}});
    let (old, new) = (create("1.24", settings.clone()), create("1.43", settings));
    assert_eq!(old["HostConfig"]["IpcMode"], "shareable");
    assert_eq!(new["HostConfig"]["IpcMode"], "private");
    assert_eq!(old["HostConfig"]["AutoRemove"], false);
    assert_eq!(new["HostConfig"]["AutoRemove"], true);
    assert_eq!(old["HostConfig"].get("Annotations"), None);
    assert_eq!(new["HostConfig"]["Annotations"], json!({"a": "b"}));
}

#[test]
fn a_working_directory_is_cleaned_and_used() {
    let daemon = Daemon::start();
    let body = json!({"Image": IMAGE, "WorkingDir": "/etc/../var/./", "Cmd": ["pwd"]});
    let done = daemon.run(&body);
    assert_eq!(done.output.stdout, "/var\n");
}

#[test]
fn only_the_client_s_own_ports_conflict_with_another_s_network() {
    let daemon = Daemon::start();
    let id = daemon.sleeper();
    let mode = json!({"NetworkMode": format!("container:{id}")});
    let plain = daemon.create(&json!({"Image": IMAGE, "Cmd": ["true"], "HostConfig": mode}));
    daemon.remove(&plain);
    let exposing = json!({"Image": IMAGE, "Cmd": ["true"], "HostConfig": mode, "ExposedPorts": {"80/tcp": {}}});
    assert_eq!(daemon.try_create(&exposing).status, 400);
    daemon.remove(&id);
}
