//! User-defined networks: made, listed, used by containers while they run and before, removed.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use harness::daemon::Options;
use harness::elsewhere::{Elsewhere, HOST, NEIGHBOUR, run};
use harness::{Daemon, Network, escaped, name};
use serde_json::{Value, json};

fn encoded(value: &Value) -> String {
    escaped(&value.to_string())
}

/// A subnet that only this test has.
fn subnet() -> String {
    let name = name();
    let number: u32 = name.rsplit('-').next().and_then(|text| text.parse().ok()).unwrap_or(0);
    format!("10.{}.{}", 40 + std::process::id() % 200, number % 256)
}

fn endpoint(daemon: &Daemon, id: &str, network: &str) -> Value {
    daemon.inspect(id)["NetworkSettings"]["Networks"][network].clone()
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_else(|| panic!("{field}: {value}"))
}

/// Route: POST /networks/create
/// Route: GET /networks/{id}
/// Route: DELETE /networks/{id}
#[test]
fn is_made_inspected_and_removed() {
    let daemon = Daemon::start();
    let http = daemon.http();
    let network = Network::new(&daemon, json!({ "Labels": { "a": "b" }, "Options": { "x": "y" } }));
    let seen = network.inspect();
    assert_eq!((&seen["Name"], &seen["Id"]), (&json!(network.name), &json!(network.id)));
    assert_eq!((&seen["Driver"], &seen["Scope"]), (&json!("bridge"), &json!("local")));
    assert_eq!((&seen["Labels"], &seen["Options"]), (&json!({ "a": "b" }), &json!({ "x": "y" })));
    assert_eq!((&seen["Containers"], &seen["ConfigFrom"]), (&json!({}), &json!({ "Network": "" })));
    for field in ["Internal", "Attachable", "Ingress", "ConfigOnly", "EnableIPv6"] {
        assert_eq!(seen[field], false, "{field}");
    }
    assert_eq!(
        (&seen["IPAM"]["Driver"], &seen["IPAM"]["Options"]),
        (&json!("default"), &Value::Null)
    );
    let config = &seen["IPAM"]["Config"][0];
    let (subnet, gateway) = (text(config, "Subnet"), text(config, "Gateway"));
    assert!(subnet.contains(".0/") && gateway.ends_with(".1"), "{config}");
    let beginning = format!("/networks/{}", &network.id[..12]);
    assert_eq!(http.get(&beginning).expect(200).json()["Id"], network.id);

    let again = http.post_json("/networks/create", &json!({ "Name": network.name })).expect(409);
    assert_eq!(again.message(), format!("network with name {} already exists", network.name));
    http.delete(&format!("/networks/{}", network.name)).expect(204);
    let gone = http.get(&format!("/networks/{}", network.name)).expect(404);
    assert_eq!(gone.message(), format!("network {} not found", network.name));
    http.delete(&format!("/networks/{}", network.name)).expect(404);
}

