//! Exec: a second process in a running container.

use std::time::Duration;

use harness::{Daemon, eventually};
use serde_json::{Value, json};

fn running(daemon: &Daemon, body: &Value) -> String {
    let mut body = body.clone();
    body["Cmd"] = json!(["sleep", "1000"]);
    body["StopSignal"] = json!("SIGKILL");
    daemon.launch(&body)
}

/// Route: POST /containers/{id}/exec
/// Route: POST /exec/{id}/start
/// Route: GET /exec/{id}/json
#[test]
fn runs_and_tells_the_exit_code() {
    let daemon = Daemon::start();
    let id = running(&daemon, &json!({}));
    let (code, output) = daemon.exec(&id, &["sh", "-c", "echo out; echo err >&2; exit 9"]);
    assert_eq!((code, output.stdout.as_str(), output.stderr.as_str()), (9, "out\n", "err\n"));
    let command = json!({ "AttachStdout": true, "Cmd": ["cat", "/proc/self/status"] });
    let exec = daemon.create_exec(&id, &command);
    let before = daemon.http().get(&format!("/exec/{exec}/json")).expect(200).json();
    assert_eq!((&before["Running"], &before["ExitCode"]), (&json!(false), &Value::Null));
    assert_eq!(before["ProcessConfig"]["entrypoint"], "cat");
    assert_eq!(before["ProcessConfig"]["arguments"], json!(["/proc/self/status"]));
    assert_eq!((&before["ContainerID"], &before["ID"]), (&json!(id), &json!(exec)));
    assert_eq!(before["OpenStdout"], true);
}

#[test]
fn shares_every_namespace_of_the_container() {
    let daemon = Daemon::start();
    let id = running(&daemon, &json!({}));
    for namespace in ["mnt", "net", "pid", "ipc", "uts"] {
        let script = format!("readlink /proc/1/ns/{namespace}; readlink /proc/self/ns/{namespace}");
        let (code, output) = daemon.exec(&id, &["sh", "-c", &script]);
        let lines: Vec<_> = output.stdout.lines().collect();
        assert_eq!(code, 0);
        assert_eq!(lines[0], lines[1], "{namespace}");
    }
}

#[test]
fn is_confined_as_the_container_is() {
    let daemon = Daemon::start();
    let id = running(&daemon, &json!({}));
    let wanted = "Cap|Seccomp:|NoNewPrivs|Groups";
    let script =
        format!("grep -E '{wanted}' /proc/1/status; echo ==; grep -E '{wanted}' /proc/self/status");
    let (code, output) = daemon.exec(&id, &["sh", "-c", &script]);
    assert_eq!(code, 0);
    let (first, second) = output.stdout.split_once("==\n").expect("two parts");
    assert_eq!(first, second);
    assert!(first.contains("CapInh:\t0000000000000000"), "{first}");
    let groups =
        "cut -d: -f2,3 /proc/1/cgroup | sort; echo ==; cut -d: -f2,3 /proc/self/cgroup | sort";
    let (_, output) = daemon.exec(&id, &["sh", "-c", groups]);
    let (first, second) = output.stdout.split_once("==\n").expect("two parts");
    assert_eq!(first, second);
}

#[test]
fn takes_user_directory_and_environment() {
    let daemon = Daemon::start();
    let id = running(&daemon, &json!({ "Env": ["FROM=container"], "WorkingDir": "/var" }));
    let script = "echo \"$(id -u):$(id -g)|$PWD|$FROM|$MORE|$HOME\"";
    for (body, expected) in [
        (json!({}), "0:0|/var|container||/root"),
        (json!({ "User": "app" }), "1000:1000|/var|container||/home/app"),
        (json!({ "User": "1:70", "WorkingDir": "/tmp" }), "1:70|/tmp|container||/usr/sbin"),
        (json!({ "Env": ["MORE=x", "FROM=exec"] }), "0:0|/var|exec|x|/root"),
    ] {
        let mut body = body;
        body["AttachStdout"] = json!(true);
        body["Cmd"] = json!(["sh", "-c", script]);
        let exec = daemon.create_exec(&id, &body);
        let start = json!({ "Detach": false, "Tty": false });
        let path = format!("/exec/{exec}/start");
        let said = daemon.http().upgrade(&path, Some(&start)).expect(101).output().stdout;
        assert_eq!(said.trim_end(), expected, "{body}");
    }
}

#[test]
fn carries_stdin_and_its_end() {
    let daemon = Daemon::start();
    let id = running(&daemon, &json!({}));
    let input: Vec<u8> = (0..30_000).flat_map(|n: u32| format!("{n}\n").into_bytes()).collect();
    let run = daemon.docker_with(&["exec", "-i", &id, "cat"], &input);
    assert!(run.stdout.as_bytes() == input, "the echo differs: {} bytes", run.stdout.len());
    assert_eq!(run.code, 0);
}

