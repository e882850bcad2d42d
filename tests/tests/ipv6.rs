//! Networks with IPv6: addresses, routes, names, ports, with real traffic.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use harness::daemon::Options;
use harness::elsewhere::{Elsewhere, HOST, HOST_V6, NEIGHBOUR, NEIGHBOUR_V6, run};
use harness::patience::becomes;
use harness::{Daemon, name};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(10);
/// How long a packet that must not arrive is waited for.
const SILENCE: Duration = Duration::from_millis(700);

/// A network with IPv6, and how its addresses begin.
struct Network<'a> {
    made: harness::Network<'a>,
    beginning: String,
}

impl<'a> std::ops::Deref for Network<'a> {
    type Target = harness::Network<'a>;

    fn deref(&self) -> &Self::Target {
        &self.made
    }
}

impl<'a> Network<'a> {
    #[track_caller]
    fn new(daemon: &'a Daemon, more: &Value) -> Self {
        let name = name();
        let number: u32 = name.rsplit('-').next().and_then(|text| text.parse().ok()).unwrap_or(0);
        let beginning = format!("fd07:{:x}:{number:x}:", std::process::id() & 0xffff);
        let mut body = json!({
            "EnableIPv6": true, "IPAM": { "Config": [{ "Subnet": format!("{beginning}:/64") }] },
        });
        body.as_object_mut()
            .expect("an object")
            .extend(more.as_object().cloned().unwrap_or_default());
        Self { made: harness::Network::new(daemon, body), beginning }
    }

    fn address(&self, last: &str) -> String {
        let address: Ipv6Addr = format!("{}:{last}", self.beginning).parse().expect("an address");
        address.to_string()
    }

    /// A container that sleeps in it.
    #[track_caller]
    fn sleeper(&self, more: &Value) -> String {
        self.made.sleeper_with(&json!({}), more)
    }
}

/// Of the subnets' addresses those of network, broadcast and routers are nobody's, and each has a gateway. dockerd tells
/// so since API 1.52.
#[test]
fn tells_how_full_it_is() {
    let Some(daemon) = Daemon::ours() else { return };
    let network = Network::new(&daemon, &json!({}));
    let subnets = |version: &str| {
        let path = format!("{version}/networks/{}", network.id);
        let seen = daemon.http().get(&path).expect(200).json();
        let all = seen["Status"]["IPAM"]["Subnets"].as_object().cloned().unwrap_or_default();
        assert!(all.is_empty() || all.len() == 2, "{seen}");
        let of = |is_six: bool| all.iter().find(|(subnet, _)| subnet.contains(':') == is_six);
        let of = |is_six| of(is_six).map(|(_, usage)| usage.clone()).unwrap_or_default();
        (of(false), of(true))
    };
    let usage = |used: u64, free: u64| json!({ "IPsInUse": used, "DynamicIPsAvailable": free });
    let (four, six) = subnets("");
    let size = four["DynamicIPsAvailable"].as_u64().expect("a number") + 3;
    assert_eq!((four, six), (usage(3, size - 3), usage(2, u64::MAX - 1)));
    let id = network.sleeper(&json!({}));
    assert_eq!(subnets(""), (usage(4, size - 4), usage(3, u64::MAX - 2)));
    assert_eq!(subnets("/v1.51"), (Value::Null, Value::Null));
    daemon.remove(&id);
    assert!(becomes(PATIENCE, || subnets("").1 == usage(2, u64::MAX - 1)), "{:?}", subnets(""));
}

/// Tells everybody who connects to a port of the container's IPv6 which address they have.
fn serve(daemon: &Daemon, id: &str, port: u16) {
    let inside = Elsewhere::of_container(&daemon.inspect(id));
    let server = inside.with(|| TcpListener::bind(("::", port)).expect("a port"));
    std::thread::spawn(move || {
        while let Ok((mut stream, from)) = server.accept() {
            let _gone = stream.write_all(from.ip().to_string().as_bytes());
        }
    });
}

