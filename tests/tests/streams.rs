//! Streams at their edges: much data, slow clients, clients that go away, detaching and coming back.

use std::fs;
use std::io::{Read, Write};
use std::time::Duration;

use harness::docker::Terminal;
use harness::isolation::monitors;
use harness::{Daemon, IMAGE, eventually, name};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// Mebibytes that go through stdin and stdout; `JOCKER_STREAM_MIB` says more.
const MEBIBYTES: u64 = 48;
/// What the daemon and the monitor may take meanwhile, in kB.
const GROWTH_MAX: u64 = 8 * 1024;

fn mebibytes() -> u64 {
    let asked = std::env::var("JOCKER_STREAM_MIB").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(MEBIBYTES)
}

/// Resident memory of a process, in kB.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// A block that no compression and no mistake in its order survives.
fn block(number: u64) -> Vec<u8> {
    let mut random = harness::churn::random::Random::new(7, number);
    (0..128 * 1024).flat_map(|_| random.number().to_le_bytes()).collect()
}

#[test]
fn much_goes_in_and_out_of_the_stock_client_whole() {
    let daemon = Daemon::start();
    let args = ["run", "--rm", "-i", "--network", "none", IMAGE, "cat"];
    let mut client = daemon.docker_in_background(&args);
    let (mut to, mut from) =
        (client.stdin.take().expect("stdin"), client.stdout.take().expect("stdout"));
    let blocks = mebibytes();
    let writer = std::thread::spawn(move || {
        for number in 0..blocks {
            to.write_all(&block(number)).expect("a block goes in");
        }
        to
    });
    let mut memory = Vec::new();
    for number in 0..blocks {
        let expected = block(number);
        let mut got = vec![0; expected.len()];
        from.read_exact(&mut got).expect("a block comes out");
        assert!(got == expected, "block {number} differs");
        if !daemon.is_reference() && (number == 4 || number + 1 == blocks) {
            memory.push((
                resident(daemon.pid()),
                monitors().into_iter().map(resident).max().unwrap_or(0),
            ));
        }
    }
    // Whose memory is looked at must not have ended: stdin is closed now, not before.
    drop(writer.join().expect("all goes in"));
    assert_eq!(from.read(&mut [0; 1]).expect("the end"), 0);
    assert_eq!(client.wait().expect("the client's end").code(), Some(0));
    if let [(daemon_before, monitor_before), (daemon_after, monitor_after)] = memory[..] {
        assert!(daemon_after < daemon_before + GROWTH_MAX, "daemon: {memory:?} kB");
        assert!(monitor_after < monitor_before + GROWTH_MAX / 8, "monitor: {memory:?} kB");
    }
}

#[test]
fn a_slow_client_loses_nothing() {
    let daemon = Daemon::start();
    let id = daemon.create(&json!({ "Cmd": ["seq", "1", "100000"] }));
    let path = format!("/containers/{id}/attach?stream=1&stdout=1");
    let mut stream = daemon.http().upgrade(&path, None).expect(101);
    daemon.start_container(&id);
    let mut all = Vec::new();
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(100));
        all.extend(stream.read_within(Duration::from_millis(1)).0);
    }
    all.extend(stream.read_to_end());
    let expected: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    assert!(harness::stdcopy::split(&all).stdout == expected, "lines are missing");
}

/// dockerd lets such a client stop the container for ever.
#[test]
fn a_client_that_takes_nothing_is_let_go() {
    let Some(daemon) = Daemon::ours() else { return };
    let script = "yes 0123456789 | head -c 3300000; echo end";
    let id = daemon.create(&json!({ "Cmd": ["sh", "-c", script] }));
    let path = format!("/containers/{id}/attach?stream=1&stdout=1");
    let deaf = daemon.http().upgrade(&path, None).expect(101);
    daemon.start_container(&id);
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(daemon.inspect(&id)["State"]["Running"], true, "it waits for its client");
    assert_eq!(daemon.wait(&id), 0);
    assert!(daemon.logs(&id).stdout.ends_with("\nend\n"));
    drop(deaf);
}

