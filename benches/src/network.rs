//! Networks: what they add to a start, how fast they carry bytes and answer for names, how long they take to make.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Value, json};

use crate::containers::in_turns;
use crate::peer::{IMAGE, Peer};
use crate::table::Table;

const NETWORK: &str = "jocker-bench";
/// How long one sample of a rate lasts.
const SAMPLE: Duration = Duration::from_secs(1);
/// Samples of rates.
const SAMPLES: usize = 5;
/// Starts whose processor time is one sample: it is counted in hundredths of a second.
const STARTS: usize = 10;
/// Containers on one network.
const CONTAINERS: usize = 200;
/// Ports of one container; as many are asked of the first daemon alone, since dockerd takes minutes for them.
const PORTS: u16 = 100;
const MANY_PORTS: u16 = 1000;
/// Questions that wait for their answers at a time.
const QUESTIONS: u16 = 16;
const BLOCK: usize = 128 * 1024;

pub(crate) fn measure(peers: &[Peer], rounds: usize, table: &mut Table) -> Result<()> {
    let samples = in_turns(peers, rounds, |peer| {
        let begin = Instant::now();
        create(peer, "jocker-bench-made");
        delete(peer, "jocker-bench-made");
        begin.elapsed().as_secs_f64() * 1000.0
    });
    table.cost("network: create and remove", "ms", samples);
    for network in ["none", "bridge"] {
        let samples = in_turns(peers, SAMPLES, |peer| starts(peer, network));
        table.cost(&format!("network: CPU of a container, {network}"), "ms", samples);
    }
    peers.iter().for_each(|peer| create(peer, NETWORK));
    let measured = rates(peers, table).map(|()| many(peers, table));
    peers.iter().for_each(|peer| delete(peer, NETWORK));
    measured
}

fn create(peer: &Peer, name: &str) {
    peer.http.post_json("/networks/create", &json!({ "Name": name })).expect(201);
}

fn delete(peer: &Peer, name: &str) {
    peer.http.delete(&format!("/networks/{name}")).expect(204);
}

/// Processor time of a container from its creation to its removal, of everything that runs: proc_stat(5).
fn starts(peer: &Peer, network: &str) -> f64 {
    let busy = || -> u64 {
        let text = fs::read_to_string("/proc/stat").expect("/proc/stat");
        let first = text.lines().next().unwrap_or_default();
        let fields: Vec<u64> =
            first.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
        // user, nice, system, (idle, iowait,) irq, softirq
        [0, 1, 2, 5, 6].iter().filter_map(|at| fields.get(*at)).sum()
    };
    let before = busy();
    for _ in 0..STARTS {
        let id = peer.create(&["true"], network);
        peer.http.post(&format!("/containers/{id}/start")).expect(204);
        peer.http.post(&format!("/containers/{id}/wait")).expect(200);
        peer.remove(&id);
    }
    (busy() - before) as f64 * 10.0 / STARTS as f64
}

/// A running container on the network, one port of which is published.
struct Server {
    id: String,
    namespace: File,
    address: String,
    port: u16,
}

impl Server {
    fn start(peer: &Peer) -> Result<Self> {
        let body = json!({
            "Image": IMAGE, "Cmd": ["sleep", "3600"], "StopSignal": "SIGKILL",
            "ExposedPorts": { "5000/tcp": {} },
            "HostConfig": { "NetworkMode": NETWORK, "PortBindings": { "5000/tcp": [{}] } },
        });
        let id = start(peer, &body);
        let seen = peer.http.get(&format!("/containers/{id}/json")).expect(200).json();
        let settings = &seen["NetworkSettings"];
        let text = |value: &Value| value.as_str().map(str::to_owned).context("a text");
        Ok(Self {
            namespace: File::open(format!("/proc/{}/ns/net", seen["State"]["Pid"]))?,
            address: text(&settings["Networks"][NETWORK]["IPAddress"])?,
            port: text(&settings["Ports"]["5000/tcp"][0]["HostPort"])?.parse()?,
            id,
        })
    }

    /// Does something inside of the container's network.
    fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let namespace = self.namespace.try_clone()?;
        let worker = thread::spawn(move || -> Result<T> {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(work())
        });
        worker.join().map_err(|_| anyhow::anyhow!("work in a container's network failed"))?
    }
}

fn start(peer: &Peer, body: &Value) -> String {
    let answer = peer.http.post_json("/containers/create", body).expect(201).json();
    let id = answer["Id"].as_str().expect("an id").to_owned();
    peer.http.post(&format!("/containers/{id}/start")).expect(204);
    id
}

