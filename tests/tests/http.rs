//! The face of the API: versions, headers, unknown routes, methods, bodies, limits.

use harness::Daemon;
use serde_json::json;

/// Route: GET /_ping
/// Route: HEAD /_ping
#[test]
fn ping_tells_what_it_is() {
    let daemon = Daemon::start();
    for path in ["/_ping", "/v1.41/_ping", "/v1.24/_ping"] {
        let answer = daemon.http().get(path).expect(200);
        assert_eq!(answer.text(), "OK");
        let head = daemon.http().head(path).expect(200);
        assert_eq!(head.text(), "");
        for answer in [&answer, &head] {
            let api = answer.header("api-version").expect("Api-Version");
            assert!(api.starts_with("1."), "{api}");
            assert_eq!(answer.header("ostype"), Some("linux"));
            assert!(answer.header("server").is_some_and(|server| server.contains("(linux)")));
            assert!(
                ["true", "false"].contains(&answer.header("docker-experimental").unwrap_or(""))
            );
            assert!(["1", "2"].contains(&answer.header("builder-version").unwrap_or("")));
            let kind = answer.header("content-type").expect("Content-Type");
            assert!(kind.starts_with("text/plain"), "{kind}");
            assert_eq!(answer.header("cache-control"), Some("no-cache, no-store, must-revalidate"));
        }
    }
}

/// Route: GET /version
#[test]
fn version_tells_its_range() {
    let daemon = Daemon::start();
    let version = daemon.http().get("/version").expect(200).json();
    assert_eq!(version["Os"], "linux");
    assert_eq!(version["Arch"], "amd64");
    assert_eq!(version["MinAPIVersion"], "1.24");
    assert!(version["Version"].as_str().is_some_and(|version| !version.is_empty()));
    assert!(version["KernelVersion"].as_str().is_some_and(|version| version.contains('.')));
    assert!(version["GoVersion"].is_string() && version["GitCommit"].is_string());
    assert_eq!(version["Components"][0]["Name"], "Engine");
    let ping = daemon.http().get("/_ping");
    assert_eq!(ping.header("api-version"), version["ApiVersion"].as_str());
    let said = daemon.docker(&["version", "--format", "{{.Server.Version}}"]).ok();
    assert_eq!(said, version["Version"].as_str().expect("a version"));
}

/// Route: GET /info
#[test]
fn info_counts() {
    let daemon = Daemon::start();
    let id = daemon.sleeper();
    let info = daemon.http().get("/info").expect(200).json();
    assert_eq!(info["OSType"], "linux");
    assert_eq!(info["Architecture"], "x86_64");
    assert!(info["ContainersRunning"].as_u64() >= Some(1), "{info}");
    assert!(info["Containers"].as_u64() >= info["ContainersRunning"].as_u64());
    assert!(info["Images"].as_u64() >= Some(1));
    assert!(info["NCPU"].as_u64() >= Some(1));
    assert!(info["MemTotal"].as_u64() > Some(100_000_000));
    for field in
        ["ID", "Driver", "DockerRootDir", "ServerVersion", "Name", "CgroupDriver", "KernelVersion"]
    {
        assert!(info[field].as_str().is_some_and(|value| !value.is_empty()), "{field}");
    }
    assert!(["1", "2"].contains(&info["CgroupVersion"].as_str().unwrap_or("")));
    let drivers = info["Plugins"]["Log"].as_array().expect("log drivers");
    assert!(drivers.contains(&json!("json-file")));
    daemon.remove(&id);
    daemon.docker(&["info"]).ok();
}

#[test]
fn every_version_in_the_range_is_served() {
    let daemon = Daemon::start();
    for path in ["/version", "/v1.24/version", "/v1.30/version", "/v1.41/version", "/v1.44/version"]
    {
        daemon.http().get(path).expect(200);
    }
    for path in ["/v1.23/version", "/v1.0/version", "/v1.1/containers/json"] {
        let answer = daemon.http().get(path).expect(400);
        let message = answer.message();
        assert!(message.contains("is too old") && message.contains("1.24"), "{message}");
    }
    for path in ["/v1.99/version", "/v1.1000/_ping", "/v9.1/version"] {
        let answer = daemon.http().get(path).expect(400);
        assert!(answer.message().contains("is too new"), "{}", answer.message());
    }
}