#[test]
fn what_can_not_be_is_refused() {
    let daemon = Daemon::start();
    let name = name();
    let refused = |mut body: Value, status: u16, message: &str| {
        if body.get("Name").is_none() {
            body["Name"] = json!(name);
        }
        let answer = daemon.http().post_json("/networks/create", &body).expect(status);
        assert_eq!(answer.message(), message, "{body}");
    };
    refused(json!({ "Name": "" }), 400, "invalid name: ");
    refused(
        json!({ "Name": "bridge" }),
        403,
        "operation is not permitted on predefined bridge network ",
    );
    refused(json!({ "Driver": "nosuch" }), 404, "plugin \"nosuch\" not found");
    refused(json!({ "Driver": "host" }), 403, "only one instance of \"host\" network is allowed");
    let swarm = "cannot create a swarm scoped network when swarm is not active";
    refused(json!({ "Scope": "swarm" }), 403, swarm);
    let ipam = |config: Value| json!({ "IPAM": { "Config": [config] } });
    let wrong = |text: &str| format!("invalid network config:\n{text}");
    refused(
        ipam(json!({ "Subnet": "10.3.1.0/16" })),
        400,
        &wrong("invalid subnet 10.3.1.0/16: it should be 10.3.0.0/16"),
    );
    refused(
        ipam(json!({ "Subnet": "10.3.0.0/16", "IPRange": "10.4.0.0/24" })),
        400,
        &wrong("invalid ip-range 10.4.0.0/24: parent subnet 10.3.0.0/16 doesn't contain ip-range"),
    );
    refused(
        ipam(json!({ "Subnet": "10.3.0.0/16", "AuxiliaryAddresses": { "r": "10.4.0.5" } })),
        400,
        &wrong(
            "invalid auxiliary address r: parent subnet 10.3.0.0/16 doesn't contain this address",
        ),
    );
    let mtu = "failed to parse com.docker.network.driver.mtu value: x (strconv.Atoi: parsing \"x\": invalid syntax)";
    refused(json!({ "Options": { "com.docker.network.driver.mtu": "x" } }), 400, mtu);
    let first = Network::new(&daemon, ipam(json!({ "Subnet": format!("{}.0/24", subnet()) })));
    let taken = first.inspect()["IPAM"]["Config"][0]["Subnet"].clone();
    let overlap = "Pool overlaps with other one on this address space";
    refused(ipam(json!({ "Subnet": taken })), 403, overlap);
    let own = daemon.http().delete("/networks/bridge").expect(403);
    assert_eq!(own.message(), "bridge is a pre-defined network and cannot be removed");
}

/// Route: GET /networks
/// Route: GET /networks/
#[test]
fn lists_are_filtered() {
    let daemon = Daemon::start();
    assert_eq!(
        daemon.http().get("/networks/").expect(200).json(),
        daemon.http().get("/networks").expect(200).json()
    );
    let network = Network::new(&daemon, json!({ "Labels": { "mark": "m" } }));
    let listed = |filters: Value| -> Vec<String> {
        let path = format!("/networks?filters={}", encoded(&filters));
        let list = daemon.http().get(&path).expect(200).json();
        let names = list.as_array().expect("a list").iter();
        names.map(|network| text(network, "Name").to_owned()).collect()
    };
    let has = |filters: Value| listed(filters).contains(&network.name);
    assert!(
        has(json!({}))
            && has(json!({ "driver": ["bridge"] }))
            && has(json!({ "type": ["custom"] }))
    );
    assert!(has(json!({ "id": [network.id] })) && has(json!({ "name": [network.name] })));
    assert!(has(json!({ "label": ["mark=m"] })) && !has(json!({ "label": ["mark=x"] })));
    assert!(has(json!({ "dangling": ["true"] })) && !has(json!({ "dangling": ["false"] })));
    assert!(!has(json!({ "type": ["builtin"] })) && !has(json!({ "scope": ["swarm"] })));
    let builtin = listed(json!({ "type": ["builtin"] }));
    for name in ["bridge", "host", "none"] {
        assert!(builtin.iter().any(|seen| seen == name), "{name}: {builtin:?}");
    }
    let unknown =
        daemon.http().get(&format!("/networks?filters={}", encoded(&json!({ "x": ["y"] }))));
    assert_eq!(unknown.expect(400).message(), "invalid filter 'x'");
}