/// Which address the server says that it sees.
fn seen_by(to: &str, patience: Duration) -> Option<IpAddr> {
    let address: SocketAddr = to.parse().expect("an address");
    let mut stream = TcpStream::connect_timeout(&address, patience).ok()?;
    stream.set_read_timeout(Some(patience)).expect("a timeout");
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.parse().ok()
}

/// Has the kernel filter what passes bridges, or not; false if it can not.
fn filter_bridged(filter: bool) -> bool {
    let value = if filter { "1" } else { "0" };
    std::fs::write("/proc/sys/net/bridge/bridge-nf-call-ip6tables", value).is_ok()
}

/// Types of questions; RFC 1035, section 3.2.2, and RFC 3596.
const A: u8 = 1;
const AAAA: u8 = 28;

/// What the container's name server answers; RFC 1035, section 4.1.
fn ask(name: &str, kind: u8) -> Vec<u8> {
    let mut question = vec![7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    question.push(u8::try_from(name.len()).expect("a short name"));
    question.extend(name.bytes());
    question.extend([0, 0, kind, 0, 1]);
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket.send_to(&question, "127.0.0.11:53").expect("sent");
    let mut answer = vec![0; 512];
    let length = socket.recv(&mut answer).expect("an answer");
    answer.split_off(question.len().min(length)).into_iter().take(length).collect()
}

fn ip(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

#[test]
fn gives_containers_addresses_and_routes() {
    let daemon = Daemon::start();
    let network = Network::new(&daemon, &json!({}));
    let id = network.sleeper(&json!({}));
    let endpoint = network.endpoint(&id);
    assert_eq!(endpoint["IPv6Gateway"], network.address("1"));
    assert_eq!(endpoint["GlobalIPv6Address"], network.address("2"));
    assert_eq!(endpoint["GlobalIPv6PrefixLen"], 64);
    assert!(endpoint["IPAddress"].as_str().is_some_and(|four| four.contains('.')), "{endpoint}");
    let seen = daemon.http().get(&format!("/networks/{}", network.name)).expect(200).json();
    assert_eq!(seen["EnableIPv6"], true);
    assert_eq!(seen["Containers"][&id]["IPv6Address"], format!("{}/64", network.address("2")));

    let (_, addresses) = daemon.exec(&id, &["ip", "-6", "-o", "addr", "show", "dev", "eth0"]);
    let own = format!("inet6 {}/64", network.address("2"));
    assert!(addresses.stdout.contains(&own), "{}", addresses.stdout);
    let (_, routes) = daemon.exec(&id, &["ip", "-6", "route"]);
    let default = format!("default via {} dev eth0", network.address("1"));
    assert!(routes.stdout.contains(&default), "{}", routes.stdout);
    let (_, off) = daemon.exec(&id, &["cat", "/proc/sys/net/ipv6/conf/eth0/disable_ipv6"]);
    assert_eq!(off.stdout.trim(), "0");
    let (_, hosts) = daemon.exec(&id, &["cat", "/etc/hosts"]);
    let line = format!("{}\t{}", network.address("2"), &id[..12]);
    assert!(hosts.stdout.lines().any(|other| other == line), "{}", hosts.stdout);

    // What a client chooses, and what somebody has.
    let asks = |last: &str| {
        let ipam = json!({ "IPAMConfig": { "IPv6Address": network.address(last) } });
        json!({ "NetworkingConfig": { "EndpointsConfig": { &network.name: ipam } } })
    };
    let other = network.sleeper(&asks("77"));
    assert_eq!(network.endpoint(&other)["GlobalIPv6Address"], network.address("77"));
    let mut third = asks("77");
    third["Cmd"] = json!(["true"]);
    third["HostConfig"] = json!({ "NetworkMode": network.name });
    let third = daemon.create(&third);
    let refused = daemon.http().post(&format!("/containers/{third}/start")).expect(403);
    assert!(refused.message().contains("Address already in use"), "{}", refused.message());
    daemon.remove(&third);
    let (code, output) = daemon.exec(&id, &["ping", "-6", "-c1", "-W5", &network.address("77")]);
    assert_eq!(code, 0, "{output:?}");
    let (code, output) = daemon.exec(&id, &["ping", "-6", "-c1", "-W5", &network.address("1")]);
    assert_eq!(code, 0, "{output:?}");
}

#[test]
fn names_lead_to_both_addresses() {
    let daemon = Daemon::start();
    let network = Network::new(&daemon, &json!({}));
    let id = network.sleeper(&json!({}));
    let alias = json!({ "Aliases": ["web"] });
    let other = network
        .sleeper(&json!({ "NetworkingConfig": { "EndpointsConfig": { &network.name: alias } } }));
    let six = network.endpoint(&other)["GlobalIPv6Address"].clone();
    let four = network.endpoint(&other)["IPAddress"].clone();
    let inside = Elsewhere::of_container(&daemon.inspect(&id));
    for (kind, wanted, not) in [(AAAA, &six, &four), (A, &four, &six)] {
        let answer = inside.with(|| ask("web", kind));
        let has = |address: &Value| {
            let octets = match ip(address.as_str().expect("an address")).expect("an address") {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            answer.windows(octets.len()).any(|window| window == octets)
        };
        assert!(has(wanted) && !has(not), "{kind}: {answer:?}");
    }
    let (code, output) = daemon.exec(&id, &["ping", "-6", "-c1", "-W5", "web"]);
    assert_eq!(code, 0, "{output:?}");
}

#[test]
fn comes_and_goes_while_a_container_runs() {
    let daemon = Daemon::start();
    let network = Network::new(&daemon, &json!({}));
    let peer = network.sleeper(&json!({}));
    let id = daemon.launch(&json!({
        "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL", "HostConfig": { "NetworkMode": "bridge" },
    }));
    let change = |verb: &str| {
        let path = format!("/networks/{}/{verb}", network.name);
        daemon.http().post_json(&path, &json!({ "Container": id })).expect(200);
    };
    // A network that leads out by both is preferred.
    let leads_out = || daemon.exec(&id, &["sh", "-c", "ip route | grep default"]).1.stdout;
    assert!(leads_out().trim().ends_with(" dev eth0"), "{}", leads_out());
    change("connect");
    assert!(leads_out().trim().ends_with(" dev eth1"), "{}", leads_out());
    assert_eq!(network.endpoint(&id)["GlobalIPv6Address"], network.address("3"));
    let ping = || daemon.exec(&id, &["ping", "-6", "-c1", "-W5", &network.address("2")]).0;
    assert_eq!(ping(), 0);
    let hosts = || daemon.exec(&id, &["cat", "/etc/hosts"]).1.stdout;
    assert!(hosts().contains(&network.address("3")), "{}", hosts());
    change("disconnect");
    assert!(leads_out().trim().ends_with(" dev eth0"), "{}", leads_out());
    assert_ne!(ping(), 0);
    assert!(!hosts().contains(&network.address("3")), "{}", hosts());
    change("connect");
    assert_eq!(ping(), 0);
    daemon.remove(&id);
    daemon.remove(&peer);
}

#[test]
fn leads_out_by_the_host_s_address_and_not_into_other_networks() {
    let Some(daemon) = Daemon::ours() else { return };
    let neighbour = Elsewhere::neighbour();
    let network = Network::new(&daemon, &json!({}));
    let other = Network::new(&daemon, &json!({}));
    let sealed = Network::new(&daemon, &json!({ "Internal": true }));
    let id = network.sleeper(&json!({}));
    serve(&daemon, &id, 80);
    let there = neighbour.with(|| TcpListener::bind("[::]:8000").expect("a port"));
    std::thread::spawn(move || {
        while let Ok((mut stream, from)) = there.accept() {
            let _gone = stream.write_all(from.ip().to_string().as_bytes());
        }
    });
    let outside = format!("[{NEIGHBOUR_V6}]:8000");
    let inside = Elsewhere::of_container(&daemon.inspect(&id));
    assert_eq!(inside.with(|| seen_by(&outside, PATIENCE)), ip(HOST_V6));
    let own = format!("[{}]:80", network.address("2"));
    assert_eq!(seen_by(&own, PATIENCE), ip(&network.address("1")));

    let stranger = Elsewhere::of_container(&daemon.inspect(&other.sleeper(&json!({}))));
    assert_eq!(stranger.with(|| seen_by(&own, SILENCE)), None);
    let prisoner = Elsewhere::of_container(&daemon.inspect(&sealed.sleeper(&json!({}))));
    assert_eq!(prisoner.with(|| seen_by(&outside, SILENCE)), None);
    assert_eq!(prisoner.with(|| seen_by(&own, SILENCE)), None);
    // Somebody on the wire who knows the way.
    neighbour.with(|| run("ip", &format!("-6 route add {}:/64 via {HOST_V6}", network.beginning)));
    assert_eq!(neighbour.with(|| seen_by(&own, SILENCE)), None);
}

#[test]
fn ports_are_published_in_both_families() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let neighbour = Elsewhere::neighbour();
    let body = json!({ "Name": "six", "EnableIPv6": true });
    daemon.http().post_json("/networks/create", &body).expect(201);
    let id = daemon.launch(&json!({
        "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL",
        "ExposedPorts": { "80/tcp": {} },
        "HostConfig": {
            "NetworkMode": "six", "PortBindings": { "80/tcp": [{ "HostPort": "8080" }] },
        },
    }));
    serve(&daemon, &id, 80);
    let shown = daemon.inspect(&id)["NetworkSettings"]["Ports"]["80/tcp"].clone();
    let both = json!([
        { "HostIp": "0.0.0.0", "HostPort": "8080" }, { "HostIp": "::", "HostPort": "8080" }
    ]);
    assert_eq!(shown, both);
    assert!(TcpListener::bind("[::]:8080").is_err());
    let six = format!("[{HOST_V6}]:8080");
    let reached = |neighbour: &Elsewhere| {
        assert_eq!(neighbour.with(|| seen_by(&six, PATIENCE)), ip(NEIGHBOUR_V6));
        let four = neighbour.with(|| seen_by(&format!("{HOST}:8080"), PATIENCE));
        assert_eq!(four, ip(&format!("::ffff:{NEIGHBOUR}")));
    };
    reached(&neighbour);
    assert!(seen_by(&six, PATIENCE).is_some(), "from the host");
    filter_bridged(false);
    assert!(seen_by("[::1]:8080", PATIENCE).is_some(), "from the host by its loopback");
    let inside = Elsewhere::of_container(&daemon.inspect(&id));
    assert!(inside.with(|| seen_by(&six, PATIENCE)).is_some(), "from the container itself");

    run("nft", "flush ruleset");
    assert!(becomes(PATIENCE, || neighbour.with(|| seen_by(&six, SILENCE)) == ip(NEIGHBOUR_V6)));
    daemon.kill9();
    reached(&neighbour);
    daemon.start_again(&Options::new());
    reached(&neighbour);
    assert!(TcpListener::bind("[::]:8080").is_err());
    daemon.remove(&id);
    assert_eq!(neighbour.with(|| seen_by(&six, SILENCE)), None);
    drop(TcpListener::bind("[::]:8080").expect("the port is free"));
    daemon.stop();
    assert_eq!(run("nft", "list ruleset"), "");
}

#[test]
fn ports_of_one_address_are_published_there_alone() {
    let Some(daemon) = Daemon::ours() else { return };
    let neighbour = Elsewhere::neighbour();
    let network = Network::new(&daemon, &json!({}));
    let bound = |host: &str| {
        json!({
            "ExposedPorts": { "80/tcp": {} },
            "HostConfig": { "PortBindings": { "80/tcp": [{ "HostIp": host, "HostPort": "8081" }] } },
        })
    };
    let id = network.sleeper(&bound(HOST_V6));
    serve(&daemon, &id, 80);
    let six = format!("[{HOST_V6}]:8081");
    assert_eq!(neighbour.with(|| seen_by(&six, PATIENCE)), ip(NEIGHBOUR_V6));
    assert_eq!(neighbour.with(|| seen_by(&format!("{HOST}:8081"), SILENCE)), None);
    daemon.remove(&id);
    filter_bridged(false);
    let id = network.sleeper(&bound("::1"));
    serve(&daemon, &id, 80);
    let gateway: IpAddr = network.address("1").parse().expect("an address");
    assert_eq!(seen_by("[::1]:8081", PATIENCE), Some(gateway));
    for other in [six.as_str(), "127.0.0.1:8081"] {
        assert_eq!(seen_by(other, SILENCE), None, "{other}");
    }
    assert_eq!(neighbour.with(|| seen_by(&six, SILENCE)), None);
    daemon.remove(&id);
    // What can not be is told: a loopback whose answers would be dropped, and a container without IPv6.
    if filter_bridged(true) {
        let mut body = bound("::1");
        body["Cmd"] = json!(["true"]);
        body["HostConfig"]["NetworkMode"] = json!(network.name);
        let id = daemon.create(&body);
        let refused = daemon.http().post(&format!("/containers/{id}/start")).expect(500).message();
        assert!(refused.contains("bridge-nf-call-ip6tables"), "{refused}");
        daemon.remove(&id);
    }
    let mut body = bound(HOST_V6);
    body["Cmd"] = json!(["true"]);
    body["HostConfig"]["NetworkMode"] = json!("bridge");
    let four = daemon.create(&body);
    let refused = daemon.http().post(&format!("/containers/{four}/start")).expect(500);
    assert!(refused.message().contains("the container has no IPv6 address"), "{}", refused.text());
    daemon.remove(&four);
}

#[test]
fn subnets_are_chosen_where_nobody_asks_for_one() {
    let Some(daemon) = Daemon::ours() else { return };
    let subnets: Vec<String> = (0..2)
        .map(|_| {
            let network = Network::new(&daemon, &json!({ "IPAM": {} }));
            let seen = daemon.http().get(&format!("/networks/{}", network.name)).expect(200).json();
            let configs = seen["IPAM"]["Config"].as_array().expect("subnets").clone();
            let text = |at: usize| configs[at]["Subnet"].as_str().expect("a subnet").to_owned();
            assert!(text(0).contains('.') && text(1).starts_with("fd"), "{seen}");
            let id = network.sleeper(&json!({}));
            let gateway = network.endpoint(&id)["IPv6Gateway"].clone();
            assert_eq!(gateway, configs[1]["Gateway"]);
            assert_eq!(
                daemon.exec(&id, &["ping", "-6", "-c1", "-W5", gateway.as_str().expect("it")]).0,
                0
            );
            text(1)
        })
        .collect();
    assert_ne!(subnets[0], subnets[1]);
}

#[test]
fn the_default_bridge_has_it_when_told_so() {
    let config = json!({ "ipv6": true, "fixed-cidr-v6": "fd07:9::/64", "ip6tables": true });
    let Some(daemon) = Options::new().config(config).start() else { return };
    let seen = daemon.http().get("/networks/bridge").expect(200).json();
    assert_eq!(
        (&seen["EnableIPv6"], &seen["IPAM"]["Config"][1]["Subnet"]),
        (&json!(true), &json!("fd07:9::/64"))
    );
    let id = daemon.launch(&json!({
        "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL", "HostConfig": { "NetworkMode": "bridge" },
    }));
    // Newer versions tell it of the networks alone.
    let path = format!("/v1.45/containers/{id}/json");
    let settings = daemon.http().get(&path).expect(200).json()["NetworkSettings"].clone();
    assert_eq!(settings["GlobalIPv6Address"], "fd07:9::2");
    assert_eq!(settings["Networks"]["bridge"]["GlobalIPv6Address"], "fd07:9::2");
    assert_eq!(settings["Networks"]["bridge"]["IPv6Gateway"], "fd07:9::1");
    assert_eq!(daemon.exec(&id, &["ping", "-6", "-c1", "-W5", "fd07:9::1"]).0, 0);
    daemon.remove(&id);
}
