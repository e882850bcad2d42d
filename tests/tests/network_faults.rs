//! Every step of a connection to a network fails once: what was done before it is taken back, and the next start succeeds.

use std::net::TcpListener;

use harness::Daemon;
use harness::audit::Audit;
use harness::daemon::Options;
use serde_json::{Value, json};

/// How the texts of the steps begin, in their order: the whole of a start's, and of a connection while it runs.
const STEPS: [&str; 12] = [
    "unshare(CLONE_NEWNET)",
    "setns(netns",
    "create veth",
    "write(/proc/sys/net/ipv6/conf/eth0",
    "set eth0 up",
    "add address 10.239.7.2",
    "add address fd07:239::2",
    "add default route via 10.239.7.1",
    "set Isolated",
    "set HairpinMode",
    "publish ports",
    "bind(127.0.0.11)",
];

fn network() -> Value {
    json!({ "Name": "faulty", "EnableIPv6": true,
        "Options": { "com.docker.network.bridge.enable_icc": "false" },
        "IPAM": { "Config": [{ "Subnet": "10.239.7.0/24" }, { "Subnet": "fd07:239::/64" }] } })
}

fn container() -> Value {
    json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL", "ExposedPorts": { "80/tcp": {} },
        "HostConfig": { "NetworkMode": "faulty", "PortBindings": { "80/tcp": [{ "HostPort": "8079" }] } } })
}

fn address(daemon: &Daemon, id: &str) -> Value {
    daemon.inspect(id)["NetworkSettings"]["Networks"]["faulty"]["IPAddress"].clone()
}

/// Starts fail, and leave nothing.
#[track_caller]
fn start_fails(daemon: &Daemon, id: &str, step: &str) {
    let before = Audit::settled(daemon);
    for _ in 0..3 {
        let refused = daemon.http().post(&format!("/containers/{id}/start")).expect(500).message();
        assert!(refused.contains(step), "{step}: {refused}");
    }
    before.must_return(daemon);
    let seen = daemon.http().get("/networks/faulty").expect(200).json();
    assert_eq!(seen["Containers"], json!({}), "{step}");
    drop(TcpListener::bind("0.0.0.0:8079").unwrap_or_else(|error| panic!("{step}: {error}")));
}

#[test]
fn a_start_leaves_nothing_whichever_step_fails() {
    let Some(mut daemon) = Daemon::ours() else { return };
    daemon.http().post_json("/networks/create", &network()).expect(201);
    let id = daemon.create(&container());
    for step in STEPS {
        daemon.kill9();
        daemon.start_again(&Options::new().env("JOCKER_FAIL_AT", step));
        start_fails(&daemon, &id, step);
    }
    daemon.kill9();
    daemon.start_again(&Options::new());
    daemon.http().post(&format!("/containers/{id}/start")).expect(204);
    assert_eq!(address(&daemon, &id), "10.239.7.2");
    daemon.remove(&id);
    daemon.http().delete("/networks/faulty").expect(204);
}

#[test]
fn a_connection_leaves_nothing_whichever_step_fails() {
    let Some(mut daemon) = Daemon::ours() else { return };
    daemon.http().post_json("/networks/create", &network()).expect(201);
    let id = daemon.launch(&json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL",
        "HostConfig": { "NetworkMode": "bridge" } }));
    let links = |daemon: &Daemon| daemon.exec(&id, &["ls", "/sys/class/net"]).1.stdout;
    let hosts = |daemon: &Daemon| daemon.exec(&id, &["cat", "/etc/hosts"]).1.stdout;
    let (links_before, hosts_before) = (links(&daemon), hosts(&daemon));
    let body = json!({ "Container": id, "EndpointConfig": {} });
    for step in STEPS.map(|step| step.replace("eth0", "eth1")) {
        // What a connection does not do: it makes no namespace, no ports are published, the way out stays.
        if ["unshare", "publish", "set Hairpin", "add default"]
            .iter()
            .any(|it| step.starts_with(it))
        {
            continue;
        }
        daemon.kill9();
        daemon.start_again(&Options::new().env("JOCKER_FAIL_AT", &step));
        let before = Audit::settled(&daemon);
        let refused =
            daemon.http().post_json("/networks/faulty/connect", &body).expect(500).message();
        assert!(refused.contains(&step), "{step}: {refused}");
        before.must_return(&daemon);
        assert_eq!(links(&daemon), links_before, "{step}");
        assert_eq!(hosts(&daemon), hosts_before, "{step}");
        let seen = daemon.http().get("/networks/faulty").expect(200).json();
        assert_eq!(seen["Containers"], json!({}), "{step}");
    }
    daemon.kill9();
    daemon.start_again(&Options::new());
    daemon.http().post_json("/networks/faulty/connect", &body).expect(200);
    assert_eq!(address(&daemon, &id), "10.239.7.2");
    daemon.remove(&id);
    daemon.http().delete("/networks/faulty").expect(204);
}
