//! Names in networks: the name server of containers, and links.

use std::net::UdpSocket;
use std::time::Duration;

use harness::daemon::Options;
use harness::patience::becomes;
use harness::{Daemon, Network, name};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(10);

fn lookup(daemon: &Daemon, id: &str, kind: &str, name: &str) -> (i64, harness::stdcopy::Output) {
    daemon.exec(id, &["sh", "-c", &format!("nslookup -type={kind} {name}")])
}

/// The addresses that a container gets for a name.
fn looked_up(daemon: &Daemon, id: &str, name: &str) -> Vec<String> {
    let (_, output) = lookup(daemon, id, "a", name);
    let answers = output.stdout.split("answer:").nth(1).unwrap_or_default();
    let lines = answers.lines().filter_map(|line| line.strip_prefix("Address: "));
    lines.map(str::to_owned).collect()
}

fn name_of(daemon: &Daemon, id: &str) -> String {
    daemon.inspect(id)["Name"].as_str().expect("a name").trim_start_matches('/').to_owned()
}

#[test]
fn names_aliases_and_ids_lead_to_containers() {
    let daemon = Daemon::start();
    let network = Network::new(&daemon, json!({}));
    let web = network
        .sleeper_with(&json!({ "Aliases": ["www", "all"] }), &json!({ "Hostname": "webhost" }));
    let other = network.sleeper(&json!({ "Aliases": ["all"] }));
    let address = network.address_of(&web);
    let own = name_of(&daemon, &web);
    for name in [own.as_str(), "WWW", &web[..12], "webhost", &format!("{own}.{}", network.name)] {
        assert_eq!(looked_up(&daemon, &other, name), [address.as_str()], "{name}");
    }
    let mut all = looked_up(&daemon, &other, "all");
    all.sort();
    let mut both = vec![address.clone(), network.address_of(&other)];
    both.sort();
    assert_eq!(all, both);
    let names = &daemon.inspect(&web)["NetworkSettings"]["Networks"][&network.name]["DNSNames"];
    assert_eq!(*names, json!([own, "www", "all", &web[..12], "webhost"]));

    let (_, none) = lookup(&daemon, &other, "aaaa", "www");
    assert!(
        !none.stdout.contains("can't find") && !none.stdout.contains("Name:"),
        "{}",
        none.stdout
    );
    let turned: Vec<_> = address.split('.').rev().collect();
    let pointer = format!("{}.in-addr.arpa", turned.join("."));
    let (_, reverse) = lookup(&daemon, &other, "ptr", &pointer);
    assert!(
        reverse.stdout.contains(&format!("name = {own}.{}", network.name)),
        "{}",
        reverse.stdout
    );

    let other_name = name();
    daemon.http().post(&format!("/containers/{web}/rename?name={other_name}")).expect(204);
    assert_eq!(looked_up(&daemon, &other, &other_name), [address]);
    assert!(looked_up(&daemon, &other, &own).is_empty());
    daemon.remove(&web);
    assert!(looked_up(&daemon, &other, &other_name).is_empty());
}

#[test]
fn names_end_at_the_network_s_border() {
    let daemon = Daemon::start();
    let (one, two) = (Network::new(&daemon, json!({})), Network::new(&daemon, json!({})));
    let here = one.sleeper(&json!({ "Aliases": ["here"] }));
    let there = two.sleeper(&json!({ "Aliases": ["there"] }));
    assert!(looked_up(&daemon, &here, "there").is_empty());
    let body = json!({ "Container": here, "EndpointConfig": { "Aliases": ["guest"] } });
    daemon.http().post_json(&format!("/networks/{}/connect", two.name), &body).expect(200);
    assert_eq!(looked_up(&daemon, &here, "there"), [two.address_of(&there)]);
    assert_eq!(looked_up(&daemon, &there, "guest"), [two.address_of(&here)]);
    assert!(looked_up(&daemon, &there, "here").is_empty());
    let body = json!({ "Container": here });
    daemon.http().post_json(&format!("/networks/{}/disconnect", two.name), &body).expect(200);
    assert!(looked_up(&daemon, &here, "there").is_empty());
    assert!(looked_up(&daemon, &there, "guest").is_empty());
}

