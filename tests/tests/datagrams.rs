//! Published UDP ports, with real traffic: from other hosts, from the host itself, from containers, and from senders
//! that never stop.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use harness::Daemon;
use harness::elsewhere::{Elsewhere, HOST, NEIGHBOUR};
use serde_json::{Value, json};

/// How long an answer that must come may take, and one that must not come is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_millis(300);
/// How often a question is asked, as programs do where datagrams get lost.
const ATTEMPTS: usize = 10;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A container whose port 53 is published on `host_port`.
fn published(host_port: u16) -> Value {
    json!({
        "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL",
        "ExposedPorts": { "53/udp": {} },
        "HostConfig": {
            "NetworkMode": "bridge",
            "PortBindings": { "53/udp": [{ "HostPort": host_port.to_string() }] },
        },
    })
}

/// Answers every datagram on port 53 of a container with `word`, the address that it came from, and what it said, until
/// nobody has asked for long.
fn serve(daemon: &Daemon, id: &str, word: &'static str) {
    let inside = Elsewhere::of_container(&daemon.inspect(id));
    let socket = inside.with(|| UdpSocket::bind("0.0.0.0:53").expect("port 53"));
    socket.set_read_timeout(Some(2 * PATIENCE)).expect("a timeout");
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let asked = String::from_utf8_lossy(&buffer[..length]);
            let answer = format!("{word} {from} {asked}");
            let _sender_is_gone = socket.send_to(answer.as_bytes(), from);
        }
    });
}

/// What is answered, if anything: who, and whom they saw.
fn ask(socket: &UdpSocket, to: &str, patience: Duration) -> Option<(String, SocketAddr)> {
    socket.set_read_timeout(Some(SILENCE.min(patience))).expect("a timeout");
    let mut buffer = [0; 64];
    let attempts = if patience == SILENCE { 1 } else { ATTEMPTS };
    // Late answers to earlier questions are none to this one.
    let question = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
    for _ in 0..attempts {
        let _nobody_listens = socket.send_to(question.as_bytes(), to);
        while let Ok((length, _)) = socket.recv_from(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let words: Vec<&str> = text.split(' ').collect();
            if words[2] == question {
                return Some((words[0].to_owned(), words[1].parse().expect("an address")));
            }
        }
    }
    None
}

fn address(daemon: &Daemon, id: &str) -> IpAddr {
    let endpoint = daemon.inspect(id)["NetworkSettings"]["Networks"]["bridge"].clone();
    endpoint["IPAddress"].as_str().expect("an address").parse().expect("an address")
}

#[test]
fn reach_a_container_from_everywhere() {
    let Some(daemon) = Daemon::ours() else { return };
    let id = daemon.launch(&published(5300));
    serve(&daemon, &id, "first");
    let neighbour = Elsewhere::neighbour();
    let there = neighbour.with(|| UdpSocket::bind("0.0.0.0:0").expect("a socket"));
    let (word, from) = ask(&there, &format!("{HOST}:5300"), PATIENCE).expect("an answer");
    // The sender's own address and port.
    let own =
        SocketAddr::new(NEIGHBOUR.parse().expect("it"), there.local_addr().expect("it").port());
    assert_eq!((word.as_str(), from), ("first", own));

    for to in ["127.0.0.1:5300", &format!("{HOST}:5300")] {
        let here = UdpSocket::bind("0.0.0.0:0").expect("a socket");
        assert_eq!(ask(&here, to, PATIENCE).expect(to).0, "first");
    }
    // Another container, and the container itself, by the host's address.
    let other = daemon.launch(&json!({
        "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL", "HostConfig": { "NetworkMode": "bridge" },
    }));
    for id in [&other, &id] {
        let inside = Elsewhere::of_container(&daemon.inspect(id));
        let socket = inside.with(|| UdpSocket::bind("0.0.0.0:0").expect("a socket"));
        assert_eq!(ask(&socket, &format!("{HOST}:5300"), PATIENCE).expect("hairpin").0, "first");
    }
    daemon.remove(&other);
    daemon.remove(&id);
}

#[test]
fn a_sender_that_never_stops_reaches_who_has_the_port_now() {
    let Some(daemon) = Daemon::ours() else { return };
    let neighbour = Elsewhere::neighbour();
    let there = neighbour.with(|| UdpSocket::bind("0.0.0.0:0").expect("a socket"));
    let here = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    let (from_there, from_here) = (format!("{HOST}:5301"), "127.0.0.1:5301".to_owned());
    // Before there is anybody: the kernel remembers that these flows lead nowhere.
    for (socket, to) in [(&there, &from_there), (&here, &from_here)] {
        assert_eq!(ask(socket, to, SILENCE), None);
    }
    let mut addresses = Vec::new();
    for word in ["first", "second"] {
        let id = daemon.launch(&published(5301));
        serve(&daemon, &id, word);
        addresses.push(address(&daemon, &id));
        for (socket, to) in [(&there, &from_there), (&here, &from_here)] {
            assert_eq!(ask(socket, to, PATIENCE).expect(word).0, word, "{to}");
        }
        daemon.remove(&id);
        for (socket, to) in [(&there, &from_there), (&here, &from_here)] {
            assert_eq!(ask(socket, to, SILENCE), None, "{to}");
        }
        // Takes the address, so that the next one gets another.
        daemon.launch(&json!({
            "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL",
            "HostConfig": { "NetworkMode": "bridge" },
        }));
    }
    assert_ne!(addresses[0], addresses[1]);
}