#[test]
fn an_exec_outlives_its_client() {
    let daemon = Daemon::start();
    let id = daemon.sleeper();
    let script = "echo begun; sleep 2; echo done > /tmp/mark";
    let mut client = daemon.docker_in_background(&["exec", &id, "sh", "-c", script]);
    let mut first = [0; 6];
    client.stdout.take().expect("stdout").read_exact(&mut first).expect("its beginning");
    let pid = Pid::from_raw(i32::try_from(client.id()).expect("a pid"));
    kill(pid, Signal::SIGKILL).expect("the client's end");
    client.wait().expect("the client's end");
    eventually("the exec's end", Duration::from_secs(20), || {
        (daemon.exec(&id, &["cat", "/tmp/mark"]).1.stdout == "done\n").then_some(())
    });
}

/// The answer to an exec.
fn refusals(daemon: &Daemon, id: &str) -> (u16, String) {
    let body = json!({ "Cmd": ["true"] });
    let answer = daemon.http().post_json(&format!("/containers/{id}/exec"), &body);
    (answer.status, answer.message())
}

#[test]
fn execs_are_refused_where_nothing_runs() {
    let daemon = Daemon::start();
    let called = name();
    daemon
        .docker(&["run", "-d", "--network", "none", "--name", &called, IMAGE, "sleep", "1000"])
        .ok();
    let id = daemon.inspect(&called)["Id"].as_str().expect("an id").to_owned();
    daemon.http().post(&format!("/containers/{id}/pause")).expect(204);
    for asked in [&id, &called] {
        let paused = format!("Container {asked} is paused, unpause the container before exec");
        assert_eq!(refusals(&daemon, asked), (409, paused));
    }
    let made_before = {
        daemon.http().post(&format!("/containers/{id}/unpause")).expect(204);
        daemon.create_exec(&id, &json!({ "Cmd": ["true"], "AttachStdout": true }))
    };
    daemon.http().post(&format!("/containers/{id}/kill")).expect(204);
    daemon.wait(&id);
    assert_eq!(refusals(&daemon, &id), (409, format!("container {id} is not running")));
    let start =
        daemon.http().post_json(&format!("/exec/{made_before}/start"), &json!({ "Detach": true }));
    assert!(start.status == 409 || start.status == 404, "{}", start.text());
    daemon.remove(&id);
}

/// Types into a shell until it answers.
fn answers(terminal: &mut Terminal, word: &str) {
    terminal.write(&format!("echo {word}-$((20+3))\n"));
    terminal.read_until(&format!("{word}-23"));
}

#[test]
fn detaches_by_any_keys_and_is_found_again() {
    let daemon = Daemon::start();
    for (keys, typed) in
        [("", "\x10\x11"), ("ctrl-a,x", "\x01x"), ("q", "q"), ("a,b,ctrl-]", "ab\x1d")]
    {
        let called = name();
        let mut args = vec!["run", "-it", "--name", &called, "--network", "none"];
        let option = format!("--detach-keys={keys}");
        if !keys.is_empty() {
            args.push(&option);
        }
        args.extend([IMAGE, "sh"]);
        let mut terminal = daemon.docker_on_terminal(&args, 24, 80);
        answers(&mut terminal, "one");
        terminal.write(typed);
        terminal.finish();
        assert_eq!(daemon.inspect(&called)["State"]["Running"], true, "{keys}");
        let mut args = vec!["attach"];
        if !keys.is_empty() {
            args.push(&option);
        }
        args.push(&called);
        let mut terminal = daemon.docker_on_terminal(&args, 30, 90);
        answers(&mut terminal, "two");
        terminal.resize(31, 91);
        terminal.write("until [ \"$(stty size)\" = '31 91' ]; do :; done; echo size-$((1+1))\n");
        terminal.read_until("size-2");
        terminal.write("exit 7\n");
        assert_eq!(terminal.finish().0, 7, "{keys}");
        daemon.remove(&called);
    }
}

