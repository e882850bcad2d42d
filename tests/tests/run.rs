//! `docker run` by the stock CLI: output, exit codes, stdin, terminal, clean-up.

use harness::{Daemon, IMAGE, name};
use serde_json::json;

#[test]
fn prints_what_the_command_says() {
    let daemon = Daemon::start();
    let run = daemon.docker(&["run", "--rm", IMAGE, "echo", "hello"]);
    assert_eq!(run.ok(), "hello");
}

#[test]
fn keeps_stdout_and_stderr_apart() {
    let daemon = Daemon::start();
    let run = daemon.docker(&["run", "--rm", IMAGE, "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (7, "out\n", "err\n"));
}

#[test]
fn gives_the_exit_code_of_the_command() {
    let daemon = Daemon::start();
    for (script, code) in [
        ("exit 0", 0),
        ("exit 1", 1),
        ("exit 42", 42),
        ("exit 255", 255),
        // A first process without a handler does not die of its own signals, pid_namespaces(7).
        ("kill -9 $$; kill -TERM $$; exit 3", 3),
        ("sh -c 'kill -TERM $$'; exit $?", 143),
        ("sh -c 'kill -9 $$'; exit $?", 137),
    ] {
        let run = daemon.docker(&["run", "--rm", "--network", "none", IMAGE, "sh", "-c", script]);
        assert_eq!(run.code, code, "{script}: {run:?}");
    }
}

#[test]
fn says_why_a_command_can_not_be_executed() {
    let daemon = Daemon::start();
    for (command, code, text) in [
        ("/no/such/program", 127, "no such file or directory"),
        ("nosuchprogram", 127, "executable file not found in $PATH"),
        ("/etc/passwd", 126, "permission denied"),
        ("/etc", 126, "permission denied|is a directory"),
    ] {
        let run = daemon.docker(&["run", "--rm", "--network", "none", IMAGE, command]);
        let stderr = run.fails(code);
        assert!(text.split('|').any(|text| stderr.contains(text)), "{command}: {stderr}");
    }
}

#[test]
fn refuses_with_125_what_the_daemon_refuses() {
    let daemon = Daemon::start();
    for args in [
        &["run", "--rm", "--memory", "1k", IMAGE, "true"][..],
        &["run", "--rm", "--network", "no-such-network", IMAGE, "true"],
        &["run", "--rm", "--cpuset-cpus", "4000", IMAGE, "true"],
        &["run", "--rm", "--name", "-bad", IMAGE, "true"],
    ] {
        daemon.docker(args).fails(125);
    }
}

#[test]
fn reports_a_missing_user_or_directory() {
    let daemon = Daemon::start();
    let run = daemon.docker(&["run", "--rm", "--network", "none", "-u", "nosuch", IMAGE, "true"]);
    let stderr = run.stderr.clone();
    assert!(run.code == 125 || run.code == 126, "{run:?}");
    assert!(stderr.contains("nosuch"), "{stderr}");
    let none = &["run", "--rm", "--network", "none"];
    let run = daemon.docker(&[none, &["-w", "/etc/passwd", IMAGE, "true"][..]].concat());
    assert!(run.code == 125 || run.code == 126 || run.code == 127, "{run:?}");
}

#[test]
fn carries_stdin_to_its_end() {
    let daemon = Daemon::start();
    let mut input = Vec::new();
    for line in 0..50_000 {
        input.extend_from_slice(format!("line {line} of the input\n").as_bytes());
    }
    let run =
        daemon.docker_with(&["run", "--rm", "-i", "--network", "none", IMAGE, "md5sum"], &input);
    let sum = run.ok();
    let run = daemon.docker_with(&["run", "--rm", "-i", "--network", "none", IMAGE, "cat"], &input);
    assert_eq!(run.stdout.len(), input.len());
    assert!(run.stdout.as_bytes() == input, "the echo differs");
    assert!(sum.ends_with("  -"), "{sum}");
}

#[test]
fn loses_no_byte_of_a_large_output() {
    let daemon = Daemon::start();
    let script = "yes 0123456789abcdef | head -c 8000000";
    let run = daemon.docker(&["run", "--rm", "--network", "none", IMAGE, "sh", "-c", script]);
    assert_eq!(run.code, 0);
    assert_eq!(run.stdout.len(), 8_000_000);
}

#[test]
fn gives_a_terminal_its_size_and_follows_it() {
    let daemon = Daemon::start();
    let args = ["run", "-it", "--rm", "--network", "none", IMAGE, "sh"];
    let mut terminal = daemon.docker_on_terminal(&args, 40, 120);
    terminal.write("test -t 0 && test -t 1 && echo yes-$((1+1))-tty\n");
    terminal.read_until("yes-2-tty");
    terminal.write("until [ \"$(stty size)\" = '40 120' ]; do :; done; echo first-$((2+2))\n");
    terminal.read_until("first-4");
    terminal.resize(30, 100);
    terminal.write("until [ \"$(stty size)\" = '30 100' ]; do :; done; echo second-$((2+2))\n");
    terminal.read_until("second-4");
    terminal.write("exit 3\n");
    assert_eq!(terminal.finish().0, 3);
}

#[test]
fn ends_on_control_c_at_a_terminal() {
    let daemon = Daemon::start();
    let script = "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.1; done";
    let args = ["run", "-it", "--rm", "--network", "none", IMAGE, "sh", "-c", script];
    let mut terminal = daemon.docker_on_terminal(&args, 24, 80);
    terminal.read_until("ready");
    terminal.write("\x03");
    terminal.read_until("caught");
    assert_eq!(terminal.finish().0, 9);
}

#[test]
fn detaches_by_the_keys() {
    let daemon = Daemon::start();
    let container = name();
    let args = ["run", "-it", "--name", &container, "--network", "none", IMAGE, "sh"];
    let mut terminal = daemon.docker_on_terminal(&args, 24, 80);
    terminal.write("echo up-$((3+4))\n");
    terminal.read_until("up-7");
    terminal.write("\x10\x11");
    terminal.finish();
    assert_eq!(daemon.inspect(&container)["State"]["Running"], true);
}

#[test]
fn forwards_signals_of_the_client() {
    let daemon = Daemon::start();
    let container = name();
    let script = "trap 'echo got it; exit 5' USR1; echo ready; while :; do sleep 0.1; done";
    let args = ["run", "--name", &container, "--network", "none", IMAGE, "sh", "-c", script];
    let client = daemon.docker_in_background(&args);
    harness::eventually("the trap is set", std::time::Duration::from_secs(20), || {
        let answer = daemon.http().get(&format!("/containers/{container}/logs?stdout=1"));
        answer.text().contains("ready").then_some(())
    });
    let pid = i32::try_from(client.id()).expect("a pid");
    let usr1 = nix::sys::signal::Signal::SIGUSR1;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), usr1).expect("kill");
    let output = client.wait_with_output().expect("the client's end");
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ready\ngot it\n");
}

