//! The `jocker` client: the stock CLI's commands, flags, output and exit codes.

use harness::registry::Registry;
use harness::{Daemon, IMAGE, name};

#[test]
fn runs_as_the_stock_client_does() {
    let Some(daemon) = Daemon::ours() else { return };
    for (args, stdin) in [
        (&["run", "--rm", IMAGE, "echo", "hello"][..], ""),
        (
            &[
                "run",
                "--rm",
                "--network",
                "none",
                IMAGE,
                "sh",
                "-c",
                "echo out; echo err >&2; exit 7",
            ],
            "",
        ),
        (&["run", "--rm", "-i", IMAGE, "cat"], "from stdin\n"),
        (
            &[
                "run",
                "--rm",
                "-e",
                "A=1",
                "-w",
                "/tmp",
                "-u",
                "app",
                IMAGE,
                "sh",
                "-c",
                "echo $A $PWD; id -u",
            ],
            "",
        ),
        (&["run", "--rm", IMAGE, "nosuchprogram"], ""),
        (&["run", "--rm", "--memory", "1k", IMAGE, "true"], ""),
        (&["rm", "no-such-one"], ""),
        (&["inspect", "no-such-one"], ""),
    ] {
        let stock = daemon.docker_with(args, stdin.as_bytes());
        let ours = daemon.jocker_with(args, stdin.as_bytes());
        assert_eq!(
            (ours.code, &ours.stdout),
            (stock.code, &stock.stdout),
            "{args:?}: {ours:?} {stock:?}"
        );
        if stock.code == 0 || stock.code == 7 {
            assert_eq!(ours.stderr, stock.stderr, "{args:?}");
        }
    }
}

#[test]
fn goes_through_a_container_s_life() {
    let Some(daemon) = Daemon::ours() else { return };
    let called = name();
    let id = daemon
        .jocker(&["run", "-d", "--name", &called, IMAGE, "sh", "-c", "echo up; exec sleep 1000"])
        .ok();
    assert_eq!(id.len(), 64);
    let listed = daemon.jocker(&["ps", "--format", "{{.Names}} {{.Image}}"]).ok();
    assert_eq!(listed, format!("{called} {IMAGE}"));
    assert!(daemon.jocker(&["ps"]).ok().contains("CONTAINER ID"));
    assert_eq!(daemon.jocker(&["ps", "-q", "--no-trunc"]).ok(), id);
    assert_eq!(daemon.jocker(&["exec", &called, "echo", "hi"]).ok(), "hi");
    assert_eq!(daemon.jocker(&["exec", &called, "sh", "-c", "exit 9"]).code, 9);
    assert_eq!(daemon.jocker(&["logs", &called]).ok(), "up");
    let seen = daemon.jocker(&["inspect", &called]).ok();
    let seen: serde_json::Value = serde_json::from_str(&seen).expect("JSON");
    assert_eq!(seen[0]["Id"], id);
    assert_eq!(
        daemon.jocker(&["inspect", "--format", "{{.State.Status}}", &called]).ok(),
        "running"
    );
    daemon.jocker(&["rm", &called]).fails(1);
    assert_eq!(daemon.jocker(&["kill", &called]).ok(), called);
    assert_eq!(daemon.jocker(&["start", &called]).ok(), called);
    assert_eq!(daemon.jocker(&["stop", "-t", "0", &called]).ok(), called);
    assert_eq!(daemon.jocker(&["rm", "-f", &called]).ok(), called);
    assert_eq!(daemon.jocker(&["ps", "-aq"]).ok(), "");
}

#[test]
fn creates_and_starts_attached() {
    let Some(daemon) = Daemon::ours() else { return };
    let called = name();
    let id = daemon.jocker(&["create", "--name", &called, "-i", IMAGE, "cat"]).ok();
    assert_eq!(id.len(), 64);
    let run = daemon.jocker_with(&["start", "-a", "-i", &called], b"piped\n");
    assert_eq!((run.code, run.stdout.as_str()), (0, "piped\n"), "{}", run.stderr);
}

#[test]
fn handles_images() {
    let Some(daemon) = Daemon::ours() else { return };
    let registry = Registry::start();
    let reference = registry.push("client/image", "v1", harness::image::Image::busybox());
    let said = daemon.jocker(&["pull", &reference]).ok();
    assert!(said.contains("Digest: sha256:") && said.ends_with(&reference), "{said}");
    let listed = daemon.jocker(&["images"]).ok();
    assert!(listed.contains("REPOSITORY") && listed.contains("client/image"), "{listed}");
    assert_eq!(daemon.jocker(&["rmi", &reference]).code, 0);
    let missing = daemon.jocker(&["rmi", &reference]).fails(1);
    assert!(missing.contains("No such image"), "{missing}");
    let missing = format!("{}/client/image:nosuch", registry.host());
    assert_eq!(daemon.jocker(&["pull", &missing]).code, 1);
}

#[test]
fn has_a_terminal() {
    let Some(daemon) = Daemon::ours() else { return };
    let mut terminal = daemon.jocker_on_terminal(&["run", "-it", "--rm", IMAGE, "sh"], 40, 120);
    terminal.write("until [ \"$(stty size)\" = '40 120' ]; do :; done; echo one-$((1+1))\n");
    terminal.read_until("one-2");
    terminal.resize(30, 100);
    terminal.write("until [ \"$(stty size)\" = '30 100' ]; do :; done; echo two-$((1+1))\n");
    terminal.read_until("two-2");
    terminal.write("exit 3\n");
    assert_eq!(terminal.finish().0, 3);
    let id = daemon.sleeper();
    let mut terminal = daemon.jocker_on_terminal(&["exec", "-it", &id, "sh"], 24, 80);
    terminal.write("tty; exit 5\n");
    terminal.read_until("/dev/pts/");
    assert_eq!(terminal.finish().0, 5);
}

#[test]
fn tells_versions_events_and_help() {
    let Some(daemon) = Daemon::ours() else { return };
    let version = daemon.jocker(&["version"]).ok();
    assert!(version.contains("Client") && version.contains("Server"), "{version}");
    assert!(daemon.jocker(&["info"]).ok().contains("Containers: "));
    let help = daemon.jocker(&[]);
    let text = help.stdout + &help.stderr;
    assert!(text.lines().count() <= 40, "help fits no screen: {} lines", text.lines().count());
    for command in [
        "run", "create", "start", "stop", "kill", "rm", "ps", "logs", "exec", "inspect", "pull",
        "images", "rmi", "version", "info", "events",
    ] {
        assert!(text.contains(command), "{command}");
    }
    daemon.jocker(&["run", "--rm", IMAGE, "true"]).ok();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let until =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    let until = until.as_secs().to_string();
    let events = daemon.jocker(&["events", "--since", "0", "--until", &until]).ok();
    assert!(events.contains("container create") && events.contains("container die"), "{events}");
    assert_ne!(daemon.jocker(&["nosuchcommand"]).code, 0);
    for shell in ["bash", "zsh", "fish"] {
        assert!(daemon.jocker(&["completion", shell]).ok().contains("jocker"), "{shell}");
    }
}
