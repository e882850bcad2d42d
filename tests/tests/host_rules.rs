//! The host's own firewall and the daemon's rules beside each other: neither touches the other's, and nothing of the
//! daemon's is left when nobody needs it.

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::Daemon;
use harness::audit::Audit;
use harness::daemon::Options;
use harness::elsewhere::{Elsewhere, HOST, run};
use harness::patience::becomes;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(10);
/// How long a packet that must not arrive is waited for.
const SILENCE: Duration = Duration::from_millis(700);

/// A container that answers "hello" on port 80, published on `port`.
fn server(port: u16) -> Value {
    json!({
        "Cmd": ["sh", "-c", "while true; do echo hello | nc -l -p 80; done"],
        "StopSignal": "SIGKILL",
        "ExposedPorts": { "80/tcp": {} },
        "HostConfig": {
            "NetworkMode": "bridge",
            "PortBindings": { "80/tcp": [{ "HostPort": port.to_string() }] },
        },
    })
}

fn says_hello(address: &str, patience: Duration) -> bool {
    let address: SocketAddr = address.parse().expect("an address");
    let Ok(mut stream) = TcpStream::connect_timeout(&address, patience) else { return false };
    let mut said = String::new();
    let _closed = stream.shutdown(std::net::Shutdown::Write);
    let _read = stream.read_to_string(&mut said);
    said == "hello\n"
}

/// The rule sets of the host: of nft, and as iptables tells its own.
fn rules() -> String {
    run("nft", "-s list ruleset") + &saved()
}

/// What `iptables-save` says, without its comments, which have times, and its counters.
fn saved() -> String {
    let text = run("iptables-nft-save", "");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| format!("{}\n", line.split(" [").next().unwrap_or(line))).collect()
}

/// The same without the daemon's table.
fn rules_of_others() -> String {
    let text = rules();
    let mut kept = String::new();
    let mut ours = false;
    for line in text.lines() {
        ours |= line.starts_with("table ip jocker") || line.starts_with("table ip6 jocker");
        if !ours {
            kept.push_str(line);
            kept.push('\n');
        }
        ours &= line != "}";
    }
    kept
}

/// Gives a program something to read; it must end with 0.
#[track_caller]
fn feed(program: &str, words: &[&str], text: &str) {
    let mut child = Command::new(program).args(words).stdin(Stdio::piped()).spawn().expect(program);
    std::io::Write::write_all(&mut child.stdin.take().expect("stdin"), text.as_bytes())
        .expect("fed");
    assert!(child.wait().expect("its end").success(), "{program}");
}

/// An iptables firewall, and the rules that a dockerd has with one container and one published port.
const OF_IPTABLES: &str = "\
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.29.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 172.29.0.2/32 -d 172.29.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8099 -j DNAT --to-destination 172.29.0.2:80
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A INPUT -p tcp -m tcp --dport 23 -j DROP
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER -d 172.29.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
";

/// A firewall of nft that forwards nothing it does not know.
const OF_NFT: &str = "\
table inet host {
    set friends { type ifname; }
    chain input { type filter hook input priority filter; policy accept; tcp dport 23 drop; }
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        iifname @friends accept
        oifname @friends accept
    }
}
";

/// Runs a container and everything that a network has; what the others' rules are meanwhile must be what they were.
/// `let_through` tells the host's firewall of the bridge: before, it drops what comes for containers.
fn beside(before: &str, let_through: &dyn Fn(&str)) {
    let Some(mut daemon) = Options::new().arg("--bridge").arg("tjocker0").start() else { return };
    assert_eq!(rules_of_others(), before);
    let neighbour = Elsewhere::neighbour();
    let id = daemon.launch(&server(8085));
    assert!(becomes(PATIENCE, || says_hello("127.0.0.1:8085", PATIENCE)));
    let from_there = || says_hello(&format!("{HOST}:8085"), SILENCE);
    assert!(!neighbour.with(from_there), "the host's firewall drops it");
    assert_eq!(rules_of_others(), before);
    let_through("tjocker0");
    let with_friend = rules_of_others();
    assert!(becomes(PATIENCE, || neighbour.with(from_there)));
    let (code, output) = daemon.exec(&id, &["ping", "-c1", "-W5", harness::elsewhere::NEIGHBOUR]);
    assert_eq!(code, 0, "{output:?}");
    daemon.http().post_json("/networks/create", &json!({ "Name": "other" })).expect(201);
    let body = json!({ "Container": id });
    daemon.http().post_json("/networks/other/connect", &body).expect(200);
    assert_eq!(rules_of_others(), with_friend);
    daemon.remove(&id);
    daemon.stop();
    assert_eq!(rules(), with_friend, "and nothing of the daemon's");
}