#[test]
fn containers_reach_each_other_and_no_other_network() {
    let daemon = Daemon::start();
    let (here, there) = (Network::new(&daemon, json!({})), Network::new(&daemon, json!({})));
    let (one, two) = (here.sleeper(&json!({})), here.sleeper(&json!({})));
    let other = there.sleeper(&json!({}));
    let address = |id: &str, network: &Network| {
        text(&endpoint(&daemon, id, &network.name), "IPAddress").to_owned()
    };
    let ping = |from: &str, to: &str| daemon.exec(from, &["ping", "-c", "1", "-W", "1", to]).0;
    assert_eq!(ping(&one, &address(&two, &here)), 0);
    assert_ne!(ping(&one, &address(&other, &there)), 0);
    let gateway = endpoint(&daemon, &one, &here.name);
    assert_eq!(ping(&one, text(&gateway, "Gateway")), 0);

    let containers = here.inspect()["Containers"].clone();
    assert_eq!(containers.as_object().map(serde_json::Map::len), Some(2));
    let seen = &containers[&one];
    let inspected = endpoint(&daemon, &one, &here.name);
    assert_eq!(seen["EndpointID"], inspected["EndpointID"]);
    assert_eq!(seen["MacAddress"], inspected["MacAddress"]);
    let with_prefix = format!("{}/{}", text(&inspected, "IPAddress"), inspected["IPPrefixLen"]);
    assert_eq!(seen["IPv4Address"], with_prefix);
    assert_eq!(inspected["NetworkID"], here.id);

    let busy = daemon.http().delete(&format!("/networks/{}", here.name)).expect(403).message();
    let (name, id) = (&here.name, &here.id);
    assert_eq!(
        busy,
        format!("error while removing network: network {name} id {id} has active endpoints")
    );
    daemon.remove(&one);
    daemon.remove(&two);
    daemon.http().delete(&format!("/networks/{}", here.name)).expect(204);
}

#[test]
fn addresses_are_what_was_asked_for() {
    let daemon = Daemon::start();
    let base = subnet();
    let config = json!({ "Subnet": format!("{base}.0/24"), "IPRange": format!("{base}.128/30"),
        "Gateway": format!("{base}.9"), "AuxiliaryAddresses": { "printer": format!("{base}.129") } });
    let network = Network::new(&daemon, json!({ "IPAM": { "Config": [config] } }));
    assert_eq!(network.inspect()["IPAM"]["Config"][0], config);
    let asked = json!({ "IPAMConfig": { "IPv4Address": format!("{base}.77") },
        "MacAddress": "02:42:00:00:11:22", "DriverOpts": {} });
    let fixed = network.sleeper(&asked);
    let seen = endpoint(&daemon, &fixed, &network.name);
    assert_eq!(text(&seen, "IPAddress"), format!("{base}.77"));
    assert_eq!(
        (text(&seen, "MacAddress"), text(&seen, "Gateway")),
        ("02:42:00:00:11:22", format!("{base}.9").as_str())
    );
    let (_, link) = daemon.exec(&fixed, &["ip", "-o", "addr", "show", "dev", "eth0"]);
    assert!(link.stdout.contains(&format!("inet {base}.77/24")), "{}", link.stdout);
    let free = network.sleeper(&json!({}));
    let got = endpoint(&daemon, &free, &network.name);
    let last: u8 = text(&got, "IPAddress")
        .rsplit('.')
        .next()
        .and_then(|it| it.parse().ok())
        .expect("a number");
    assert!((128..132).contains(&last) && last != 129, "{got}");

    let body = |address: &str| {
        json!({ "Cmd": ["true"], "HostConfig": { "NetworkMode": network.name },
        "NetworkingConfig": { "EndpointsConfig": { &network.name: { "IPAMConfig": { "IPv4Address": address } } } } })
    };
    let outside = daemon.try_create(&body("10.255.0.1")).expect(400).message();
    assert!(
        outside.contains("no configured subnet or ip-range contain the IP address 10.255.0.1"),
        "{outside}"
    );
    let same = daemon.create(&body(&format!("{base}.77")));
    let taken = daemon.http().post(&format!("/containers/{same}/start")).expect(403).message();
    assert_eq!(taken, "Address already in use");
    daemon.remove(&same);
}

