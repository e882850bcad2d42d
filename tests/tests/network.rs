//! The default bridge, none, host, and another container's network.

use harness::Daemon;
use serde_json::{Value, json};

fn on(network: &str) -> Value {
    json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL", "HostConfig": { "NetworkMode": network } })
}

fn address(daemon: &Daemon, id: &str) -> String {
    let settings = daemon.inspect(id)["NetworkSettings"].clone();
    let address = settings["Networks"]["bridge"]["IPAddress"].as_str().expect("an address");
    address.to_owned()
}

#[test]
fn containers_of_the_bridge_reach_each_other() {
    let daemon = Daemon::start();
    let (one, other) = (daemon.launch(&on("bridge")), daemon.launch(&on("default")));
    let (a, b) = (address(&daemon, &one), address(&daemon, &other));
    assert_ne!(a, b);
    for (from, to) in [(&one, &b), (&other, &a)] {
        let (code, output) = daemon.exec(from, &["ping", "-c", "1", "-W", "5", to]);
        assert_eq!(code, 0, "{output:?}");
    }
    let (_, seen) = daemon.exec(&one, &["ip", "-o", "addr", "show", "dev", "eth0"]);
    assert!(seen.stdout.contains(&format!("inet {a}/")), "{}", seen.stdout);
    let (_, routes) = daemon.exec(&one, &["ip", "route"]);
    assert!(routes.stdout.contains("default via "), "{}", routes.stdout);
    assert!(!seen.stdout.contains("inet6 fe80"), "{}", seen.stdout);
}

#[test]
fn the_gateway_is_the_host_and_talk_goes_both_ways() {
    let daemon = Daemon::start();
    let id = daemon.launch(&on("bridge"));
    let gateway = daemon.inspect(&id)["NetworkSettings"]["Networks"]["bridge"]["Gateway"].clone();
    let gateway = gateway.as_str().expect("an address").to_owned();
    let listener = std::net::TcpListener::bind(format!("{gateway}:0")).expect("a port of the host");
    let port = listener.local_addr().expect("its number").port().to_string();
    let server = std::thread::spawn(move || {
        use std::io::Write;
        let (mut stream, from) = listener.accept().expect("a connection");
        stream.write_all(b"hello from the host\n").expect("written");
        from.ip().to_string()
    });
    let (code, output) =
        daemon.exec(&id, &["sh", "-c", &format!("nc {gateway} {port} < /dev/null")]);
    assert_eq!((code, output.stdout.as_str()), (0, "hello from the host\n"), "{}", output.stderr);
    assert_eq!(server.join().expect("the server"), address(&daemon, &id));
}

#[test]
fn inspection_tells_the_endpoint() {
    let daemon = Daemon::start();
    let id = daemon.launch(&on("bridge"));
    let settings = daemon.inspect(&id)["NetworkSettings"].clone();
    let endpoint = &settings["Networks"]["bridge"];
    for field in ["IPAddress", "Gateway", "MacAddress", "NetworkID", "EndpointID"] {
        assert!(
            endpoint[field].as_str().is_some_and(|value| !value.is_empty()),
            "{field}: {endpoint}"
        );
    }
    assert!(endpoint["IPPrefixLen"].as_u64().is_some_and(|bits| (8..=30).contains(&bits)));
    let (_, link) = daemon.exec(&id, &["ip", "link", "show", "eth0"]);
    let mac = endpoint["MacAddress"].as_str().expect("an address");
    assert!(link.stdout.contains(mac), "{mac}: {}", link.stdout);
    daemon.http().post(&format!("/containers/{id}/kill")).expect(204);
    daemon.wait(&id);
    let settings = daemon.inspect(&id)["NetworkSettings"].clone();
    assert_eq!(settings["Networks"]["bridge"]["IPAddress"], "");
}

#[test]
fn none_has_loopback_alone() {
    let daemon = Daemon::start();
    let seen = daemon.sh(
        &json!({}),
        "ip -o link | wc -l; ip -o addr show lo; ping -c 1 127.0.0.1 > /dev/null && echo lo",
    );
    assert!(seen.starts_with('1') && seen.ends_with("lo\n"), "{seen}");
    assert!(seen.contains("127.0.0.1/8"), "{seen}");
}

#[test]
fn host_sees_the_host_s_links() {
    let daemon = Daemon::start();
    let seen = daemon.sh(&json!({ "HostConfig": { "NetworkMode": "host" } }), "ip -o link");
    let output = std::process::Command::new("ip").args(["-o", "link"]).output().expect("ip");
    let names = |text: &str| -> Vec<String> {
        let names = text.lines().filter_map(|line| line.split(": ").nth(1));
        names
            .map(|name| name.split('@').next().unwrap_or(name).to_owned())
            .filter(|name| !name.starts_with("veth"))
            .collect()
    };
    assert_eq!(names(&seen), names(&String::from_utf8_lossy(&output.stdout)));
}

#[test]
fn another_container_s_network_is_shared() {
    let daemon = Daemon::start();
    let first = daemon.launch(&on("bridge"));
    let second = daemon.launch(&on(&format!("container:{first}")));
    let (_, one) = daemon.exec(&first, &["ip", "-o", "addr"]);
    let (_, other) = daemon.exec(&second, &["ip", "-o", "addr"]);
    assert_eq!(one.stdout, other.stdout);
}

#[test]
fn addresses_are_given_back() {
    let daemon = Daemon::start();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..6 {
        let id = daemon.launch(&on("bridge"));
        assert!(seen.len() <= 5);
        seen.insert(address(&daemon, &id));
        daemon.remove(&id);
    }
    assert!(!seen.is_empty());
    let many: Vec<_> = (0..5).map(|_| daemon.launch(&on("bridge"))).collect();
    let addresses: std::collections::BTreeSet<_> =
        many.iter().map(|id| address(&daemon, id)).collect();
    assert_eq!(addresses.len(), 5, "{addresses:?}");
}
