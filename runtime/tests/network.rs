//! The network room against the real kernel. Each test lives in a network namespace of its own,
//! which plays the host, so nothing of the machine's own network is touched. Root is needed.
//!
//! `ip` and `nft` are used to look from the outside and to play a neighbour.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};
use runtime::network::{
    self, BridgeConfig, Endpoint, EndpointV6, NetworkError, Protocol, Publication, RuleChanges,
    RuleSet, attach, create_netns, detach, ensure_bridge, publish, remove_bridge, reserve,
    restore_published, unpublish, verify_published, verify_rules,
};

const PORT: u16 = 7000;
/// How long a packet that must not arrive is waited for: a lost one is sent again after a second.
const SILENCE: Duration = Duration::from_millis(1500);
/// How long one that must arrive may take.
const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn containers_and_host_reach_each_other() {
    let Some(()) = own_host() else { return };
    ensure_bridge(&bridge("tbr0", 30)).unwrap();
    let first = Container::new("tbr0", 30, 2);
    let second = Container::new("tbr0", 30, 3);

    second.serve();
    assert_eq!(first.talk_to(second.address).unwrap(), first.address);
    second.serve();
    assert_eq!(talk(second.address).unwrap(), Ipv4Addr::new(172, 30, 0, 1));
    first.serve();
    assert_eq!(first.talk_to(Ipv4Addr::LOCALHOST).unwrap(), Ipv4Addr::LOCALHOST);
}

#[test]
fn a_container_has_what_its_endpoint_says() {
    let Some(()) = own_host() else { return };
    ensure_bridge(&bridge("tbr0", 30)).unwrap();
    let container = Container::new("tbr0", 30, 2);
    let seen = container.inside(|| ip("-4 addr show dev eth0") + &ip("link show dev eth0"));
    for part in ["172.30.0.2/16 brd 172.30.255.255", "mtu 1400", "02:42:ac:1e:00:02", "state UP"] {
        assert!(seen.contains(part), "{part} in {seen}");
    }
    let routes = container.inside(|| ip("route"));
    assert!(routes.contains("default via 172.30.0.1 dev eth0"), "{routes}");
    let six = container.inside(|| ip("-6 addr show dev eth0"));
    assert_eq!(six, "", "no IPv6 where the network has none");
    let lo = container.inside(|| ip("addr show dev lo"));
    assert!(lo.contains("127.0.0.1/8") && lo.contains("LOWER_UP"), "{lo}");
}

#[test]
fn packets_to_the_outside_carry_the_hosts_address() {
    let Some(()) = own_host() else { return };
    ensure_bridge(&bridge("tbr0", 30)).unwrap();
    let container = Container::new("tbr0", 30, 2);
    let outside = outside();
    let server = inside(&outside, || TcpListener::bind(("203.0.113.2", PORT)).unwrap());
    let answering = std::thread::spawn(move || answer(&server));
    let seen = container.talk_to(Ipv4Addr::new(203, 0, 113, 2)).unwrap();
    assert_eq!(seen, Ipv4Addr::new(203, 0, 113, 1));
    answering.join().unwrap();
}

