//! Networks of macvlan: containers that are hosts of their own on the wire of an interface of the host.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use harness::daemon::Options;
use harness::elsewhere::{Elsewhere, HOST, NEIGHBOUR, run};
use harness::patience::becomes;
use harness::{Daemon, Network};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(10);
/// The host's end of the wire to its neighbour.
const PARENT: &str = "wire0";

/// A network on the wire, with the addresses of the host and its neighbour left out.
fn on_the_wire<'d>(daemon: &'d Daemon, options: &Value) -> Network<'d> {
    let subnet = json!({ "Subnet": "203.0.113.0/24", "Gateway": NEIGHBOUR,
        "AuxiliaryAddresses": { "host": HOST } });
    let mut body =
        json!({ "Driver": "macvlan", "Options": options, "IPAM": { "Config": [subnet] } });
    body["Options"]["parent"] = json!(PARENT);
    Network::new(daemon, body)
}

fn reaches(daemon: &Daemon, id: &str, host: &str) -> bool {
    daemon.exec(id, &["ping", "-c", "1", "-W", "1", host]).0 == 0
}

/// As [`reaches`], with time for a machine that lets a packet wait.
fn comes_to_reach(daemon: &Daemon, id: &str, host: &str) -> bool {
    becomes(PATIENCE, || reaches(daemon, id, host))
}

fn refusal(daemon: &Daemon, driver: &str, options: &Value) -> String {
    let body = json!({ "Name": harness::name(), "Driver": driver, "Options": options });
    daemon.http().post_json("/networks/create", &body).expect(500).message()
}

#[test]
fn containers_are_hosts_on_the_wire() {
    let daemon = Daemon::start();
    let neighbour = Elsewhere::neighbour();
    let network = on_the_wire(&daemon, &json!({}));
    let seen = network.inspect();
    assert_eq!(
        (&seen["Driver"], &seen["Options"]),
        (&json!("macvlan"), &json!({ "parent": PARENT }))
    );
    let fixed = json!({ "IPAMConfig": { "IPv4Address": "203.0.113.77" }, "Aliases": ["web"] });
    let more = json!({ "Cmd": ["sh", "-c", "while :; do nc -l -p 80 </dev/null; done"], "ExposedPorts": { "80/tcp": {} },
        "HostConfig": { "PortBindings": { "80/tcp": [{ "HostPort": "" }] } } });
    let web = network.sleeper_with(&fixed, &more);
    let other = network.sleeper(&json!({}));

    let endpoint = network.endpoint(&web);
    assert_eq!(
        (&endpoint["IPAddress"], &endpoint["Gateway"]),
        (&json!("203.0.113.77"), &json!(NEIGHBOUR))
    );
    assert_eq!(endpoint["MacAddress"], "02:42:cb:00:71:4d");
    // Nothing of the host leads there.
    assert_eq!(daemon.inspect(&web)["NetworkSettings"]["Ports"], json!({}));
    let (_, routes) = daemon.exec(&web, &["ip", "route"]);
    assert!(
        routes.stdout.contains(&format!("default via {NEIGHBOUR} dev eth0")),
        "{}",
        routes.stdout
    );

    assert!(comes_to_reach(&daemon, &other, NEIGHBOUR) && comes_to_reach(&daemon, &other, "web"));
    let address = SocketAddr::new("203.0.113.77".parse().expect("an address"), 80);
    let connects = || TcpStream::connect_timeout(&address, PATIENCE).is_ok();
    assert!(becomes(PATIENCE, || neighbour.with(connects)), "the neighbour does not reach it");
    let links = run("ip", "-o link show type macvlan");
    assert_eq!(links, "", "the host has interfaces of containers");
}

