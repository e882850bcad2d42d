//! Who may reach the API and how much of it: TCP and its certificates, web pages, many clients,
//! slow ones.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use harness::daemon::Options;
use harness::docker::{docker, finish};
use harness::{Daemon, Run, becomes};
use tempfile::TempDir;

/// Where the daemons of these tests listen, each in a network namespace of its own.
const ADDRESS: &str = "127.0.0.1:2376";

/// An authority, and certificates that it has signed.
struct Certificates(TempDir);

impl Certificates {
    fn new() -> Self {
        let all = Self(TempDir::new().expect("a directory"));
        all.openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca-key.pem -out ca.pem");
        all.sign(
            "server",
            "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n",
        );
        all.sign("client", "extendedKeyUsage=clientAuth\n");
        all
    }

    fn sign(&self, name: &str, extensions: &str) {
        std::fs::write(self.path("extensions"), extensions).expect("extensions");
        self.openssl(&format!(
            "req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}-key.pem -out {name}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 \
             -extfile extensions -out {name}.pem"
        ));
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.0.path())
            .output()
            .expect("openssl is executed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A jockerd that asks for the authority's certificates.
    fn daemon(&self) -> Option<Daemon> {
        let path = |name: &str| self.path(name).display().to_string();
        Options::new()
            .arg("-H")
            .arg(&format!("tcp://{ADDRESS}"))
            .arg("--tlsverify")
            .arg(&format!("--tlscacert={}", path("ca.pem")))
            .arg(&format!("--tlscert={}", path("server.pem")))
            .arg(&format!("--tlskey={}", path("server-key.pem")))
            .start()
    }

    /// The stock CLI over TLS, with the certificate `name`.
    fn docker(&self, name: &str, arguments: &[&str], stdin: &[u8]) -> Run {
        let path = |name: &str| self.path(name).display().to_string();
        let mut command = Command::new(docker());
        command
            .args(["-H", &format!("tcp://{ADDRESS}"), "--tlsverify"])
            .args(["--tlscacert", &path("ca.pem")])
            .args(["--tlscert", &path(&format!("{name}.pem"))])
            .args(["--tlskey", &path(&format!("{name}-key.pem"))])
            .args(arguments);
        finish(command, stdin)
    }
}

#[test]
fn certified_clients_work_over_tcp() {
    let certificates = Certificates::new();
    let Some(daemon) = certificates.daemon() else { return };
    let said = certificates.docker("client", &["version", "--format", "{{.Server.Os}}"], b"");
    assert_eq!(said.ok().trim(), "linux");
    let run = ["run", "--rm", "-i", "--network", "none", "jocker-test", "cat"];
    assert_eq!(certificates.docker("client", &run, b"through and back").ok(), "through and back");
    let log = daemon.log();
    let line = log.lines().find(|line| line.contains("/containers/create")).expect("an audit line");
    assert!(line.contains("peer.address") && line.contains("sha256:"), "{line}");
    assert!(!log.contains("IS ROOT ON THIS MACHINE"), "{log}");
}

#[test]
fn others_are_turned_away_from_tcp() {
    let certificates = Certificates::new();
    let Some(daemon) = certificates.daemon() else { return };
    let others = Certificates::new();
    for file in ["client.pem", "client-key.pem"] {
        std::fs::copy(others.path(file), certificates.path(&format!("foreign-{file}")))
            .expect("a copy");
    }
    let rename = |from: &str, to: &str| {
        std::fs::rename(certificates.path(from), certificates.path(to)).expect("a name");
    };
    rename("foreign-client.pem", "foreign.pem");
    rename("foreign-client-key.pem", "foreign-key.pem");
    let foreign = certificates.docker("foreign", &["version"], b"");
    assert_ne!(foreign.code, 0, "{}", foreign.stdout);
    let bare = curl(&["--cacert", &certificates.path("ca.pem").display().to_string()], "https");
    assert!(!bare.contains("OK"), "{bare}");
    let plain = curl(&[], "http");
    assert!(!plain.ends_with("OK"), "{plain}");
    // A client that says nothing holds up nobody.
    let _silent = TcpStream::connect(ADDRESS).expect("a connection");
    certificates.docker("client", &["version"], b"").ok();
    daemon.http().get("/_ping").expect(200);
}

#[test]
fn web_pages_are_refused_on_open_tcp() {
    let tcp = format!("tcp://{ADDRESS}");
    let Some(daemon) = Options::new().arg("-H").arg(&tcp).arg("--tlsverify=false").start() else {
        return;
    };
    assert!(daemon.log().contains("IS ROOT ON THIS MACHINE"), "{}", daemon.log());
    assert!(curl(&[], "http").ends_with("OK"));
    for header in
        ["Origin: http://evil.example", "Sec-Fetch-Site: cross-site", "Host: evil.example"]
    {
        let answer = curl(&["-H", header], "http");
        assert!(answer.contains("403") && !answer.contains("OK\n"), "{header}: {answer}");
    }
}

fn curl(more: &[&str], scheme: &str) -> String {
    let mut command = Command::new("curl");
    command
        .args(["-sSi", "--max-time", "20"])
        .args(more)
        .arg(format!("{scheme}://{ADDRESS}/_ping"));
    let run = finish(command, b"");
    run.stdout + &run.stderr
}

/// Descriptors for a thousand connections and a daemon's share beside them.
fn allow_descriptors() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("the limit is raised");
}

