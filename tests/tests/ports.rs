//! Published ports, with real traffic.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use harness::Daemon;
use harness::daemon::Options;
use harness::patience::becomes;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(10);

/// A container that answers "hello" on port 80, with `bindings` of it.
fn server(bindings: &Value) -> Value {
    json!({
        "Cmd": ["sh", "-c", "while true; do echo hello | nc -l -p 80; done"],
        "StopSignal": "SIGKILL",
        "ExposedPorts": { "80/tcp": {} },
        "HostConfig": { "NetworkMode": "bridge", "PortBindings": { "80/tcp": bindings } },
    })
}

fn at(port: u16) -> Value {
    server(&json!([{ "HostPort": port.to_string() }]))
}

fn says_hello(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let mut said = String::new();
    let _closed = stream.shutdown(std::net::Shutdown::Write);
    let _read = stream.read_to_string(&mut said);
    said == "hello\n"
}

fn host_port(daemon: &Daemon, id: &str) -> Value {
    daemon.inspect(id)["NetworkSettings"]["Ports"]["80/tcp"][0].clone()
}

#[test]
fn are_reached_and_shown_and_free_after_the_end() {
    let Some(daemon) = Daemon::ours() else { return };
    let id = daemon.launch(&at(8080));
    assert!(becomes(PATIENCE, || says_hello("127.0.0.1:8080")));
    assert_eq!(host_port(&daemon, &id), json!({ "HostIp": "0.0.0.0", "HostPort": "8080" }));
    let list = daemon
        .http()
        .get("/containers/json?filters=%7B%22publish%22:%5B%228080%22%5D%7D")
        .expect(200);
    let shown = json!([{ "IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp" }]);
    assert_eq!(list.json()[0]["Ports"], shown);
    assert!(TcpListener::bind("127.0.0.1:8080").is_err());

    daemon.http().post(&format!("/containers/{id}/stop")).expect(204);
    drop(TcpListener::bind("0.0.0.0:8080").expect("the port is free"));
    assert_eq!(daemon.inspect(&id)["NetworkSettings"]["Ports"], json!({}));
}

#[test]
fn a_port_in_use_is_told_and_nothing_is_left() {
    let daemon = Daemon::start();
    let first = daemon.launch(&at(8090));
    let second = daemon.create(&at(8090));
    let refused = daemon.http().post(&format!("/containers/{second}/start")).expect(500);
    let text = refused.text();
    assert!(text.contains("driver failed programming external connectivity on endpoint"), "{text}");
    assert!(text.contains("Bind for 0.0.0.0:8090 failed: port is already allocated"), "{text}");
    daemon.remove(&first);
    daemon.start_container(&second);
    daemon.remove(&second);
}

#[test]
fn go_on_without_the_daemon_and_are_freed_by_the_next() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let id = daemon.launch(&at(8080));
    assert!(becomes(PATIENCE, || says_hello("127.0.0.1:8080")));
    daemon.kill9();
    assert!(becomes(PATIENCE, || says_hello("127.0.0.1:8080")));
    daemon.start_again(&Options::new());
    assert!(TcpListener::bind("127.0.0.1:8080").is_err());
    assert!(becomes(PATIENCE, || says_hello("127.0.0.1:8080")));
    daemon.remove(&id);
    drop(TcpListener::bind("0.0.0.0:8080").expect("the port is free"));
}

#[test]
fn come_back_after_a_flush_of_the_rules() {
    let Some(daemon) = Daemon::ours() else { return };
    let id = daemon.launch(&server(&json!([{ "HostIp": "127.0.0.1" }])));
    let binding = host_port(&daemon, &id);
    assert_eq!(binding["HostIp"], "127.0.0.1");
    let address = format!("127.0.0.1:{}", binding["HostPort"].as_str().expect("a port"));
    assert!(becomes(PATIENCE, || says_hello(&address)));
    let flushed = Command::new("nft").args(["flush", "ruleset"]).status();
    assert!(flushed.is_ok_and(|status| status.success()), "nft (Debian: nftables)");
    assert!(becomes(PATIENCE, || says_hello(&address)));
}

#[test]
fn are_published_where_the_daemon_or_the_network_says() {
    let Some(daemon) = Options::new().arg("--ip").arg("127.0.0.1").start() else { return };
    let id = daemon.launch(&at(8080));
    assert_eq!(host_port(&daemon, &id), json!({ "HostIp": "127.0.0.1", "HostPort": "8080" }));
    assert!(becomes(PATIENCE, || says_hello("127.0.0.1:8080")));
    let options = json!({ "com.docker.network.bridge.host_binding_ipv4": "127.0.0.2" });
    let body = json!({ "Name": "inner", "Options": options });
    daemon.http().post_json("/networks/create", &body).expect(201);
    let mut body = at(8081);
    body["HostConfig"]["NetworkMode"] = json!("inner");
    let id = daemon.launch(&body);
    assert_eq!(host_port(&daemon, &id)["HostIp"], "127.0.0.2");
    assert!(becomes(PATIENCE, || says_hello("127.0.0.2:8081")));
    assert!(!says_hello("127.0.0.1:8081"));
    daemon.remove(&id);
}

