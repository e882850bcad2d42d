//! Networks that are nothing but a configuration, and those that take theirs from one.

use harness::{Daemon, Network, name};
use serde_json::json;

#[test]
fn are_taken_from_elsewhere() {
    let daemon = Daemon::start();
    let http = daemon.http();
    let subnet = format!("10.230.{}", std::process::id() % 256);
    let source = Network::new(
        &daemon,
        json!({
            "ConfigOnly": true, "Labels": { "a": "b" },
            "Options": { "com.docker.network.driver.mtu": "1400" },
            "IPAM": { "Config": [{ "Subnet": format!("{subnet}.0/24"), "Gateway": format!("{subnet}.9") }] },
        }),
    );
    assert_eq!(
        (&source.inspect()["Driver"], &source.inspect()["ConfigOnly"]),
        (&json!("null"), &json!(true))
    );
    let from = json!({ "ConfigFrom": { "Network": source.name } });
    let network = Network::new(&daemon, from.clone());
    let (seen, wanted) = (network.inspect(), source.inspect());
    for field in ["IPAM", "Labels", "Options", "EnableIPv6"] {
        assert_eq!(seen[field], wanted[field], "{field}");
    }
    assert_eq!((&seen["ConfigFrom"], &seen["Driver"]), (&from["ConfigFrom"], &json!("bridge")));
    let id = daemon.launch(&json!({
        "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL",
        "HostConfig": { "NetworkMode": network.name },
    }));
    let networks = daemon.inspect(&id)["NetworkSettings"]["Networks"].clone();
    assert_eq!(networks[&network.name]["Gateway"], format!("{subnet}.9"));
    let (_, mtu) = daemon.exec(&id, &["cat", "/sys/class/net/eth0/mtu"]);
    assert_eq!(mtu.stdout.trim(), "1400");

    let refused = http.delete(&format!("/networks/{}", source.name)).expect(403).message();
    assert!(
        refused.ends_with(&format!("configuration network \"{}\" is in use", source.name)),
        "{refused}"
    );
    let refused = http
        .post_json(&format!("/networks/{}/connect", source.name), &json!({ "Container": id }))
        .expect(403)
        .message();
    assert_eq!(refused, "cannot create endpoint on configuration-only network");
    daemon.remove(&id);
    let id =
        daemon.create(&json!({ "Cmd": ["true"], "HostConfig": { "NetworkMode": source.name } }));
    let refused = http.post(&format!("/containers/{id}/start")).expect(403).message();
    assert_eq!(refused, "cannot create endpoint on configuration-only network");
    daemon.remove(&id);
    for (more, status, text) in [
        (json!({ "Labels": { "x": "y" } }), 403, "user specified configurations are not supported"),
        (json!({ "Options": { "x": "y" } }), 403, "network driver options are not supported"),
        (json!({ "ConfigOnly": true }), 403, "cannot depend on another configuration network"),
        (json!({ "ConfigFrom": { "Network": network.name } }), 404, "does not exist"),
        (
            json!({ "ConfigOnly": true, "Internal": true }),
            403,
            "can only contain network specific fields",
        ),
    ] {
        let mut body = from.clone();
        body["Name"] = json!(name());
        for (key, value) in more.as_object().expect("fields") {
            body[key] = value.clone();
        }
        let refused = http.post_json("/networks/create", &body).expect(status).message();
        assert!(refused.contains(text), "{more}: {refused}");
    }
}
