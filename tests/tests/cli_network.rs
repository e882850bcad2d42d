//! The bundled client on networks: what the docker CLI does, by the same words.

use harness::{Daemon, name};
use serde_json::{Value, json};

#[test]
fn goes_through_a_network_s_life() {
    let daemon = Daemon::start();
    let network = name();
    let third = std::process::id() % 256;
    let subnet = format!("10.231.{third}.0/24");
    let made = daemon
        .jocker(&[
            "network",
            "create",
            &format!("--subnet={subnet}"),
            &format!("--gateway=10.231.{third}.9"),
            "--label=a=b",
            "-o=com.docker.network.driver.mtu=1400",
            "--internal",
            &network,
        ])
        .ok();
    assert_eq!(made.len(), 64, "{made}");
    let ls = daemon.jocker(&["network", "ls", "-f", &format!("name={network}")]).ok();
    let lines: Vec<Vec<&str>> = ls.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NETWORK", "ID", "NAME", "DRIVER", "SCOPE"]);
    assert_eq!(lines[1], [&made[..12], network.as_str(), "bridge", "local"]);
    let all = daemon.jocker(&["network", "ls", "--format={{.Name}} {{.Internal}} {{.Labels}}"]);
    assert!(all.ok().lines().any(|line| line == format!("{network} true a=b")));
    let ids = daemon.jocker(&["network", "ls", "-q", "--no-trunc"]).ok();
    assert!(ids.lines().any(|line| line == made), "{ids}");
    let seen = daemon.jocker(&["network", "inspect", &network]).ok();
    let seen: Value = serde_json::from_str(&seen).expect("JSON");
    let wanted = json!({ "Subnet": subnet, "Gateway": format!("10.231.{third}.9") });
    assert_eq!((&seen[0]["IPAM"]["Config"][0], &seen[0]["Internal"]), (&wanted, &json!(true)));

    let id = daemon.launch(&json!({
        "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL", "HostConfig": { "NetworkMode": "bridge" },
    }));
    let address = format!("10.231.{third}.77");
    let connect = ["network", "connect", "--ip", &address, "--alias=web", &network, &id];
    assert_eq!(daemon.jocker(&connect).ok(), "");
    let endpoint = daemon.inspect(&id)["NetworkSettings"]["Networks"][&network].clone();
    assert_eq!((&endpoint["IPAddress"], &endpoint["Aliases"]), (&json!(address), &json!(["web"])));
    assert_eq!(daemon.jocker(&["network", "prune", "-f"]).ok(), "");
    let failed = daemon.jocker(&["network", "rm", &network]).fails(1);
    assert!(failed.contains("has active endpoints"), "{failed}");
    assert_eq!(daemon.jocker(&["network", "disconnect", &network, &id]).ok(), "");
    let failed = daemon.jocker(&["network", "disconnect", &network, &id]).fails(1);
    assert!(failed.contains("is not connected to"), "{failed}");
    assert_eq!(daemon.jocker(&["network", "rm", &network]).ok(), network);
    daemon.remove(&id);
    let failed = daemon.jocker(&["network", "inspect", &network]).fails(1);
    assert!(failed.contains(&format!("network {network} not found")), "{failed}");
    daemon.jocker(&["network", "rm", &network]).fails(1);
    assert_eq!(daemon.jocker(&["network", "rm", "-f", &network]).ok(), "");
}

#[test]
fn unused_networks_are_pruned() {
    let daemon = Daemon::start();
    let network = name();
    daemon.jocker(&["network", "create", "--label=prune=me", &network]).ok();
    let others = ["network", "prune", "-f", "--filter=label=prune=other"];
    assert_eq!(daemon.jocker(&others).ok(), "");
    let asked = daemon.jocker_with(&["network", "prune", "--filter=label=prune=me"], b"n\n").ok();
    assert!(asked.contains("all custom networks not used"), "{asked}");
    let pruned = daemon.jocker(&["network", "prune", "-f", "--filter=label=prune=me"]).ok();
    assert_eq!(pruned, format!("Deleted Networks:\n{network}"));
}

#[test]
fn what_does_not_fit_together_is_told_before_it_is_asked_for() {
    let daemon = Daemon::start();
    for (flags, text) in [
        (&["--gateway=10.1.0.1"][..], "every ip-range or gateway must have a corresponding subnet"),
        (&["--subnet=10.1.0.0/16", "--gateway=10.2.0.1"], "no matching subnet for gateway"),
        (&["--driver=nosuchdriver"], "nosuchdriver"),
        (&["--subnet=10.1.0.1/16"], "it should be 10.1.0.0/16"),
    ] {
        let network = name();
        let line = [&["network", "create"], flags, &[network.as_str()]].concat();
        let failed = daemon.jocker(&line).fails(1);
        assert!(failed.contains(text), "{flags:?}: {failed}");
    }
}
