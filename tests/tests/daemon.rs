//! The daemon as a program: flags, configuration, sockets, a second one, its end.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::daemon::{Options, jockerd};
use harness::docker::{Run, finish};
use harness::isolation::{isolate, other_daemon};
use harness::{Client, Daemon, eventually};
use serde_json::json;
use tempfile::TempDir;

/// Runs a jockerd that is expected to end by itself.
#[track_caller]
fn jockerd_ends(args: &[&str]) -> Run {
    isolate();
    let mut command = Command::new(jockerd());
    command.args(args);
    finish(command, b"")
}

/// Fails unless the daemon refused with one clear line that contains `text`.
#[track_caller]
fn refuses(args: &[&str], text: &str) {
    let run = jockerd_ends(args);
    assert_ne!(run.code, 0, "{args:?} is accepted");
    assert!(run.stderr.contains(text), "{args:?}: {}", run.stderr);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}

fn scratch() -> (TempDir, Vec<String>) {
    let dir = TempDir::new().expect("a directory");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let args = [
        "-H",
        &format!("unix://{}", path("s")),
        "--data-root",
        &path("data"),
        "--exec-root",
        &path("x"),
        "--pidfile",
        &path("pid"),
        "--config-file",
        &path("daemon.json"),
    ];
    let args = args.map(str::to_owned).to_vec();
    fs::write(path("daemon.json"), "{}").expect("a configuration file");
    (dir, args)
}

fn with<'a>(args: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    args.iter().map(String::as_str).chain(more.iter().copied()).collect()
}

#[test]
fn bad_flags_end_it_with_one_clear_line() {
    if other_daemon().is_some() {
        return;
    }
    let (_dir, args) = scratch();
    for (more, text) in [
        (&["--no-such-flag"][..], "no-such-flag"),
        (&["--bip", "nonsense"], "nonsense"),
        (&["--bip", "10.0.0.0/24"], "10.0.0.0"),
        (&["--log-level", "loud"], "loud"),
        (&["--log-format", "xml"], "xml"),
        (&["-H", "ftp://x"], "ftp://x"),
        (&["-H", "tcp://0.0.0.0:2375"], "tcp"),
        (&["--default-address-pool", "base=10.0.0.0/33,size=24"], "10.0.0.0/33"),
        (&["--group", "no-such-group-here"], "no-such-group-here"),
        (&["--registry-mirror", "not a url"], "not a url"),
        (&["--exec-opt", "native.cgroupdriver=other"], "other not supported"),
        (&["--cgroup-parent", "/a/../b"], "/a/../b"),
        (&["--bridge", "a-name-that-is-longer-than-fifteen"], "a-name-that-is-longer"),
    ] {
        refuses(&with(&args, more), text);
    }
}

#[test]
fn bad_configuration_files_end_it() {
    if other_daemon().is_some() {
        return;
    }
    let (dir, args) = scratch();
    let file = dir.path().join("daemon.json");
    for (content, text) in [
        ("{", "daemon.json"),
        ("[]", "daemon.json"),
        ("{\"no-such-key\": 1}", "no-such-key"),
        ("{\"debug\": \"yes\"}", "debug"),
        ("{\"bip\": \"nonsense\"}", "nonsense"),
        ("{\"data-root\": \"/elsewhere\"}", "data-root"),
    ] {
        fs::write(&file, content).expect("a configuration file");
        refuses(&with(&args, &[]), text);
    }
    fs::remove_file(&file).expect("no configuration file");
    refuses(&with(&args, &[]), "daemon.json");
}

#[test]
fn keys_of_the_file_work_as_the_flags() {
    let config = json!({ "debug": true, "labels": ["a=b"], "insecure-registries": ["10.0.0.0/8"],
        "bip": "10.77.0.1/24", "log-level": "debug" });
    let Some(daemon) = Options::new().config(config).start() else { return };
    let info = daemon.http().get("/info").expect(200).json();
    assert_eq!(info["Debug"], true);
    assert_eq!(info["Labels"], json!(["a=b"]));
    let id = daemon.launch(&json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL",
        "HostConfig": { "NetworkMode": "bridge" } }));
    let endpoint = daemon.inspect(&id)["NetworkSettings"]["Networks"]["bridge"].clone();
    assert_eq!(endpoint["Gateway"], "10.77.0.1");
    assert_eq!(endpoint["IPPrefixLen"], 24);
}