#[test]
fn a_container_of_the_default_bridge_gets_names_with_its_first_network() {
    let daemon = Daemon::start();
    let network = Network::new(&daemon, json!({}));
    let peer = network.sleeper(&json!({ "Aliases": ["peer"] }));
    let id = daemon.launch(&json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL",
        "HostConfig": { "NetworkMode": "bridge" } }));
    let servers =
        |id: &str| daemon.exec(id, &["sh", "-c", "grep nameserver /etc/resolv.conf"]).1.stdout;
    assert!(!servers(&id).contains("127.0.0.11"));
    let body = json!({ "Container": id });
    daemon.http().post_json(&format!("/networks/{}/connect", network.name), &body).expect(200);
    assert_eq!(servers(&id), "nameserver 127.0.0.11\n");
    assert_eq!(looked_up(&daemon, &id, "peer"), [network.address_of(&peer)]);
    assert_eq!(looked_up(&daemon, &peer, &name_of(&daemon, &id)), [network.address_of(&id)]);
    daemon.remove(&id);
}

#[test]
fn resolv_conf_names_the_container_s_own_server() {
    let daemon = Daemon::start();
    let network = Network::new(&daemon, json!({}));
    let id = network.sleeper_with(
        &json!({}),
        &json!({ "HostConfig": { "Dns": ["192.0.2.7"],
        "DnsSearch": ["example.org"], "DnsOptions": ["timeout:3"] } }),
    );
    let (_, output) = daemon.exec(&id, &["sh", "-c", "grep -v ^# /etc/resolv.conf"]);
    let lines: Vec<_> = output.stdout.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines, ["nameserver 127.0.0.11", "search example.org", "options timeout:3 ndots:0"]);
}

#[test]
fn links_are_names_of_one_s_own() {
    let daemon = Daemon::start();
    let network = Network::new(&daemon, json!({}));
    let db = network.sleeper(&json!({}));
    let link = format!("{}:database", name_of(&daemon, &db));
    let web = network.sleeper(&json!({ "Links": [link] }));
    let other = network.sleeper(&json!({}));
    assert_eq!(looked_up(&daemon, &web, "database"), [network.address_of(&db)]);
    assert!(looked_up(&daemon, &other, "database").is_empty());
}

#[test]
fn links_of_the_default_bridge_do_not_lead_into_other_networks() {
    let daemon = Daemon::start();
    let network = Network::new(&daemon, json!({}));
    let db = network.sleeper(&json!({}));
    let name = name_of(&daemon, &db);
    let web = daemon.create(&json!({ "Cmd": ["true"],
        "HostConfig": { "NetworkMode": "bridge", "Links": [format!("{name}:db")] } }));
    let refused = daemon.http().post(&format!("/containers/{web}/start")).expect(500).message();
    assert_eq!(
        refused,
        format!("Cannot link to /{name}, as it does not belong to the default network")
    );
    daemon.remove(&web);
}

#[test]
fn links_of_the_default_bridge_are_in_hosts_and_environment() {
    let daemon = Daemon::start();
    let body = json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL", "Env": ["FOO=bar"],
        "ExposedPorts": { "80/tcp": {} }, "HostConfig": { "NetworkMode": "bridge" } });
    let db = daemon.create(&body);
    let db_name = name_of(&daemon, &db);
    let linking = json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL",
        "HostConfig": { "NetworkMode": "bridge", "Links": [format!("{db_name}:my-db")] } });
    let web = daemon.create(&linking);
    let web_name = name_of(&daemon, &web);
    assert_eq!(
        daemon.inspect(&web)["HostConfig"]["Links"],
        json!([format!("/{db_name}:/{web_name}/my-db")])
    );
    let refused = daemon.http().post(&format!("/containers/{web}/start")).expect(500).message();
    assert_eq!(
        refused,
        format!("Cannot link to a non running container: /{db_name} AS /{web_name}/my-db")
    );
    daemon.start_container(&db);
    daemon.start_container(&web);
    let settings = daemon.inspect(&db)["NetworkSettings"]["Networks"]["bridge"].clone();
    let address = settings["IPAddress"].as_str().expect("an address");
    let (_, hosts) = daemon.exec(&web, &["cat", "/etc/hosts"]);
    assert!(
        hosts.stdout.contains(&format!("{address}\tmy-db {} {db_name}\n", &db[..12])),
        "{}",
        hosts.stdout
    );
    let (_, env) = daemon.exec(&web, &["env"]);
    for variable in [
        format!("MY_DB_PORT=tcp://{address}:80"),
        format!("MY_DB_PORT_80_TCP_ADDR={address}"),
        format!("MY_DB_NAME=/{web_name}/my-db"),
        "MY_DB_ENV_FOO=bar".to_owned(),
    ] {
        assert!(env.stdout.lines().any(|line| line == variable), "{variable}: {}", env.stdout);
    }
    let nobody = json!({ "Cmd": ["true"], "HostConfig": { "Links": ["nobody-here:x"] } });
    let refused = daemon.try_create(&nobody).expect(400).message();
    assert_eq!(refused, "could not get container for nobody-here: No such container: nobody-here");
    daemon.remove(&web);
    daemon.remove(&db);
}