#[test]
fn its_mode_says_who_reaches_whom() {
    let daemon = Daemon::start();
    let _neighbour = Elsewhere::neighbour();
    let private = on_the_wire(&daemon, &json!({ "macvlan_mode": "private" }));
    let (one, two) = (private.sleeper(&json!({})), private.sleeper(&json!({})));
    assert!(comes_to_reach(&daemon, &one, NEIGHBOUR) && comes_to_reach(&daemon, &two, NEIGHBOUR));
    assert!(!reaches(&daemon, &one, &private.address_of(&two)));
    drop(private);

    // One container has the parent to itself; the next one gets it when that has ended.
    let alone = on_the_wire(&daemon, &json!({ "macvlan_mode": "passthru" }));
    for _ in 0..3 {
        let id = alone.sleeper(&json!({}));
        assert!(comes_to_reach(&daemon, &id, NEIGHBOUR));
        daemon.remove(&id);
    }
    let _first = alone.sleeper(&json!({}));
    let second = daemon
        .create(&json!({ "Cmd": ["sleep", "9"], "HostConfig": { "NetworkMode": alone.name } }));
    let refused = daemon.http().post(&format!("/containers/{second}/start")).expect(500).message();
    assert!(refused.to_lowercase().contains("macvlan"), "{refused}");
    daemon.remove(&second);
}

#[test]
fn is_connected_and_disconnected_while_running() {
    let daemon = Daemon::start();
    let _neighbour = Elsewhere::neighbour();
    let (bridge, wire) = (Network::new(&daemon, json!({})), on_the_wire(&daemon, &json!({})));
    let id = bridge.sleeper(&json!({}));
    assert!(!daemon.exec(&id, &["ip", "link"]).1.stdout.contains("eth1"));
    // The same address, and so the same hardware address, again and again.
    for _ in 0..3 {
        wire.connect(&id, &json!({ "IPAMConfig": { "IPv4Address": "203.0.113.9" } })).expect(200);
        assert_eq!(wire.address_of(&id), "203.0.113.9");
        assert!(comes_to_reach(&daemon, &id, NEIGHBOUR));
        wire.disconnect(&id).expect(200);
        let (_, links) = daemon.exec(&id, &["ip", "-o", "link"]);
        assert!(
            links.stdout.contains("eth0") && !links.stdout.contains("eth1"),
            "{}",
            links.stdout
        );
    }
    // So has a container that is started anew.
    let fixed = wire.sleeper(&json!({ "IPAMConfig": { "IPv4Address": "203.0.113.9" } }));
    for _ in 0..3 {
        daemon.http().post(&format!("/containers/{fixed}/restart?t=0")).expect(204);
        assert!(comes_to_reach(&daemon, &fixed, NEIGHBOUR));
    }
}

#[test]
fn an_internal_one_has_no_way_out() {
    let daemon = Daemon::start();
    let _neighbour = Elsewhere::neighbour();
    let config = json!({ "Subnet": "203.0.113.0/24", "Gateway": NEIGHBOUR });
    let body = json!({ "Driver": "macvlan", "Internal": true, "Options": { "parent": PARENT },
        "EnableIPv6": true, "IPAM": { "Config": [config, { "Subnet": "fd07:6::/64" }] } });
    let network = Network::new(&daemon, body);
    let id = network.sleeper(&json!({}));
    let (_, routes) = daemon.exec(&id, &["sh", "-c", "ip route; ip -6 route"]);
    assert!(!routes.stdout.contains("default"), "{}", routes.stdout);
    let other = network.sleeper(&json!({}));
    let six = network.endpoint(&other)["GlobalIPv6Address"].as_str().expect("one").to_owned();
    assert!(comes_to_reach(&daemon, &id, NEIGHBOUR) && comes_to_reach(&daemon, &id, &six));
}

#[test]
fn what_can_not_be_is_refused() {
    let daemon = Daemon::start();
    let _neighbour = Elsewhere::neighbour();
    let parent = |name: &str| json!({ "parent": name });
    for (options, why) in [
        (parent("lo"), "loopback interface is not a valid macvlan parent link"),
        (parent("nosuch"), "invalid subinterface vlan name nosuch, example formatting is eth0.10"),
        (parent("wire0.x"), "unable to parse a valid vlan id from: x (ex. eth0.10 for vlan 10)"),
        (parent("nosuch.7"), "-o parent interface was not found on the host: nosuch"),
        (parent("wire0.4095"), "vlan id must be between 1-4094, received: 4095"),
        (
            json!({ "parent": PARENT, "macvlan_mode": "x" }),
            "requested macvlan mode 'x' is not valid, 'bridge' mode is the macvlan driver default",
        ),
    ] {
        assert_eq!(refusal(&daemon, "macvlan", &options), why, "{options}");
    }
    let first = on_the_wire(&daemon, &json!({}));
    let why = format!("network dm-{} is already using parent interface wire0", &first.id[..12]);
    assert_eq!(refusal(&daemon, "macvlan", &parent(PARENT)), why);
}