fn rates(peers: &[Peer], table: &mut Table) -> Result<()> {
    let servers = peers.iter().map(Server::start).collect::<Result<Vec<_>>>()?;
    for server in &servers {
        let listener = server.inside(|| TcpListener::bind("0.0.0.0:5000"))??;
        thread::spawn(move || {
            let mut block = vec![0; BLOCK];
            while let Ok((mut stream, _)) = listener.accept() {
                while stream.read(&mut block).is_ok_and(|length| length > 0) {}
            }
        });
    }
    let mut straight: Vec<Vec<f64>> = peers.iter().map(|_| Vec::new()).collect();
    let (mut published, mut answers) = (straight.clone(), straight.clone());
    for _ in 0..SAMPLES {
        for (at, (peer, server)) in peers.iter().zip(&servers).enumerate() {
            straight[at].push(throughput(peer, format!("{}:5000", server.address))?);
            published[at].push(throughput(peer, format!("127.0.0.1:{}", server.port))?);
            let name = server.id[..12].to_owned();
            answers[at].push(server.inside(move || answered(&name))??);
        }
    }
    table.rate("network: TCP from the host to a container", "MB/s", straight);
    table.rate("network: TCP by a port on 127.0.0.1", "MB/s", published);
    table.rate("network: answers of the name server", "1/s", answers);
    peers.iter().zip(&servers).for_each(|(peer, server)| peer.remove(&server.id));
    Ok(())
}

/// Megabytes a second from the daemon's host to an address.
fn throughput(peer: &Peer, to: String) -> Result<f64> {
    peer.within(move || -> Result<f64> {
        let mut stream = TcpStream::connect_timeout(&to.parse::<SocketAddr>()?, SAMPLE)?;
        let block = vec![0; BLOCK];
        let begin = Instant::now();
        let mut bytes = 0.0;
        while begin.elapsed() < SAMPLE {
            stream.write_all(&block)?;
            bytes += BLOCK as f64;
        }
        Ok(bytes / 1e6 / begin.elapsed().as_secs_f64())
    })?
}

/// Answers a second to questions of the network's own name server for a container; RFC 1035, section 4.1.
fn answered(name: &str) -> Result<f64> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect("127.0.0.11:53")?;
    socket.set_read_timeout(Some(SAMPLE))?;
    let question = |number: u16| {
        let mut bytes = number.to_be_bytes().to_vec();
        bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        bytes.push(name.len() as u8);
        bytes.extend(name.bytes());
        // The end of the name, and that its IPv4 address is asked for.
        bytes.extend([0, 0, 1, 0, 1]);
        bytes
    };
    let mut buffer = [0; 512];
    for number in 0..QUESTIONS {
        socket.send(&question(number))?;
    }
    let begin = Instant::now();
    let mut count = 0_u32;
    while begin.elapsed() < SAMPLE {
        let length = socket.recv(&mut buffer).context("no answer")?;
        ensure!(length > 12, "a short answer");
        count += 1;
        socket.send(&question(u16::from_be_bytes([buffer[0], buffer[1]])))?;
    }
    Ok(f64::from(count) / begin.elapsed().as_secs_f64())
}

/// Many containers, one after the other, and many ports at once.
fn many(peers: &[Peer], table: &mut Table) {
    let mut containers = Vec::new();
    let (mut ports, mut many_ports) = (Vec::new(), vec![Vec::new(); peers.len()]);
    for (at, peer) in peers.iter().enumerate() {
        let begin = Instant::now();
        let ids: Vec<String> = (0..CONTAINERS).map(|_| start(peer, &with_ports(0))).collect();
        containers.push(vec![begin.elapsed().as_secs_f64()]);
        ids.iter().for_each(|id| peer.remove(id));
        ports.push(vec![publish(peer, PORTS)]);
        if at == 0 {
            many_ports[at].push(publish(peer, MANY_PORTS));
        }
    }
    table.cost(&format!("network: {CONTAINERS} containers on one"), "s", containers);
    table.cost(&format!("network: a container with {PORTS} ports"), "ms", ports);
    table.cost(&format!("network: a container with {MANY_PORTS} ports"), "ms", many_ports);
}

/// Milliseconds from the creation of a container with so many published ports to its start's answer.
fn publish(peer: &Peer, ports: u16) -> f64 {
    let body = with_ports(ports);
    let begin = Instant::now();
    let id = start(peer, &body);
    let took = begin.elapsed().as_secs_f64() * 1000.0;
    peer.remove(&id);
    took
}

fn with_ports(ports: u16) -> Value {
    let mut body = json!({
        "Image": IMAGE, "Cmd": ["sleep", "3600"], "StopSignal": "SIGKILL",
        "HostConfig": { "NetworkMode": NETWORK },
    });
    for port in 20_000..20_000 + ports {
        let key = format!("{port}/tcp");
        body["ExposedPorts"][&key] = json!({});
        body["HostConfig"]["PortBindings"][&key] =
            json!([{ "HostIp": "127.0.0.1", "HostPort": port.to_string() }]);
    }
    body
}