/// Route: DELETE /containers/{id}
#[test]
fn a_link_is_taken_away() {
    let daemon = Daemon::start();
    let db = daemon.create(&json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL" }));
    let db_name = name_of(&daemon, &db);
    let web = daemon.create(&json!({ "Cmd": ["true"],
        "HostConfig": { "NetworkMode": "bridge", "Links": [format!("{db_name}:my-db"), format!("{db_name}:other")] } }));
    let web_name = name_of(&daemon, &web);
    let own = daemon.http().delete(&format!("/containers/{web_name}?link=1")).expect(500).message();
    assert_eq!(own, "Conflict, cannot remove the default link name of the container");
    daemon.http().delete(&format!("/containers/{web_name}/my-db?link=1")).expect(204);
    assert_eq!(
        daemon.inspect(&web)["HostConfig"]["Links"],
        json!([format!("/{db_name}:/{web_name}/other")])
    );
    daemon.http().delete(&format!("/containers/{web_name}/my-db")).expect(404);
    daemon.remove(&web);
    daemon.remove(&db);
}

/// A name server of the host that answers every question with 192.0.2.99.
fn upstream() -> std::net::SocketAddr {
    let socket = UdpSocket::bind("0.0.0.0:53").expect("port 53 of the test's own host");
    let address = socket.local_addr().expect("its address");
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            // The question's name ends with a zero; type and class follow. RFC 1035, section 4.1.2.
            let name = question[12..length].iter().position(|byte| *byte == 0).unwrap_or(0);
            let end = 12 + name + 5;
            let mut answer = question[..end].to_vec();
            answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 99]);
            let _gone = socket.send_to(&answer, from);
        }
    });
    address
}

#[test]
fn other_names_are_asked_of_other_servers() {
    let Some(daemon) = Daemon::ours() else { return };
    upstream();
    let network = Network::new(&daemon, json!({}));
    let inner = Network::new(&daemon, json!({ "Internal": true }));
    let dns = json!({ "HostConfig": { "Dns": ["127.0.0.1"] } });
    let id = network.sleeper_with(&json!({ "Aliases": ["own"] }), &dns);
    assert_eq!(looked_up(&daemon, &id, "www.example.org"), ["192.0.2.99"]);
    assert_eq!(looked_up(&daemon, &id, "own"), [network.address_of(&id)]);
    let sealed = inner.sleeper_with(&json!({ "Aliases": ["own"] }), &dns);
    assert!(looked_up(&daemon, &sealed, "www.example.org").is_empty());
    assert_eq!(looked_up(&daemon, &sealed, "own"), [inner.address_of(&sealed)]);
}

#[test]
fn the_next_daemon_answers_where_the_last_one_did() {
    let Some(mut daemon) = Daemon::ours() else { return };
    daemon.http().post_json("/networks/create", &json!({ "Name": "kept" })).expect(201);
    let body = |alias: &str| {
        json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL",
        "HostConfig": { "NetworkMode": "kept" },
        "NetworkingConfig": { "EndpointsConfig": { "kept": { "Aliases": [alias] } } } })
    };
    let (one, two) = (daemon.launch(&body("one")), daemon.launch(&body("two")));
    let before = looked_up(&daemon, &one, "two");
    assert_eq!(before.len(), 1);
    daemon.kill9();
    daemon.start_again(&Options::new());
    assert!(becomes(PATIENCE, || looked_up(&daemon, &one, "two") == before));
    assert!(becomes(PATIENCE, || looked_up(&daemon, &two, "one").len() == 1));
    // A program of the container may have the port that its resolver asks.
    let script = "while true; do echo hi | nc -l -p 53; done >/dev/null 2>&1 &
        until nc 127.0.0.1 53 | grep hi; do sleep 0.2; done; kill $!";
    assert_eq!(daemon.exec(&one, &["sh", "-c", script]).1.stdout, "hi\n");
    daemon.remove(&one);
    daemon.remove(&two);
    daemon.http().delete("/networks/kept").expect(204);
}