#[test]
fn nobody_from_outside_reaches_a_container_unasked() {
    let Some(()) = own_host() else { return };
    ensure_bridge(&bridge("tbr0", 30)).unwrap();
    let container = Container::new("tbr0", 30, 2);
    container.serve();
    let outside = outside();
    let tried = inside(&outside, || {
        ip("route add 172.30.0.0/16 via 203.0.113.1");
        talk(Ipv4Addr::new(172, 30, 0, 2))
    });
    assert_eq!(tried.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(talk(container.address).is_ok());
}

#[test]
fn bridges_are_apart() {
    let Some(()) = own_host() else { return };
    ensure_bridge(&bridge("tbr0", 30)).unwrap();
    ensure_bridge(&bridge("tbr1", 31)).unwrap();
    let here = Container::new("tbr0", 30, 2);
    let there = Container::new("tbr1", 31, 2);
    there.serve();
    assert_eq!(here.talk_to(there.address).unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(talk(there.address).is_ok());

    let rules = RuleSet::now().unwrap();
    remove_bridge("tbr1").unwrap();
    assert!(verify_rules(&[bridge("tbr0", 30)], &rules).unwrap());
    assert!(!verify_rules(&[bridge("tbr1", 31)], &rules).unwrap());
}

#[test]
fn the_table_is_there_once_and_goes_with_the_last_bridge() {
    let Some(()) = own_host() else { return };
    let config = bridge("tbr0", 30);
    for _ in 0..3 {
        ensure_bridge(&config).unwrap();
    }
    let rules = RuleSet::now().unwrap();
    assert!(verify_rules(std::slice::from_ref(&config), &rules).unwrap());
    assert_eq!(nft("list tables").trim(), "table ip jocker");
    let listed = nft("list table ip jocker");
    assert_eq!(listed.matches("masquerade\n").count(), 4, "{listed}");
    assert_eq!(listed.matches("\"tbr0\"").count(), 6, "{listed}");

    remove_bridge("tbr0").unwrap();
    assert_eq!(nft("list tables"), "");
    assert!(!ip("link").contains("tbr0"));
    remove_bridge("tbr0").unwrap();
}

#[test]
fn a_flush_is_noticed_and_repaired() {
    let Some(()) = own_host() else { return };
    let config = bridge("tbr0", 30);
    ensure_bridge(&config).unwrap();
    let rules = RuleSet::now().unwrap();
    let changes = RuleChanges::listen().unwrap();
    nft("flush ruleset");
    changes.wait().unwrap();
    assert!(!verify_rules(std::slice::from_ref(&config), &rules).unwrap());
    ensure_bridge(&config).unwrap();
    assert!(verify_rules(std::slice::from_ref(&config), &rules).unwrap());

    // As many rules as before, of which one is another.
    nft("flush chain ip jocker guard");
    nft("add rule ip jocker guard iifname \"nothing\" drop");
    assert!(!verify_rules(std::slice::from_ref(&config), &rules).unwrap());
    ensure_bridge(&config).unwrap();
    assert!(verify_rules(std::slice::from_ref(&config), &rules).unwrap());

    nft("flush chain ip jocker forward");
    assert!(!verify_rules(std::slice::from_ref(&config), &rules).unwrap());
    ensure_bridge(&config).unwrap();
    nft("delete element ip jocker hidden { \"tbr0\" }");
    assert!(!verify_rules(std::slice::from_ref(&config), &rules).unwrap());

    let routed = BridgeConfig { masquerade: false, ..config.clone() };
    ensure_bridge(&routed).unwrap();
    assert!(verify_rules(std::slice::from_ref(&routed), &rules).unwrap());
    assert!(!verify_rules(std::slice::from_ref(&config), &rules).unwrap());
}

#[test]
fn the_administrator_s_rules_come_first_and_stay() {
    let Some(()) = own_host() else { return };
    let config = bridge("tbr0", 30);
    ensure_bridge(&config).unwrap();
    let rules = RuleSet::now().unwrap();
    let container = Container::new("tbr0", 30, 2);
    let outside = outside();
    let server = inside(&outside, || TcpListener::bind(("203.0.113.2", PORT)).unwrap());
    let _answering = std::thread::spawn(move || while answer_once(&server) {});
    let there = Ipv4Addr::new(203, 0, 113, 2);
    assert!(container.talk_to(there).is_ok());
    nft("add rule ip jocker admin ip daddr 203.0.113.2 drop");
    assert!(verify_rules(std::slice::from_ref(&config), &rules).unwrap());
    assert_eq!(container.talk_to(there).unwrap_err().kind(), io::ErrorKind::TimedOut);
    ensure_bridge(&config).unwrap();
    assert!(nft("list chain ip jocker admin").contains("203.0.113.2"));
    assert_eq!(container.talk_to(there).unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[test]
fn a_bridge_is_repaired() {
    let Some(()) = own_host() else { return };
    ensure_bridge(&bridge("tbr0", 30)).unwrap();
    ip("link set tbr0 down mtu 1280 type bridge stp_state 1");
    ip("addr add 10.9.9.9/24 dev tbr0");
    ip("addr del 172.30.0.1/16 dev tbr0");
    ensure_bridge(&bridge("tbr0", 30)).unwrap();
    let seen = ip("-d addr show dev tbr0");
    for part in ["inet 172.30.0.1/16", "mtu 1400", "stp_state 0", ",UP", "02:42:ac:1e:00:01"] {
        assert!(seen.contains(part), "{part} in {seen}");
    }
    assert!(!seen.contains("10.9.9.9"), "{seen}");
    let known = network::bridge_address("tbr0").unwrap();
    assert_eq!(known, Some((Ipv4Addr::new(172, 30, 0, 1), 16)));

    ip("link add tbr1 type veth peer name tbr2");
    let refused = ensure_bridge(&bridge("tbr1", 31));
    assert!(matches!(refused, Err(NetworkError::NotABridge { .. })), "{refused:?}");
}

#[test]
fn the_hosts_routes_are_seen() {
    let Some(()) = own_host() else { return };
    let outside = outside();
    ip("route add default via 203.0.113.2");
    ip("route add 172.17.0.0/16 via 203.0.113.2");
    ip("route add 172.18.1.1/32 via 203.0.113.2 table 100");
    let subnets = [([172, 17, 0, 0], 16), ([172, 18, 1, 1], 32), ([203, 0, 113, 0], 24)];
    let expected = subnets.map(|(address, prefix)| (Ipv4Addr::from(address), prefix));
    let routes = network::host_routes().unwrap();
    assert_eq!(routes, expected);
    let picked = network::ipam::Pool::default().pick(&routes).unwrap();
    assert_eq!(picked.to_string(), "172.19.0.0/16");
    drop(outside);
}

#[test]
fn a_failing_attach_leaves_nothing() {
    let Some(()) = own_host() else { return };
    ensure_bridge(&bridge("tbr0", 30)).unwrap();
    let before = (links(), open_files());
    let netns = create_netns().unwrap();
    let good = endpoint(30, 2);
    let six = |address: &str, gateway: &str| {
        let (address, gateway) = (address.parse().unwrap(), gateway.parse().ok());
        Some(EndpointV6 { address, prefix: 64, gateway })
    };
    let elsewhere = Some(Ipv4Addr::new(10, 1, 1, 1));
    // The kernel refuses one step after the other.
    for (step, endpoint) in [
        ("create veth vt30-2", Endpoint { mac: [1; 6], ..good.clone() }),
        ("create veth vt30-2", Endpoint { mtu: 1, ..good.clone() }),
        ("create veth vt30-2", Endpoint { interface: "lo".into(), ..good.clone() }),
        ("add address 172.30.0.2/33", Endpoint { prefix: 33, ..good.clone() }),
        ("add default route via 10.1.1.1", Endpoint { gateway: elsewhere, ..good.clone() }),
        ("add address ff02::2/64", Endpoint { v6: six("ff02::2", "fd00::1"), ..good.clone() }),
        (
            "add default route via 2001:db8::1",
            Endpoint { v6: six("fd00::2", "2001:db8::1"), ..good.clone() },
        ),
    ] {
        let error = attach("tbr0", netns.as_fd(), &endpoint).unwrap_err();
        assert!(error.to_string().contains(step) && error.errno().is_some(), "{step}: {error}");
        assert_eq!((links(), open_files()), (before.0, before.1 + 1), "{step}");
        assert_eq!(inside(&netns, links), 1, "{step}");
    }
    let error = attach("tbr9", netns.as_fd(), &good).unwrap_err();
    assert!(matches!(error, NetworkError::NoBridge { .. }), "{error}");
    let long = Endpoint { interface: "sixteen-letters!".into(), ..good.clone() };
    let error = attach("tbr0", netns.as_fd(), &long).unwrap_err();
    assert!(matches!(error, NetworkError::InterfaceName { .. }), "{error}");

    attach("tbr0", netns.as_fd(), &good).unwrap();
    let error = attach("tbr0", netns.as_fd(), &good).unwrap_err();
    assert_eq!(error.errno(), Some(libc::EEXIST), "{error}");
    detach(&good.host_name).unwrap();
    detach(&good.host_name).unwrap();
    drop(netns);
    assert_eq!((links(), open_files()), before);
}

#[test]
fn many_starts_leave_nothing() {
    let Some(()) = own_host() else { return };
    ensure_bridge(&bridge("tbr0", 30)).unwrap();
    let before = (links(), open_files());
    for last in 2..34 {
        let container = Container::new("tbr0", 30, last);
        if last % 2 == 0 {
            detach(&container.host_name).unwrap();
        }
    }
    let deadline = Instant::now() + PATIENCE;
    while (links(), open_files()) != before {
        assert!(Instant::now() < deadline, "left behind: {}", ip("-o link"));
        std::thread::sleep(Duration::from_millis(50));
    }
}

const HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);

fn publication(host: Ipv4Addr, host_port: u16, container: &Container) -> Publication {
    let (protocol, address) = (Protocol::Tcp, container.address.into());
    Publication { protocol, host: host.into(), host_port, address, port: PORT }
}

#[test]
fn a_published_port_is_reached_from_everywhere() {
    let Some(()) = own_host() else { return };
    ensure_bridge(&bridge("tbr0", 30)).unwrap();
    ensure_bridge(&bridge("tbr1", 31)).unwrap();
    let container = Container::new("tbr0", 30, 2);
    let beside = Container::new("tbr0", 30, 3);
    let elsewhere = Container::new("tbr1", 31, 2);
    let outside = outside();
    publish(&[publication(Ipv4Addr::UNSPECIFIED, 8080, &container)]).unwrap();
    let gateway = Ipv4Addr::new(172, 30, 0, 1);
    let to = |address| move || talk_at(address, 8080);

    container.serve();
    assert_eq!(to(Ipv4Addr::LOCALHOST)().unwrap(), gateway);
    container.serve();
    assert_eq!(to(HOST)().unwrap(), HOST);
    container.serve();
    assert_eq!(inside(&outside, to(HOST)).unwrap(), NEIGHBOUR);
    container.serve();
    // Where br_netfilter is loaded, the answer can be bridged and is translated all the same.
    assert!([gateway, beside.address].contains(&beside.inside(to(gateway)).unwrap()));
    container.serve();
    assert!([gateway, beside.address].contains(&beside.inside(to(HOST)).unwrap()));
    container.serve();
    network::let_hairpin(&container.host_name).unwrap();
    assert_eq!(container.inside(to(HOST)).unwrap(), gateway);
    container.serve();
    assert_eq!(elsewhere.inside(to(HOST)).unwrap(), elsewhere.address);

    unpublish(&[publication(Ipv4Addr::UNSPECIFIED, 8080, &container)]).unwrap();
    assert_eq!(to(HOST)().unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_port_of_one_address_is_nowhere_else() {
    let Some(()) = own_host() else { return };
    ensure_bridge(&bridge("tbr0", 30)).unwrap();
    let container = Container::new("tbr0", 30, 2);
    let outside = outside();
    let ports =
        [publication(Ipv4Addr::LOCALHOST, 8081, &container), publication(HOST, 8082, &container)];
    publish(&ports).unwrap();
    container.serve();
    talk_at(Ipv4Addr::LOCALHOST, 8081).unwrap();
    container.serve();
    inside(&outside, || talk_at(HOST, 8082)).unwrap();
    assert!(talk_at(Ipv4Addr::LOCALHOST, 8082).is_err());
    assert!(talk_at(HOST, 8081).is_err());

    // A neighbour that sends to 127.0.0.1 by way of the host, and a container that does.
    for netns in [&outside, &container.netns] {
        let to_loopback = inside(netns, || {
            ip("link set lo down");
            std::fs::write("/proc/sys/net/ipv4/conf/all/route_localnet", "1").unwrap();
            let via = if ip("link").contains("up1") { HOST } else { Ipv4Addr::new(172, 30, 0, 1) };
            ip(&format!("route add 127.0.0.0/8 via {via}"));
            talk_at(Ipv4Addr::LOCALHOST, 8081)
        });
        assert_eq!(to_loopback.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}

#[test]
fn published_ports_are_restored_and_the_stale_go() {
    let Some(()) = own_host() else { return };
    let (config, other) = (bridge("tbr0", 30), bridge("tbr1", 31));
    ensure_bridge(&config).unwrap();
    ensure_bridge(&other).unwrap();
    let (here, there) = (Container::new("tbr0", 30, 2), Container::new("tbr1", 31, 2));
    let many: Vec<_> =
        (0..500).map(|port| publication(Ipv4Addr::UNSPECIFIED, 20000 + port, &here)).collect();
    let foreign = publication(HOST, 8080, &there);
    publish(&many).unwrap();
    publish(&many).unwrap();
    publish(&[foreign]).unwrap();
    let elsewhere = Publication { address: there.address.into(), ..many[7] };
    assert_eq!(publish(&[elsewhere]).unwrap_err().errno(), Some(libc::EEXIST));
    assert!(verify_published(&many).unwrap());

    nft("flush map ip jocker published_any");
    assert!(!verify_published(&many).unwrap());
    restore_published(std::slice::from_ref(&config), &many[1..]).unwrap();
    assert!(verify_published(&many[1..]).unwrap() && !verify_published(&many).unwrap());
    restore_published(std::slice::from_ref(&config), &many[..1]).unwrap();
    assert!(verify_published(&[many[0], foreign]).unwrap());
    assert!(!verify_published(&many[1..2]).unwrap());

    ip("link del tbr1");
    restore_published(std::slice::from_ref(&config), &[]).unwrap();
    let listed = nft("list table ip jocker");
    assert!(!listed.contains("tbr1") && !listed.contains("172.3"), "{listed}");
    nft("flush ruleset");
    unpublish(&many).unwrap();
    assert_eq!(publish(&many).unwrap_err().errno(), Some(libc::ENOENT));
}

#[test]
fn a_reserved_port_is_nobody_else_s() {
    let Some(()) = own_host() else { return };
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let held = reserve(protocol, Ipv4Addr::UNSPECIFIED.into(), 8080).unwrap();
        for host in [Ipv4Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST] {
            let error = reserve(protocol, host.into(), 8080).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EADDRINUSE));
        }
        // The standard library binds with SO_REUSEADDR.
        assert!(TcpListener::bind("0.0.0.0:8080").is_err() == (protocol == Protocol::Tcp));
        drop(held);
        drop(reserve(protocol, Ipv4Addr::LOCALHOST.into(), 8080).unwrap());
    }
    let error = reserve(Protocol::Tcp, NEIGHBOUR.into(), 80).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL));

    // Connections that wait for their end are no obstacle.
    let server = TcpListener::bind("127.0.0.1:8081").unwrap();
    let client = TcpStream::connect("127.0.0.1:8081").unwrap();
    let (served, _) = server.accept().unwrap();
    drop((served, server));
    drop(client);
    let held = reserve(Protocol::Tcp, Ipv4Addr::UNSPECIFIED.into(), 8081).unwrap();
    let refused = TcpStream::connect("127.0.0.1:8081").unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    drop(held);
}

/// Prints what each step costs: `cargo nextest run --run-ignored all --no-capture costs`.
#[test]
#[ignore = "a measurement, not a check"]
fn costs() {
    let Some(()) = own_host() else { return };
    let config = bridge("tbr0", 30);
    let mut steps: Vec<(&str, Vec<u128>)> = Vec::new();
    let mut kept = Vec::new();
    let mut timed = |name: &'static str, work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        let micros = start.elapsed().as_micros();
        match steps.iter_mut().find(|step| step.0 == name) {
            Some(step) => step.1.push(micros),
            None => steps.push((name, vec![micros])),
        }
    };
    for last in 2..102 {
        let endpoint = endpoint(30, last);
        let mut netns = None;
        timed("ensure_bridge", &mut || ensure_bridge(&config).unwrap());
        timed("create_netns", &mut || netns = Some(create_netns().unwrap()));
        let netns = netns.unwrap();
        timed("attach", &mut || attach("tbr0", netns.as_fd(), &endpoint).unwrap());
        if last % 2 == 0 {
            timed("detach", &mut || detach(&endpoint.host_name).unwrap());
        }
        kept.push(netns);
    }
    timed("drop 100 netns", &mut || kept.clear());
    for (name, mut micros) in steps {
        micros.sort_unstable();
        let (least, median) = (micros[0], micros[micros.len() / 2]);
        println!("{name}: {least} / {median} us (least / median of {})", micros.len());
    }
}

fn bridge(name: &str, second: u8) -> BridgeConfig {
    let gateway = Ipv4Addr::new(172, second, 0, 1);
    BridgeConfig {
        name: name.into(),
        gateway,
        prefix: 16,
        mtu: 1400,
        masquerade: true,
        icc: true,
        internal: false,
        v6: None,
    }
}

fn endpoint(second: u8, last: u8) -> Endpoint {
    let address = Ipv4Addr::new(172, second, 0, last);
    Endpoint {
        host_name: format!("vt{second}-{last}"),
        mac: network::mac_for(address),
        address,
        prefix: 16,
        gateway: Some(Ipv4Addr::new(172, second, 0, 1)),
        interface: "eth0".into(),
        mtu: 1400,
        v6: None,
        link_local: Vec::new(),
    }
}

struct Container {
    netns: OwnedFd,
    address: Ipv4Addr,
    host_name: String,
}

impl Container {
    fn new(bridge: &str, second: u8, last: u8) -> Self {
        let netns = create_netns().unwrap();
        let endpoint = endpoint(second, last);
        attach(bridge, netns.as_fd(), &endpoint).unwrap();
        Self { netns, address: endpoint.address, host_name: endpoint.host_name }
    }

    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        inside(&self.netns, work)
    }

    /// Answers one connection in the background.
    fn serve(&self) {
        let server = self.inside(|| TcpListener::bind(("0.0.0.0", PORT)).unwrap());
        std::thread::spawn(move || {
            let accepted = server.accept();
            // Before the answer, since whoever has it may serve again.
            drop(server);
            assert!(reply(accepted));
        });
    }

    fn talk_to(&self, address: Ipv4Addr) -> io::Result<Ipv4Addr> {
        self.inside(|| talk(address))
    }
}