#[test]
fn go_with_the_network_that_leads_out() {
    let Some(daemon) = Daemon::ours() else { return };
    for name in ["first", "second"] {
        daemon.http().post_json("/networks/create", &json!({ "Name": name })).expect(201);
    }
    let mut body = at(8080);
    body["HostConfig"]["NetworkMode"] = json!("second");
    let id = daemon.launch(&body);
    let change = |verb: &str, network: &str| {
        let path = format!("/networks/{network}/{verb}");
        daemon.http().post_json(&path, &json!({ "Container": id })).expect(200);
    };
    assert!(becomes(PATIENCE, || says_hello("127.0.0.1:8080")));
    change("connect", "first");
    assert!(becomes(PATIENCE, || says_hello("127.0.0.1:8080")));
    change("disconnect", "second");
    assert!(becomes(PATIENCE, || says_hello("127.0.0.1:8080")));
    change("connect", "second");
    change("disconnect", "first");
    assert!(becomes(PATIENCE, || says_hello("127.0.0.1:8080")));
    daemon.remove(&id);
    drop(TcpListener::bind("0.0.0.0:8080").expect("the port is free"));
}

/// What the kernel says about changes of its rules, until `watched` is done.
fn transactions(watched: impl FnOnce()) -> Vec<String> {
    let path = std::env::temp_dir().join(harness::name());
    let file = File::create(&path).expect("a file");
    let mut monitor = Command::new("nft").arg("monitor").stdout(file).spawn().expect("nft");
    let seen = || fs::read_to_string(&path).expect("what was said");
    let nft = |rule: &str| {
        let status = Command::new("nft").args(rule.split(' ')).status().expect("nft");
        assert!(status.success(), "{rule}");
    };
    // It listens from some moment on, and ends with a word of ours.
    let listens = becomes(PATIENCE, || {
        nft("add table ip begins");
        nft("delete table ip begins");
        seen().contains("delete table ip begins")
    });
    let before = seen().len();
    watched();
    nft("add table ip ends");
    nft("delete table ip ends");
    let ended = becomes(PATIENCE, || seen().contains("delete table ip ends"));
    let said = seen()[before..].to_owned();
    monitor.kill().expect("the monitor's end");
    monitor.wait().expect("the monitor's end");
    fs::remove_file(&path).expect("the file");
    assert!(listens && ended, "{said}");
    // Its changes come before the number of a generation.
    let mut generations = vec![String::new()];
    for line in said.lines() {
        if line.starts_with("# new generation") {
            generations.push(String::new());
        } else if let Some(changes) = generations.last_mut() {
            changes.push_str(line);
            changes.push('\n');
        }
    }
    generations.retain(|text| text.contains(" jocker "));
    generations
}

/// Processes that the daemon has started and that are still there; proc_pid_stat(5).
fn children(daemon: &Daemon) -> usize {
    let parent = daemon.pid().to_string();
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let stats = processes.filter_map(|each| fs::read_to_string(each.path().join("stat")).ok());
    let parents = stats.filter_map(|stat| {
        let (_, behind_name) = stat.rsplit_once(") ")?;
        behind_name.split(' ').nth(1).map(str::to_owned)
    });
    parents.filter(|each| *each == parent).count()
}

#[test]
fn five_hundred_cost_no_process_and_one_transaction() {
    let Some(daemon) = Daemon::ours() else { return };
    // The table and the bridge are there.
    daemon.launch(&at(8080));
    let bindings: BTreeMap<String, Value> = (0..500)
        .map(|n| (format!("{}/tcp", 1000 + n), json!([{ "HostPort": (20_000 + n).to_string() }])))
        .collect();
    let body = json!({ "Cmd": ["sh", "-c", "while true; do echo hello | nc -l -p 1499; done"],
        "StopSignal": "SIGKILL",
        "HostConfig": { "NetworkMode": "bridge", "PortBindings": bindings } });
    let id = daemon.create(&body);
    let before = children(&daemon);
    let changes = transactions(|| daemon.start_container(&id));
    assert_eq!(children(&daemon), before);
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(changes[0].contains("20000") && changes[0].contains("20499"), "{}", changes[0]);
    assert!(becomes(PATIENCE, || says_hello("127.0.0.1:20499")));
    let gone = transactions(|| daemon.remove(&id));
    assert_eq!(gone.len(), 1, "{gone:?}");
    drop(TcpListener::bind("0.0.0.0:20250").expect("the port is free"));
}