#[test]
fn addresses_that_are_gone_are_told() {
    let daemon = Daemon::start();
    let base = subnet();
    let config = |more: Value| {
        let mut config = json!({ "Subnet": format!("{base}.0/30") });
        for (key, value) in more.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        json!({ "Name": format!("twice-{}", name()), "IPAM": { "Config": [config] } })
    };
    let second = format!("{base}.2");
    for (more, which) in [
        (json!({ "AuxiliaryAddresses": { "a": format!("{base}.1") } }), format!("a:{base}.1")),
        (
            json!({ "Gateway": second, "AuxiliaryAddresses": { "b": second } }),
            format!("b:{second}"),
        ),
    ] {
        let refused = daemon.http().post_json("/networks/create", &config(more)).expect(500);
        let why = "Address already in use";
        assert_eq!(
            refused.message(),
            format!("failed to allocate secondary ip address ({which}): {why}")
        );
    }
    let network = Network::new(&daemon, config(json!({})));
    let start = |asked: Value| {
        let id = daemon
            .create(&json!({ "Cmd": ["true"], "HostConfig": { "NetworkMode": network.name },
            "NetworkingConfig": { "EndpointsConfig": { &network.name: asked } } }));
        let answer = daemon.http().post(&format!("/containers/{id}/start"));
        daemon.remove(&id);
        (answer.status, answer.message())
    };
    for of_nobody in ["0", "3"] {
        let asked = json!({ "IPAMConfig": { "IPv4Address": format!("{base}.{of_nobody}") } });
        assert_eq!(start(asked), (403, "Address already in use".to_owned()));
    }
    let _first = network.sleeper(&json!({}));
    let full = format!(
        "no available IPv4 addresses on this network's address pools: {} ({})",
        network.name, network.id
    );
    assert_eq!(start(json!({})), (500, full));
}

#[test]
fn several_at_once_came_with_1_44() {
    let daemon = Daemon::start();
    let body = json!({ "Image": harness::IMAGE, "Cmd": ["true"], "HostConfig": { "NetworkMode": "bridge" },
        "NetworkingConfig": { "EndpointsConfig": { "a": {}, "b": {} } } });
    let path = format!("/v1.43/containers/create?name={}", name());
    let refused = daemon.http().post_json(&path, &body).expect(400).message();
    assert_eq!(refused, "Container cannot be created with multiple network endpoints: a, b");
}

#[test]
fn addresses_can_be_chosen_in_chosen_subnets_alone() {
    let daemon = Daemon::start();
    let network = Network::new(&daemon, json!({}));
    let body = |mode: &str, endpoint: Value| {
        json!({ "Cmd": ["true"], "HostConfig": { "NetworkMode": mode },
        "NetworkingConfig": { "EndpointsConfig": { mode: endpoint } } })
    };
    let address = json!({ "IPAMConfig": { "IPv4Address": "10.1.2.3" } });
    let refused = daemon.try_create(&body(&network.name, address.clone())).expect(400).message();
    assert!(
        refused.contains("supported only when connecting to networks with user configured subnets"),
        "{refused}"
    );
    let refused = daemon.try_create(&body("bridge", address)).expect(400).message();
    assert!(
        refused.contains("user specified IP address is supported on user defined networks only"),
        "{refused}"
    );
    let refused =
        daemon.try_create(&body("bridge", json!({ "Aliases": ["x"] }))).expect(400).message();
    assert!(refused.contains(
        "network-scoped alias is supported only for containers in user defined networks"
    ));
    let refused = daemon
        .try_create(&body(&network.name, json!({ "MacAddress": "zz" })))
        .expect(400)
        .message();
    assert_eq!(
        refused,
        format!("invalid config for network {}: invalid MAC address zz", network.name)
    );
}