#[test]
fn are_apart_from_a_firewall_of_nft() {
    if harness::isolation::other_daemon().is_some() {
        return;
    }
    harness::isolation::isolate();
    feed("nft", &["-f", "-"], OF_NFT);
    let before = rules();
    assert!(before.contains("table inet host"), "{before}");
    beside(&before, &|bridge| {
        run("nft", &format!("add element inet host friends {{ {bridge} }}"));
    });
}

#[test]
fn are_apart_from_a_firewall_of_iptables_and_from_dockerd_s_rules() {
    if harness::isolation::other_daemon().is_some() {
        return;
    }
    harness::isolation::isolate();
    feed("iptables-nft-restore", &[], OF_IPTABLES);
    let before = rules();
    assert!(before.contains("DOCKER-ISOLATION-STAGE-1") && before.contains(":FORWARD DROP"));
    beside(&before, &|bridge| {
        for direction in ["-i", "-o"] {
            run("iptables-nft", &format!("-I DOCKER-USER {direction} {bridge} -j ACCEPT"));
        }
    });
}

#[test]
fn are_gone_with_bridges_and_all_when_nobody_needs_them() {
    let Some(mut daemon) = Daemon::ours() else { return };
    daemon.http().post_json("/networks/create", &json!({ "Name": "other" })).expect(201);
    let id = daemon.launch(&server(8086));
    let links = || Audit::links();
    daemon.stop();
    // The container goes on, and so does what it needs.
    assert!(links().iter().any(|link| link == "jocker0"), "{:?}", links());
    assert!(!links().iter().any(|link| link.starts_with("br-")), "{:?}", links());
    assert!(becomes(PATIENCE, || says_hello("127.0.0.1:8086", PATIENCE)));
    daemon.start_again(&Options::new());
    assert!(links().iter().any(|link| link.starts_with("br-")), "{:?}", links());
    daemon.remove(&id);
    daemon.stop();
    assert_eq!(
        (links().into_iter().collect::<Vec<_>>(), rules()),
        (vec!["lo".to_owned()], String::new())
    );
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mount table");
    assert!(!mounts.contains(&daemon.exec_root().display().to_string()), "{mounts}");
    daemon.start_again(&Options::new());
    let id = daemon.launch(&server(8086));
    assert!(becomes(PATIENCE, || says_hello("127.0.0.1:8086", PATIENCE)));
    daemon.remove(&id);
}

#[test]
fn of_the_administrator_stay() {
    let Some(mut daemon) = Daemon::ours() else { return };
    run("nft", "add rule ip jocker admin tcp dport 23 drop");
    let chain = || run("nft", "-s list chain ip jocker admin");
    let before = chain();
    daemon.stop();
    assert_eq!(Audit::links().into_iter().collect::<Vec<_>>(), ["lo"]);
    assert_eq!(chain(), before);
    daemon.start_again(&Options::new());
    assert_eq!(chain(), before);
    let id = daemon.launch(&server(8087));
    assert!(becomes(PATIENCE, || says_hello("127.0.0.1:8087", PATIENCE)));
    daemon.remove(&id);
    run("nft", "flush chain ip jocker admin");
    daemon.stop();
    assert_eq!(rules(), "");
}