#[test]
fn what_is_not_there_is_404_with_a_message() {
    let daemon = Daemon::start();
    for path in
        ["/", "/nosuch", "/v1.41/nosuch", "/containers", "/images/", "/v1.41", "/vx/version"]
    {
        let answer = daemon.http().get(path).expect(404);
        assert_eq!(answer.message(), "page not found", "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
    }
}

#[test]
fn a_wrong_method_is_refused() {
    let daemon = Daemon::start();
    for (method, path) in [
        ("POST", "/containers/json"),
        ("DELETE", "/version"),
        ("PUT", "/info"),
        ("GET", "/containers/create"),
        ("PATCH", "/v1.41/events"),
    ] {
        let answer = daemon.http().send(method, path, &[], b"");
        assert!([404, 405].contains(&answer.status), "{method} {path}: {}", answer.status);
        assert!(!answer.message().is_empty());
    }
}

#[test]
fn what_docker_has_and_this_has_not_says_so() {
    let Some(daemon) = Daemon::ours() else { return };
    for (method, path) in [("POST", "/v1.41/build"), ("POST", "/session")] {
        let answer = daemon.http().send(method, path, &[], b"").expect(501);
        assert!(answer.message().contains("is not supported by Jocker yet"), "{path}");
    }
    let outside = daemon.http().get("/nodes").expect(503).message();
    assert!(outside.starts_with("This node is not a swarm manager."), "{outside}");
}

#[test]
fn errors_are_json_with_a_message_alone() {
    let daemon = Daemon::start();
    let answer = daemon.http().get("/containers/nosuch/json").expect(404);
    assert_eq!(answer.json(), json!({ "message": "No such container: nosuch" }));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.header("api-version").is_some());
}

#[test]
fn a_body_must_be_json() {
    let daemon = Daemon::start();
    let http = daemon.http();
    let json_type = [("Content-Type", "application/json")];
    for body in ["", "{", "nonsense", "[]", "{\"Image\":5}", "{\"Cmd\":{}}", "{\"Image\":\"x\"} {}"]
    {
        let answer = http.send("POST", "/containers/create", &json_type, body.as_bytes());
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        assert!(!answer.message().is_empty());
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let answer = http.send(
            "POST",
            "/containers/create",
            &[("Content-Type", kind)],
            b"{\"Image\":\"x\"}",
        );
        assert!([400, 415].contains(&answer.status), "{kind}: {}", answer.status);
        assert!(!answer.message().is_empty());
    }
    let charset = [("Content-Type", "application/json; charset=utf-8")];
    http.send("POST", "/containers/create", &charset, b"{\"Image\":\"nosuchimage\"}").expect(404);
}

#[test]
fn broken_http_ends_the_connection_and_nothing_else() {
    let daemon = Daemon::start();
    for bytes in [
        &b"nonsense\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /_ping HTTP/9.9\r\n\r\n",
        b"GET /_ping HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"GET /_ping HTTP/1.1\r\nBad Header Name: x\r\n\r\n",
        b"POST /containers/create HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00\x00\x00\x00",
    ] {
        let answer = daemon.http().raw(bytes);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1."), "{answer:?}");
        assert!(!answer.starts_with("HTTP/1.1 200") || answer.contains("OK"), "{answer:?}");
        daemon.http().get("/_ping").expect(200);
    }
}

#[test]
fn too_much_is_refused() {
    let daemon = Daemon::start();
    // A daemon may read on for as long as one more read of its buffer.
    let long = "x".repeat(8_000_000);
    let request = format!("GET /_ping HTTP/1.1\r\nHost: a\r\nX-Long: {long}\r\n\r\n");
    let answer = daemon.http().raw(request.as_bytes());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{}", &answer[..80]);
    let request = format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = daemon.http().raw(request.as_bytes());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{}", &answer[..80]);
    daemon.http().get("/_ping").expect(200);
}

#[test]
fn an_endless_body_is_not_kept_in_memory() {
    let Some(daemon) = Daemon::ours() else { return };
    let body = format!("{{\"Image\":\"{}\"}}", "x".repeat(150_000_000));
    let kind = [("Content-Type", "application/json")];
    let answer = daemon.http().send("POST", "/containers/create", &kind, body.as_bytes());
    assert!([400, 413].contains(&answer.status), "{}", answer.status);
    let deep = format!("{{\"Labels\":{}", "[".repeat(100_000));
    daemon.http().send("POST", "/containers/create", &kind, deep.as_bytes()).expect(400);
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("kB");
    assert!(peak < 100_000, "{peak} kB at most resident");
}

#[test]
fn one_connection_serves_many_requests() {
    use std::io::{Read, Write};
    let daemon = Daemon::start();
    let mut stream = daemon.http().connect();
    let request = b"GET /_ping HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(&request.repeat(3)).expect("three requests at once");
    let mut seen = String::new();
    let mut block = [0; 4096];
    while seen.matches("\r\n\r\nOK").count() < 3 {
        let count = stream.read(&mut block).expect("answers");
        assert!(count > 0, "{seen}");
        seen += &String::from_utf8_lossy(&block[..count]);
    }
}

#[test]
fn curl_and_http_1_0_are_served() {
    let daemon = Daemon::start();
    let socket = daemon.socket().display().to_string();
    let output = std::process::Command::new("curl")
        .args(["-sS", "--unix-socket", &socket, "http://localhost/version"])
        .output()
        .expect("curl is executed");
    assert!(String::from_utf8_lossy(&output.stdout).contains("ApiVersion"), "{output:?}");
    let answer = daemon.http().raw(b"GET /_ping HTTP/1.0\r\n\r\n");
    assert!(answer.contains("200 OK") && answer.ends_with("OK"), "{answer:?}");
}