/// Route: POST /networks/{id}/connect
/// Route: POST /networks/{id}/disconnect
#[test]
fn is_connected_and_disconnected_while_running() {
    let daemon = Daemon::start();
    let (first, second) = (Network::new(&daemon, json!({})), Network::new(&daemon, json!({})));
    let id = first.sleeper(&json!({}));
    let peer = second.sleeper(&json!({}));
    let peer_address = text(&endpoint(&daemon, &peer, &second.name), "IPAddress").to_owned();
    let ping = || daemon.exec(&id, &["ping", "-c", "1", "-W", "1", &peer_address]).0;
    assert_ne!(ping(), 0);
    second.connect(&id, &json!({ "Aliases": ["second"] })).expect(200);
    assert_eq!(ping(), 0);
    let seen = endpoint(&daemon, &id, &second.name);
    assert_eq!(seen["Aliases"], json!(["second"]));
    let (_, hosts) = daemon.exec(&id, &["cat", "/etc/hosts"]);
    assert!(hosts.stdout.contains(text(&seen, "IPAddress")), "{}", hosts.stdout);
    let twice = second.connect(&id, &json!({})).expect(403).message();
    assert!(twice.contains("already exists in network"), "{twice}");

    second.disconnect(&id).expect(200);
    assert_ne!(ping(), 0);
    assert_eq!(endpoint(&daemon, &id, &second.name), Value::Null);
    let (_, hosts) = daemon.exec(&id, &["cat", "/etc/hosts"]);
    assert!(!hosts.stdout.contains(text(&seen, "IPAddress")), "{}", hosts.stdout);
    let twice = second.disconnect(&id).expect(500).message();
    assert_eq!(twice, format!("container {id} is not connected to network {}", second.name));
    let leave = json!({ "Container": id });
    let host = daemon.http().post_json("/networks/host/disconnect", &leave).expect(500).message();
    assert_eq!(host, format!("container {id} is not connected to network host"));
    let nobody = second.connect("no-such-container", &json!({})).expect(404).message();
    assert_eq!(nobody, "No such container: no-such-container");
}

#[test]
fn is_connected_before_the_start_and_after_the_end() {
    let daemon = Daemon::start();
    let (first, second) = (Network::new(&daemon, json!({})), Network::new(&daemon, json!({})));
    let id = daemon.create(&json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL",
        "HostConfig": { "NetworkMode": first.name } }));
    second.connect(&id, &json!({})).expect(200);
    assert_eq!(text(&endpoint(&daemon, &id, &second.name), "IPAddress"), "");
    daemon.start_container(&id);
    let (_, links) = daemon.exec(&id, &["sh", "-c", "ip -o -4 addr | grep -c eth"]);
    assert_eq!(links.stdout, "2\n");
    daemon.http().post(&format!("/containers/{id}/stop")).expect(204);
    assert_eq!(text(&endpoint(&daemon, &id, &first.name), "IPAddress"), "");
    assert_eq!(first.inspect()["Containers"], json!({}));
    first.disconnect(&id).expect(200);
    daemon.start_container(&id);
    assert_eq!(endpoint(&daemon, &id, &first.name), Value::Null);
    assert_ne!(text(&endpoint(&daemon, &id, &second.name), "IPAddress"), "");
    let (_, links) = daemon.exec(&id, &["sh", "-c", "ip -o -4 addr | grep -c eth"]);
    assert_eq!(links.stdout, "1\n");
}

#[test]
fn the_default_route_goes_by_one_of_several_networks() {
    let daemon = Daemon::start();
    let first = Network::new(&daemon, json!({}));
    let second = Network::new(&daemon, json!({}));
    let inner = Network::new(&daemon, json!({ "Internal": true }));
    let id = daemon.launch(&json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL",
        "HostConfig": { "NetworkMode": second.name },
        "NetworkingConfig": { "EndpointsConfig": { &first.name: {}, &second.name: {}, &inner.name: {} } } }));
    let route = || daemon.exec(&id, &["sh", "-c", "ip route | grep default"]).1.stdout;
    let by = |network: &Network| {
        let gateway = network.inspect()["IPAM"]["Config"][0]["Gateway"].clone();
        format!("default via {} ", gateway.as_str().expect("a gateway"))
    };
    // Among equals the first name.
    assert!(route().starts_with(&by(&first)), "{}", route());
    first.disconnect(&id).expect(200);
    assert!(route().starts_with(&by(&second)), "{}", route());
    second.disconnect(&id).expect(200);
    assert_eq!(route(), "");
    first.connect(&id, &json!({})).expect(200);
    assert!(route().starts_with(&by(&first)), "{}", route());
}