/// Runs `work` on a thread in the network namespace.
fn inside<T: Send>(netns: &OwnedFd, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            setns(netns, CloneFlags::CLONE_NEWNET).unwrap();
            work()
        });
        thread.join().unwrap()
    })
}

/// Connects, and returns the address that the other side says it saw.
fn talk(address: Ipv4Addr) -> io::Result<Ipv4Addr> {
    talk_at(address, PORT)
}

fn talk_at(address: Ipv4Addr, port: u16) -> io::Result<Ipv4Addr> {
    let target = SocketAddr::from((address, port));
    let mut stream = TcpStream::connect_timeout(&target, SILENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut seen = [0; 4];
    stream.read_exact(&mut seen)?;
    Ok(seen.into())
}

fn answer(server: &TcpListener) {
    assert!(answer_once(server));
}

/// Whether somebody came and could be answered.
fn answer_once(server: &TcpListener) -> bool {
    reply(server.accept())
}

fn reply(accepted: io::Result<(TcpStream, SocketAddr)>) -> bool {
    let Ok((mut stream, SocketAddr::V4(peer))) = accepted else { return false };
    stream.write_all(&peer.ip().octets()).is_ok()
}

/// A namespace that plays the world beyond the host, at 203.0.113.2; the host is 203.0.113.1.
fn outside() -> OwnedFd {
    let netns = create_netns().unwrap();
    let path = format!("/proc/{}/fd/{}", std::process::id(), netns.as_raw_fd());
    ip("link add up0 type veth peer name up1");
    ip(&format!("link set up1 netns {path}"));
    ip("addr add 203.0.113.1/24 dev up0");
    ip("link set up0 up");
    inside(&netns, || {
        ip("addr add 203.0.113.2/24 dev up1");
        ip("link set up1 up");
    });
    netns
}

/// Moves this thread to a network namespace of its own, which is the host of the test; `None`
/// without root.
fn own_host() -> Option<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: root is needed");
        return None;
    }
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    ip("link set lo up");
    Some(())
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn links() -> usize {
    ip("-o link").lines().count()
}

fn ip(arguments: &str) -> String {
    run("ip", arguments)
}

fn nft(arguments: &str) -> String {
    run("nft", arguments)
}

fn run(program: &str, arguments: &str) -> String {
    let output = Command::new(program).args(arguments.split(' ')).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}