#[test]
fn help_and_version_need_nothing() {
    if other_daemon().is_some() {
        return;
    }
    let help = jockerd_ends(&["--help"]).ok();
    for flag in [
        "--host",
        "--data-root",
        "--exec-root",
        "--pidfile",
        "--config-file",
        "--insecure-registry",
        "--registry-mirror",
        "--group",
        "--debug",
        "--log-level",
        "--log-format",
        "--bip",
        "--bridge",
        "--default-address-pool",
    ] {
        assert!(help.contains(flag), "{flag}");
    }
    assert!(jockerd_ends(&["--version"]).ok().contains(char::is_numeric));
}

#[test]
fn a_second_one_on_the_same_roots_is_refused() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let (_dir, mut args) = scratch();
    let data = daemon.data_root().display().to_string();
    args[3].clone_from(&data);
    refuses(&with(&args, &[]), &data);
    daemon.http().get("/_ping").expect(200);
    let (_dir, mut args) = scratch();
    args[1] = format!("unix://{}", daemon.socket().display());
    refuses(&with(&args, &[]), &daemon.socket().display().to_string());
    daemon.http().get("/_ping").expect(200);
    daemon.kill9();
    assert!(daemon.socket().exists(), "a killed daemon leaves its socket");
    daemon.start_again(&Options::new());
    daemon.http().get("/_ping").expect(200);
}

#[test]
fn a_live_socket_of_somebody_else_is_kept() {
    if other_daemon().is_some() {
        return;
    }
    let (dir, args) = scratch();
    let path = dir.path().join("s");
    let _listener = UnixListener::bind(&path).expect("a socket");
    refuses(&with(&args, &[]), "s");
    assert!(std::os::unix::net::UnixStream::connect(&path).is_ok(), "the socket was replaced");
    fs::remove_file(&path).expect("removed");
    fs::write(&path, "a file").expect("written");
    refuses(&with(&args, &[]), "s");
    assert_eq!(fs::read_to_string(&path).expect("read"), "a file");
}

#[test]
fn its_files_are_for_root_alone() {
    let Some(daemon) = Daemon::ours() else { return };
    let id = daemon.sleeper();
    let mode = |path: &Path| {
        let meta = fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        meta.permissions().mode() & 0o7777
    };
    let socket = fs::metadata(daemon.socket()).expect("the socket");
    assert!(socket.file_type().is_socket());
    assert_eq!(mode(daemon.socket()), 0o660);
    let data = daemon.data_root();
    assert_eq!(mode(&data) & 0o077 & !0o011, 0, "{:o}", mode(&data));
    for name in ["containers", "layers"] {
        let dir = data.join(name);
        assert_eq!(mode(&dir) & 0o066, 0, "{}: {:o}", dir.display(), mode(&dir));
    }
    assert_eq!(mode(&data.join("jocker.db")) & 0o077, 0);
    let mut sockets = Vec::new();
    collect_sockets(&daemon.exec_root(), &mut sockets);
    for path in sockets {
        assert_eq!(mode(&path) & 0o077, 0, "{}: {:o}", path.display(), mode(&path));
    }
    daemon.remove(&id);
}

fn collect_sockets(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok) {
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            collect_sockets(&entry.path(), into);
        } else if kind.is_socket() {
            into.push(entry.path());
        }
    }
}

#[test]
fn sigterm_ends_it_and_leaves_containers_and_no_socket() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let id = daemon.sleeper();
    let pid = daemon.inspect(&id)["State"]["Pid"].as_i64().expect("a pid");
    let (socket, pidfile) = (daemon.socket().to_owned(), daemon.data_root().join("../pid"));
    let written = fs::read_to_string(&pidfile).expect("the pidfile");
    assert_eq!(written.trim(), daemon.pid().to_string());
    assert_eq!(daemon.stop(), Some(0), "{}", daemon.log());
    assert!(Path::new(&format!("/proc/{pid}")).exists(), "the container ended with the daemon");
    assert!(!pidfile.exists() && !socket.exists());
    daemon.start_again(&Options::new());
    assert_eq!(daemon.inspect(&id)["State"]["Pid"], pid);
}