/// What depends on the kernel: virtual LANs, and interfaces that lead nowhere.
#[test]
fn parents_are_made_where_the_kernel_can() {
    let daemon = Daemon::start();
    let _neighbour = Elsewhere::neighbour();
    let http = daemon.http();
    for (kind, options) in [("vlan", json!({ "parent": "wire0.50" })), ("dummy", json!({}))] {
        let body = json!({ "Name": harness::name(), "Driver": "macvlan", "Options": options });
        let probe = format!("link add link wire0 name probe0 type {kind}");
        let more = if kind == "vlan" { " id 51" } else { "" };
        let can = run_quietly(&(probe + more)) && run_quietly("link del probe0");
        let answer = http.post_json("/networks/create", &body);
        if can {
            let id = answer.expect(201).json()["Id"].as_str().expect("an id").to_owned();
            let name = options["parent"].as_str().map(str::to_owned);
            let name = name.unwrap_or_else(|| format!("dm-{}", &id[..12]));
            run("ip", &format!("link show {name}"));
            http.delete(&format!("/networks/{id}")).expect(204);
            assert!(!run_quietly(&format!("link show {name}")), "{name} is left");
        } else {
            let why = answer.expect(500).message().to_lowercase();
            assert!(why.contains("operation not supported"), "{why}");
        }
    }
}

fn run_quietly(words: &str) -> bool {
    let output = std::process::Command::new("ip").args(words.split_whitespace()).output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
fn a_parent_that_is_gone_is_told() {
    let daemon = Daemon::start();
    let neighbour = Elsewhere::neighbour();
    let network = on_the_wire(&daemon, &json!({}));
    drop(neighbour);
    // It goes with its namespace, some time later, unless it is taken away before.
    let gone = || run_quietly("link del wire0") || !run_quietly("link show wire0");
    assert!(becomes(PATIENCE, gone));
    let id = daemon
        .create(&json!({ "Cmd": ["sleep", "9"], "HostConfig": { "NetworkMode": network.name } }));
    let refused = daemon.http().post(&format!("/containers/{id}/start")).expect(500).message();
    assert!(refused.contains("parent interface wire0 was not found on the"), "{refused}");
    daemon.remove(&id);
    assert_eq!(network.inspect()["Containers"], json!({}));
}

#[test]
fn goes_on_after_the_daemon_s_death() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let _neighbour = Elsewhere::neighbour();
    let subnet = json!({ "Subnet": "203.0.113.0/24", "Gateway": NEIGHBOUR });
    let body = json!({ "Name": "wire", "Driver": "macvlan", "Options": { "parent": PARENT },
        "IPAM": { "Config": [subnet] } });
    daemon.http().post_json("/networks/create", &body).expect(201);
    let sleeper = json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL",
        "HostConfig": { "NetworkMode": "wire" } });
    let id = daemon.launch(&sleeper);
    let address = |daemon: &Daemon, id: &str| {
        daemon.inspect(id)["NetworkSettings"]["Networks"]["wire"]["IPAddress"].clone()
    };
    let before = address(&daemon, &id);
    daemon.kill9();
    daemon.start_again(&Options::new());
    assert!(comes_to_reach(&daemon, &id, NEIGHBOUR));
    let other = daemon.launch(&sleeper);
    assert_ne!(address(&daemon, &other), before);
    daemon.http().delete("/networks/wire").expect(403);
    daemon.remove(&id);
    daemon.remove(&other);
    daemon.http().delete("/networks/wire").expect(204);
}