#[test]
fn removes_the_container_afterwards() {
    let daemon = Daemon::start();
    let container = name();
    daemon.docker(&["run", "--rm", "--name", &container, IMAGE, "true"]).ok();
    let answer = daemon.http().get(&format!("/containers/{container}/json")).expect(404);
    assert_eq!(answer.message(), format!("No such container: {container}"));
}

#[test]
fn runs_detached_and_attaches_later() {
    let daemon = Daemon::start();
    let script = "echo one; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo two; exit 6";
    let args = ["run", "-d", "--network", "none", "--name", &name(), IMAGE, "sh", "-c", script];
    let id = daemon.docker(&args).ok();
    assert_eq!(id.len(), 64, "{id}");
    let attached = daemon.docker_in_background(&["attach", "--no-stdin", &id]);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(daemon.exec(&id, &["touch", "/tmp/go"]).0, 0);
    let output = attached.wait_with_output().expect("the client's end");
    assert_eq!(output.status.code(), Some(6));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "two\n");
    assert_eq!(daemon.docker(&["wait", &id]).ok(), "6");
    assert_eq!(daemon.docker(&["logs", &id]).ok(), "one\ntwo");
}

#[test]
fn sets_environment_directory_host_name_and_user() {
    let daemon = Daemon::start();
    let options =
        ["-e", "A=b c", "-w", "/made/here", "-h", "box", "-u", "app", "--network", "none"];
    let script = "echo \"$A|$PWD|$(hostname)|$(id -u):$(id -g)|$(id -G)|$HOME|$HOSTNAME\"";
    let run = [&["run", "--rm"], &options[..], &[IMAGE, "sh", "-c", script]].concat();
    assert_eq!(daemon.docker(&run).ok(), "b c|/made/here|box|1000:1000|1000 70 71|/home/app|box");
}