#[test]
fn internal_networks_lead_nowhere() {
    let daemon = Daemon::start();
    let outer = Network::new(&daemon, json!({}));
    let inner = Network::new(&daemon, json!({ "Internal": true }));
    let (one, two) = (inner.sleeper(&json!({})), inner.sleeper(&json!({})));
    let outside = outer.sleeper(&json!({}));
    let address = |id: &str, network: &Network| {
        text(&endpoint(&daemon, id, &network.name), "IPAddress").to_owned()
    };
    let ping = |from: &str, to: &str| daemon.exec(from, &["ping", "-c", "1", "-W", "1", to]).0;
    assert_eq!(ping(&one, &address(&two, &inner)), 0);
    assert_ne!(ping(&one, &address(&outside, &outer)), 0);
    assert_ne!(ping(&outside, &address(&one, &inner)), 0);
    let (_, routes) = daemon.exec(&one, &["ip", "route"]);
    assert!(!routes.stdout.contains("default"), "{}", routes.stdout);
    assert_eq!(inner.inspect()["Internal"], true);
    assert_eq!(text(&endpoint(&daemon, &one, &inner.name), "Gateway"), "");
}

/// A container that may change its routes makes itself the one that it was not given.
#[test]
fn an_internal_network_stays_one_for_who_makes_routes() {
    let Some(daemon) = Daemon::ours() else { return };
    let neighbour = Elsewhere::neighbour();
    let network = Network::new(&daemon, json!({ "Internal": true }));
    let id = network.sleeper(&json!({}));
    let config = network.inspect()["IPAM"]["Config"][0].clone();
    neighbour.with(|| run("ip", &format!("route add {} via {HOST}", text(&config, "Subnet"))));
    let inside = Elsewhere::of_container(&daemon.inspect(&id));
    let refused = || {
        let address = SocketAddr::new(NEIGHBOUR.parse().expect("an address"), 1);
        let answer = TcpStream::connect_timeout(&address, Duration::from_millis(700));
        answer.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    };
    inside.with(|| run("ip", &format!("route add default via {}", text(&config, "Gateway"))));
    assert!(!inside.with(refused), "the neighbour has answered");
}

#[test]
fn containers_are_kept_apart_without_icc() {
    // Docker's rules need br_netfilter for this, which not every host has.
    let Some(daemon) = Daemon::ours() else { return };
    let apart = json!({ "Options": { "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.driver.mtu": "1400" } });
    let network = Network::new(&daemon, apart);
    let (one, two) = (network.sleeper(&json!({})), network.sleeper(&json!({})));
    let ping = |to: &str| daemon.exec(&one, &["ping", "-c", "1", "-W", "1", to]).0;
    assert_ne!(ping(text(&endpoint(&daemon, &two, &network.name), "IPAddress")), 0);
    assert_eq!(ping(text(&endpoint(&daemon, &two, &network.name), "Gateway")), 0);
    let (_, link) = daemon.exec(&one, &["ip", "link", "show", "eth0"]);
    assert!(link.stdout.contains("mtu 1400"), "{}", link.stdout);
}

/// Route: POST /networks/prune
#[test]
fn prune_takes_what_nobody_uses() {
    let daemon = Daemon::start();
    let mark = name();
    let label = json!({ "Labels": { &mark: "" } });
    let (idle, used) = (Network::new(&daemon, label.clone()), Network::new(&daemon, label));
    let _id = used.sleeper(&json!({}));
    let path = format!("/networks/prune?filters={}", encoded(&json!({ "label": [mark] })));
    assert_eq!(
        daemon.http().post(&path).expect(200).json(),
        json!({ "NetworksDeleted": [idle.name] })
    );
    assert_eq!(daemon.http().post(&path).expect(200).json(), json!({ "NetworksDeleted": null }));
    assert_eq!(used.inspect()["Name"], used.name);
}