#[test]
fn sigterm_waits_for_requests_but_not_for_ever() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let id = daemon.sleeper();
    let waiting = daemon.http().open("POST", &format!("/containers/{id}/wait"), &[], b"");
    let events = daemon.http().open("GET", "/events", &[], b"");
    let mut logs = daemon.docker_in_background(&["logs", "-f", &id]);
    std::thread::sleep(Duration::from_millis(200));
    let begin = std::time::Instant::now();
    assert_eq!(daemon.stop(), Some(0), "{}", daemon.log());
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    drop((waiting, events));
    let _gone_already = logs.kill();
    let _reaped = logs.wait();
}

#[test]
fn several_sockets_serve_the_same() {
    let dir = TempDir::new().expect("a directory");
    let more = dir.path().join("more.sock");
    let flag = format!("unix://{}", more.display());
    let Some(daemon) = Options::new().arg("-H").arg(&flag).without_image().start() else { return };
    let other = Client::new(&more);
    assert_eq!(other.get("/_ping").expect(200).text(), "OK");
    let id = |client: &Client| client.get("/info").expect(200).json()["ID"].clone();
    assert_eq!(id(&other), id(daemon.http()));
}

#[test]
fn systemd_hands_over_its_socket_and_is_told() {
    if other_daemon().is_some() {
        return;
    }
    isolate();
    let (dir, mut args) = scratch();
    let notify = dir.path().join("notify");
    let heard = std::os::unix::net::UnixDatagram::bind(&notify).expect("a socket");
    heard.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let listener = UnixListener::bind(dir.path().join("activated")).expect("a socket");
    args[1] = "fd://".to_owned();
    // sd_listen_fds(3): descriptors begin at 3 and LISTEN_PID is the program's own.
    let script = "export LISTEN_PID=$$; exec \"$0\" \"$@\" 3<&0 0</dev/null";
    let mut child = Command::new("sh")
        .args(["-c", script])
        .arg(jockerd())
        .args(&args)
        .env("LISTEN_FDS", "1")
        .env("NOTIFY_SOCKET", &notify)
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(listener)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh is executed");
    let mut message = [0; 256];
    let count = heard.recv(&mut message).expect("a message to systemd");
    assert!(String::from_utf8_lossy(&message[..count]).contains("READY=1"));
    let client = Client::new(&dir.path().join("activated"));
    assert_eq!(client.get("/_ping").expect(200).text(), "OK");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("SIGTERM");
    let status =
        eventually("its end", Duration::from_secs(20), || child.try_wait().expect("its state"));
    assert_eq!(status.code(), Some(0));
    assert!(dir.path().join("activated").exists(), "the socket is systemd's");
}

#[test]
fn long_roots_work_or_are_refused_clearly() {
    if other_daemon().is_some() {
        return;
    }
    let (dir, mut args) = scratch();
    let long = dir.path().join("x".repeat(80)).display().to_string();
    args[5].clone_from(&long);
    isolate();
    let mut child = Command::new(jockerd())
        .args(&args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("jockerd is executed");
    let client = Client::new(&dir.path().join("s"));
    let ended = eventually("an answer or the end", Duration::from_secs(20), || {
        let ended = child.try_wait().expect("its state").is_some();
        (ended || client.is_up()).then_some(ended)
    });
    if ended {
        let output = child.wait_with_output().expect("its words");
        assert!(String::from_utf8_lossy(&output.stderr).contains("xxx"), "{output:?}");
    } else {
        child.kill().expect("kill");
        child.wait().expect("its end");
    }
}

#[test]
fn logs_are_structured_when_asked() {
    let Some(daemon) =
        Options::new().arg("--log-format").arg("json").arg("-D").without_image().start()
    else {
        return;
    };
    daemon.http().get("/version").expect(200);
    let log = daemon.log();
    let lines: Vec<_> = log.lines().filter(|line| !line.is_empty()).collect();
    assert!(!lines.is_empty());
    for line in lines {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
}

#[test]
fn secrets_are_not_logged() {
    use base64::Engine;
    let Some(daemon) = Options::new().arg("-D").start() else { return };
    let auth =
        json!({ "username": "me", "password": "very-secret-word", "serveraddress": "127.0.0.1:1" });
    let header = base64::engine::general_purpose::URL_SAFE.encode(auth.to_string());
    let path = "/images/create?fromImage=127.0.0.1:1/x:y";
    let answer = daemon.http().send("POST", path, &[("X-Registry-Auth", &header)], b"");
    let basic = base64::engine::general_purpose::STANDARD.encode("me:very-secret-word");
    let said = daemon.log() + &answer.text();
    assert!(
        !said.contains("very-secret-word") && !said.contains(&header) && !said.contains(&basic)
    );
}