#[test]
fn knows_users_and_groups_by_docker_s_rules() {
    let daemon = Daemon::start();
    for (user, add, expected) in [
        ("", json!(null), "0:0 0"),
        ("0", json!(null), "0:0 0"),
        ("1000", json!(null), "1000:1000 1000 70 71"),
        ("app", json!(null), "1000:1000 1000 70 71"),
        ("app:daemon", json!(null), "1000:1 1"),
        ("1234", json!(null), "1234:0 0"),
        ("1234:5678", json!(null), "1234:5678 5678"),
        ("app", json!(["more", "77"]), "1000:1000 1000 70 71 77"),
        ("1234:5678", json!(["extra"]), "1234:5678 5678 70"),
    ] {
        let body = json!({ "User": user, "HostConfig": { "GroupAdd": add } });
        let seen = daemon.sh(&body, "echo $(id -u):$(id -g) $(id -G)");
        assert_eq!(sorted_groups(&seen), sorted_groups(expected), "{user} {add}");
    }
}

fn sorted_groups(text: &str) -> (String, Vec<String>) {
    let mut words = text.split_whitespace().map(str::to_owned);
    let ids = words.next().unwrap_or_default();
    let mut groups: Vec<_> = words.collect();
    groups.sort();
    groups.dedup();
    (ids, groups)
}

#[test]
fn refuses_user_numbers_that_do_not_fit() {
    let daemon = Daemon::start();
    for user in ["4294967296", "-1", "99999999999999999999", "0:4294967296", "2147483648"] {
        let created = daemon.try_create(&json!({ "User": user, "Cmd": ["id"] }));
        if created.status == 201 {
            let id = created.json()["Id"].as_str().expect("an id").to_owned();
            let started = daemon.http().post(&format!("/containers/{id}/start"));
            assert!(started.status >= 400, "user {user} was accepted");
        }
    }
}

#[test]
fn follows_entrypoint_and_command_rules() {
    let daemon = Daemon::start();
    for (body, expected) in [
        (json!({ "Cmd": ["echo", "a"] }), "a\n"),
        (json!({ "Entrypoint": ["echo"], "Cmd": ["a", "b"] }), "a b\n"),
        (json!({ "Entrypoint": ["echo", "e"] }), "e\n"),
        (json!({ "Entrypoint": "echo", "Cmd": "x" }), "x\n"),
        (json!({ "Entrypoint": [], "Cmd": ["echo", "c"] }), "c\n"),
    ] {
        let finished = daemon.run(&body);
        assert_eq!(finished.output.stdout, expected, "{body}");
    }
}

#[test]
fn reaps_orphans_with_init() {
    let daemon = Daemon::start();
    let body = json!({ "HostConfig": { "Init": true } });
    let script = "cat /proc/1/cmdline | tr '\\0' ' ' | head -c 300; echo; echo me $$";
    let seen = daemon.sh(&body, &script.replace("tr '\\0' ' ' | ", ""));
    assert!(seen.contains("init"), "{seen}");
    let finished = daemon.run(&json!({ "HostConfig": { "Init": true },
        "Cmd": ["sh", "-c", "kill -TERM $$"] }));
    assert_eq!(finished.code, 143);
}