#[test]
fn what_happens_is_told() {
    let daemon = Daemon::start();
    let clock =
        || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    let begin = clock().as_secs();
    let network = Network::new(&daemon, json!({}));
    let id = network.sleeper(&json!({}));
    network.disconnect(&id).expect(200);
    daemon.remove(&id);
    daemon.http().delete(&format!("/networks/{}", network.name)).expect(204);
    let only = encoded(&json!({ "type": ["network"], "network": [network.id] }));
    let path = format!("/events?since={begin}&until={}&filters={only}", clock().as_secs() + 1);
    let events = daemon.http().get(&path).expect(200).json_lines();
    let mut actions: Vec<_> = events.iter().map(|event| text(event, "Action")).collect();
    // dockerd tells of the end of a connection twice.
    actions.dedup();
    assert_eq!(actions, ["create", "connect", "disconnect", "destroy"]);
    for event in &events {
        let attributes = &event["Actor"]["Attributes"];
        assert_eq!(
            (&attributes["name"], &attributes["type"]),
            (&json!(network.name), &json!("bridge"))
        );
    }
    assert_eq!(events[1]["Actor"]["Attributes"]["container"], id);
}

#[test]
fn a_network_that_is_not_there_is_told_at_the_start() {
    let daemon = Daemon::start();
    let network = Network::new(&daemon, json!({}));
    let body = json!({ "Cmd": ["true"], "HostConfig": { "NetworkMode": network.name } });
    let id = daemon.create(&body);
    daemon.http().delete(&format!("/networks/{}", network.name)).expect(204);
    let refused = daemon.http().post(&format!("/containers/{id}/start")).expect(404).message();
    assert!(refused.contains(&format!("network {} not found", network.name)), "{refused}");
    daemon.remove(&id);
}

#[test]
fn networks_and_places_in_them_outlive_the_daemon() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let created = json!({ "Name": "kept", "Labels": { "a": "b" },
        "IPAM": { "Config": [{ "Subnet": "10.77.0.0/24" }] } });
    daemon.http().post_json("/networks/create", &created).expect(201);
    let body = json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL",
        "HostConfig": { "NetworkMode": "kept" } });
    let (one, two) = (daemon.launch(&body), daemon.launch(&body));
    let before = daemon.http().get("/networks/kept").expect(200).json();
    daemon.kill9();
    daemon.start_again(&Options::new());
    assert_eq!(daemon.http().get("/networks/kept").expect(200).json(), before);
    let address = text(&endpoint(&daemon, &two, "kept"), "IPAddress").to_owned();
    assert_eq!(daemon.exec(&one, &["ping", "-c", "1", "-W", "2", &address]).0, 0);
    let third = daemon.launch(&body);
    assert_eq!(text(&endpoint(&daemon, &third, "kept"), "IPAddress"), "10.77.0.4");
    daemon.http().delete("/networks/kept").expect(403);
    for id in [one, two, third] {
        daemon.remove(&id);
    }
    daemon.http().delete("/networks/kept").expect(204);
    daemon.kill9();
    daemon.start_again(&Options::new());
    daemon.http().get("/networks/kept").expect(404);
}

#[test]
fn nothing_is_left_of_many() {
    let Some(daemon) = Daemon::ours() else { return };
    // The first removal empties what the pull left.
    daemon.remove(&daemon.sleeper());
    let before = harness::audit::Audit::settled(&daemon);
    let bodies: Vec<_> = (0..40).map(|number| json!({ "Name": format!("n{number}") })).collect();
    for body in &bodies {
        daemon.http().post_json("/networks/create", body).expect(201);
    }
    let endpoints: serde_json::Map<_, _> =
        (0..5).map(|number| (format!("n{number}"), json!({}))).collect();
    let id = daemon.launch(&json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL",
        "HostConfig": { "NetworkMode": "n0" }, "NetworkingConfig": { "EndpointsConfig": endpoints } }));
    let (_, links) = daemon.exec(&id, &["sh", "-c", "ip -o -4 addr | grep -c eth"]);
    assert_eq!(links.stdout, "5\n");
    daemon.remove(&id);
    daemon.http().post("/networks/prune").expect(200);
    before.must_return(&daemon);
}

#[test]
fn drivers_that_are_not_there_are_named() {
    let Some(daemon) = Daemon::ours() else { return };
    let body = json!({ "Name": name(), "Driver": "ipvlan" });
    let refused = daemon.http().post_json("/networks/create", &body).expect(501).message();
    assert!(refused.contains("ipvlan"), "{refused}");
}