/// Route: POST /exec/{id}/resize
#[test]
fn has_a_terminal_of_its_own() {
    let daemon = Daemon::start();
    let id = running(&daemon, &json!({}));
    let mut terminal = daemon.docker_on_terminal(&["exec", "-it", &id, "sh"], 41, 121);
    terminal.write("tty; until [ \"$(stty size)\" = '41 121' ]; do :; done; echo one-$((1+1))\n");
    assert!(terminal.read_until("one-2").contains("/dev/pts/"));
    terminal.resize(31, 101);
    terminal.write("until [ \"$(stty size)\" = '31 101' ]; do :; done; echo two-$((1+1))\n");
    terminal.read_until("two-2");
    terminal.write("exit 4\n");
    assert_eq!(terminal.finish().0, 4);
}

#[test]
fn runs_detached() {
    let daemon = Daemon::start();
    let id = running(&daemon, &json!({}));
    let exec =
        daemon.create_exec(&id, &json!({ "Cmd": ["sh", "-c", "echo done > /tmp/mark; exit 5"] }));
    let path = format!("/exec/{exec}/start");
    daemon.http().post_json(&path, &json!({ "Detach": true })).expect(200);
    let state = eventually("the exec's end", Duration::from_secs(20), || {
        let state = daemon.http().get(&format!("/exec/{exec}/json")).expect(200).json();
        (state["Running"] == false && state["ExitCode"] != Value::Null).then_some(state)
    });
    assert_eq!(state["ExitCode"], 5);
    assert_eq!(daemon.exec(&id, &["cat", "/tmp/mark"]).1.stdout, "done\n");
    let again = daemon.http().post_json(&path, &json!({ "Detach": true }));
    assert!(again.status == 409 || again.status == 500, "{}", again.status);
}

#[test]
fn says_why_it_can_not() {
    let daemon = Daemon::start();
    let id = running(&daemon, &json!({}));
    for (command, text) in [
        ("nosuchprogram", "executable file not found in $PATH"),
        ("/etc/passwd", "permission denied"),
    ] {
        let run = daemon.docker(&["exec", &id, command]);
        assert!(run.code == 126 || run.code == 127, "{run:?}");
        let said = run.stdout + &run.stderr;
        assert!(said.contains(text), "{said}");
    }
    let http = daemon.http();
    let body = json!({ "Cmd": ["true"] });
    let missing = http.post_json("/containers/no-such-one/exec", &body).expect(404);
    assert_eq!(missing.message(), "No such container: no-such-one");
    http.get("/exec/nosuchexec/json").expect(404);
    http.post_json("/exec/nosuchexec/start", &json!({})).expect(404);
    let empty =
        http.post_json(&format!("/containers/{id}/exec"), &json!({ "Cmd": [] })).expect(400);
    assert!(empty.message().to_lowercase().contains("no exec command specified"));
    let stopped = daemon.create(&json!({ "Cmd": ["true"] }));
    let refused = http.post_json(&format!("/containers/{stopped}/exec"), &body).expect(409);
    assert!(refused.message().contains("is not running"), "{}", refused.message());
}

#[test]
fn outlives_neither_the_container_nor_its_list() {
    let daemon = Daemon::start();
    let id = running(&daemon, &json!({}));
    let exec = daemon.create_exec(&id, &json!({ "Cmd": ["sleep", "500"] }));
    daemon.http().post_json(&format!("/exec/{exec}/start"), &json!({ "Detach": true })).expect(200);
    assert_eq!(daemon.inspect(&id)["ExecIDs"], json!([exec]));
    daemon.http().post(&format!("/containers/{id}/kill")).expect(204);
    assert_eq!(daemon.wait(&id), 137);
    assert_eq!(daemon.inspect(&id)["ExecIDs"], Value::Null);
}

#[test]
fn keeps_its_stdout_when_many_run_at_once() {
    let daemon = Daemon::start();
    let id = running(&daemon, &json!({}));
    std::thread::scope(|scope| {
        for worker in 0..6 {
            let (daemon, id) = (&daemon, &id);
            scope.spawn(move || {
                let script = format!("seq 1 2000 | sed s/^/{worker}-/");
                let (code, output) = daemon.exec(id, &["sh", "-c", &script]);
                assert_eq!(code, 0);
                assert_eq!(output.stdout.lines().count(), 2000);
                let prefix = format!("{worker}-");
                assert!(output.stdout.lines().all(|line| line.starts_with(&prefix)));
            });
        }
    });
}

#[test]
fn privileged_exec_has_more() {
    let daemon = Daemon::start();
    let id = running(&daemon, &json!({}));
    let body = json!({ "AttachStdout": true, "Privileged": true,
        "Cmd": ["grep", "CapEff", "/proc/self/status"] });
    let exec = daemon.create_exec(&id, &body);
    let start = json!({ "Detach": false, "Tty": false });
    let stream = daemon.http().upgrade(&format!("/exec/{exec}/start"), Some(&start));
    if stream.status != 101 && !daemon.is_reference() {
        return;
    }
    let (_, plain) = daemon.exec(&id, &["grep", "CapEff", "/proc/self/status"]);
    let more = stream.expect(101).output().stdout;
    if !daemon.is_reference() {
        assert_ne!(more, plain.stdout);
    }
}