fn ask(socket: &Path, path: &str) -> String {
    let mut stream = UnixStream::connect(socket).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let request = format!("GET {path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn a_thousand_idle_and_two_hundred_busy_clients_are_served() {
    allow_descriptors();
    let Some(daemon) = Daemon::ours() else { return };
    let socket = daemon.socket().to_owned();
    let idle: Vec<_> = (0..1000).map(|_| UnixStream::connect(&socket).expect("idle")).collect();
    let busy: Vec<_> = (0..200)
        .map(|number| {
            let socket = socket.clone();
            std::thread::spawn(move || {
                let path = if number % 2 == 0 { "/info" } else { "/containers/json?all=1" };
                (0..5).all(|_| ask(&socket, path).starts_with("HTTP/1.1 200"))
            })
        })
        .collect();
    assert!(busy.into_iter().all(|thread| thread.join().expect("a client")));
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("kB");
    assert!(peak < 200_000, "{peak} kB at most resident");
    drop(idle);
    let descriptors =
        || std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).expect("descriptors").count();
    assert!(becomes(Duration::from_secs(10), || descriptors() < 100), "{} stay", descriptors());
}

#[test]
fn slow_clients_hold_up_nobody() {
    let Some(daemon) = Daemon::ours() else { return };
    let request = b"GET /images/jocker-test/get HTTP/1.1\r\nHost: d\r\n\r\n";
    let readers: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = daemon.http().connect();
            stream.write_all(request).expect("a request");
            stream
        })
        .collect();
    let writers: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = daemon.http().connect();
            stream.write_all(b"POST /containers/create HTTP/1.1\r\nHo").expect("half a head");
            stream
        })
        .collect();
    let begun = Instant::now();
    for _ in 0..20 {
        daemon.http().get("/containers/json").expect(200);
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    drop((readers, writers));
}

#[test]
fn metrics_are_served_where_they_are_asked_for() {
    let address = "127.0.0.1:9323";
    let Some(daemon) = Options::new().arg("--metrics-addr").arg(address).start() else { return };
    let id = daemon.sleeper();
    let get = |path: &str| {
        let mut command = Command::new("curl");
        command.args(["-sSi", "--max-time", "20", &format!("http://{address}{path}")]);
        finish(command, b"").ok()
    };
    let metrics = get("/metrics");
    for line in [
        "content-type: text/plain; version=0.0.4",
        "engine_daemon_container_states_containers{state=\"running\"} 1",
        "# TYPE engine_daemon_events_total counter",
        "engine_daemon_engine_info{architecture=\"x86_64\"",
        "process_open_fds ",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    assert!(get("/containers/json").contains(" 404 "));
    daemon.remove(&id);
}

#[test]
fn sighup_reloads_what_may_change() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use serde_json::json;
    let Some(daemon) = Options::new().config(json!({"labels": ["a=b"]})).start() else { return };
    let file = daemon.data_root().parent().expect("its directory").join("daemon.json");
    let reload = |config: serde_json::Value| {
        std::fs::write(&file, config.to_string()).expect("the configuration");
        let pid = i32::try_from(daemon.pid()).expect("a pid");
        kill(Pid::from_raw(pid), Signal::SIGHUP).expect("SIGHUP");
    };
    let info = || daemon.http().get("/info").expect(200).json();
    assert_eq!(info()["Labels"], json!(["a=b"]));
    reload(json!({
        "labels": ["c=d"], "debug": true, "insecure-registries": ["insecure.example:5000"],
        "registry-mirrors": ["http://mirror.example/"], "max-concurrent-downloads": 7,
    }));
    assert!(becomes(Duration::from_secs(10), || info()["Labels"] == json!(["c=d"])), "{}", info());
    let now = info();
    assert_eq!(now["Debug"], true);
    assert_eq!(now["RegistryConfig"]["Mirrors"], json!(["http://mirror.example/"]));
    let insecure = &now["RegistryConfig"]["IndexConfigs"]["insecure.example:5000"];
    assert_eq!(insecure["Secure"], false, "{now}");
    assert!(becomes(Duration::from_secs(5), || daemon.log().contains("DEBUG")));
    let filters = "%7B%22type%22:[%22daemon%22]%7D";
    let until = jiff::Timestamp::now().as_second() + 1;
    let path = format!("/events?since=1&until={until}&filters={filters}");
    let event = daemon.http().get(&path).expect(200).json();
    assert_eq!((&event["Type"], &event["Action"]), (&json!("daemon"), &json!("reload")));
    assert_eq!(event["Actor"]["Attributes"]["max-concurrent-downloads"], "7");
    assert_eq!(event["Actor"]["ID"], now["ID"]);
    // A wrong one changes nothing.
    reload(json!({"labels": ["no label"]}));
    assert!(becomes(Duration::from_secs(10), || daemon.log().contains("is not reloaded")));
    assert_eq!(info()["Labels"], json!(["c=d"]));
}