#[test]
fn keys_that_are_none_are_refused() {
    let daemon = Daemon::start();
    let id = daemon.launch(&json!({ "Tty": true, "OpenStdin": true, "Cmd": ["sh"] }));
    for keys in ["bogus", "ctrl-", "ctrl-1", "a,,b"] {
        let path = format!("/containers/{id}/attach?stream=1&stdin=1&detachKeys={keys}");
        let refused = daemon.http().post(&path).expect(400).text();
        assert!(refused.contains(&format!("Invalid detach keys ({keys}) provided")), "{refused}");
    }
    let body = json!({ "Tty": true, "AttachStdin": true, "Cmd": ["sh"], "DetachKeys": "bogus" });
    let made = daemon.http().post_json(&format!("/containers/{id}/exec"), &body);
    // dockerd: 500.
    assert!(made.status >= 400, "{}", made.text());
    assert_eq!(made.message(), "Invalid escape keys (bogus) provided");
}

#[test]
fn an_exec_is_left_by_the_keys_and_goes_on() {
    let daemon = Daemon::start();
    let id = daemon.sleeper();
    let mut terminal = daemon.docker_on_terminal(&["exec", "-it", &id, "sh"], 24, 80);
    answers(&mut terminal, "up");
    terminal.write("\x10\x11");
    terminal.finish();
    let execs = daemon.inspect(&id)["ExecIDs"].clone();
    assert_eq!(execs.as_array().map(Vec::len), Some(1), "{execs}");
    let exec = execs[0].as_str().expect("an id");
    let seen = daemon.http().get(&format!("/exec/{exec}/json")).expect(200).json();
    assert_eq!((&seen["Running"], &seen["ExitCode"]), (&json!(true), &Value::Null));
}

#[test]
fn clients_without_stdin_only_look() {
    let daemon = Daemon::start();
    let script = "while read line; do echo got $line; [ $line = end ] && exit 3; done";
    let body = json!({ "OpenStdin": true, "Cmd": ["sh", "-c", script] });
    let id = daemon.launch(&body);
    let looker = daemon.docker_in_background(&["attach", "--no-stdin", "--sig-proxy=false", &id]);
    let path = format!("/containers/{id}/attach?stream=1&stdin=1&stdout=1");
    let mut typist = daemon.http().upgrade(&path, None).expect(101);
    std::thread::sleep(Duration::from_millis(700));
    typist.write(b"one\n");
    typist.read_until("got one");
    // What a looker sends is nobody's input.
    let path = format!("/containers/{id}/attach?stream=1&stdout=1");
    let mut deaf = daemon.http().upgrade(&path, None).expect(101);
    deaf.write(b"end\n");
    typist.write(b"two\n");
    typist.read_until("got two");
    typist.write(b"end\n");
    assert_eq!(daemon.wait(&id), 3);
    let output = looker.wait_with_output().expect("the looker's end");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "got one\ngot two\ngot end\n");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn signals_stay_with_a_client_that_keeps_them() {
    let daemon = Daemon::start();
    let called = name();
    let script = "trap 'echo got it' TERM; echo ready; n=0; while [ $n -lt 40 ]; do sleep 0.1; n=$((n+1)); done";
    let args = [
        "run",
        "--sig-proxy=false",
        "--name",
        &called,
        "--network",
        "none",
        IMAGE,
        "sh",
        "-c",
        script,
    ];
    let mut client = daemon.docker_in_background(&args);
    eventually("the trap is set", Duration::from_secs(20), || {
        let answer = daemon.http().get(&format!("/containers/{called}/logs?stdout=1"));
        answer.text().contains("ready").then_some(())
    });
    let pid = Pid::from_raw(i32::try_from(client.id()).expect("a pid"));
    kill(pid, Signal::SIGTERM).expect("a signal");
    client.wait().expect("the client's end");
    assert_eq!(daemon.wait(&called), 0);
    assert_eq!(daemon.logs(&called).stdout, "ready\n");
    daemon.remove(&called);
}
