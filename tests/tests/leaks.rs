//! Nothing is left behind: after many runs, failing starts, and a daemon killed in the middle.

use std::time::Duration;

use harness::audit::{Audit, cgroups_of_container};
use harness::daemon::Options;
use harness::registry::{FaultKind, Registry};
use harness::{Daemon, eventually};
use serde_json::{Value, json};

/// Runs a container on `network` to its end and removes it; its id.
fn once(daemon: &Daemon, network: &str) -> String {
    let id = daemon.launch(&json!({ "Cmd": ["true"], "HostConfig": { "NetworkMode": network } }));
    assert_eq!(daemon.wait(&id), 0);
    daemon.remove(&id);
    id
}

#[track_caller]
fn no_cgroups(ids: &[String]) {
    for id in ids {
        eventually("control groups are removed", Duration::from_secs(20), || {
            cgroups_of_container(id).is_empty().then_some(())
        });
    }
}

#[test]
fn after_two_hundred_runs() {
    let Some(daemon) = Daemon::ours() else { return };
    for network in ["bridge", "none", "host"] {
        once(&daemon, network);
    }
    let before = Audit::settled(&daemon);
    let ids = std::thread::scope(|scope| {
        let worker = || {
            let networks = ["bridge", "none", "bridge", "host"];
            networks.iter().cycle().take(100).map(|network| once(&daemon, network)).collect()
        };
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(worker)).collect();
        let lists = workers.into_iter().map(|worker| worker.join().expect("runs"));
        lists.collect::<Vec<Vec<String>>>().concat()
    });
    assert_eq!(ids.len(), 200);
    before.must_return(&daemon);
    no_cgroups(&ids);
    assert!(daemon.list_all().is_empty());
}

#[test]
fn after_starts_that_fail() {
    let Some(daemon) = Daemon::ours() else { return };
    once(&daemon, "bridge");
    let before = Audit::settled(&daemon);
    let mut ids = Vec::new();
    for _ in 0..5 {
        for body in [
            json!({ "Cmd": ["/no/such/program"] }),
            json!({ "Cmd": ["/etc/passwd"] }),
            json!({ "Cmd": ["true"], "User": "nosuch" }),
            json!({ "Cmd": ["true"], "WorkingDir": "/etc/passwd" }),
            json!({ "Cmd": ["true"], "HostConfig": { "NetworkMode": "bridge",
                "Sysctls": { "net.ipv4.no_such": "1" } } }),
        ] {
            let mut body: Value = body;
            if body["HostConfig"].is_null() {
                body["HostConfig"] = json!({ "NetworkMode": "bridge" });
            }
            let made = daemon.try_create(&body);
            if made.status != 201 {
                continue;
            }
            let id = made.json()["Id"].as_str().expect("an id").to_owned();
            let started = daemon.http().post(&format!("/containers/{id}/start"));
            assert!(started.status >= 400, "{body} starts");
            daemon.remove(&id);
            ids.push(id);
        }
    }
    before.must_return(&daemon);
    no_cgroups(&ids);
}

#[test]
fn after_execs_and_clients_that_go_away() {
    let Some(daemon) = Daemon::ours() else { return };
    let id = daemon.sleeper();
    daemon.exec(&id, &["true"]);
    let before = Audit::settled(&daemon);
    for round in 0..30 {
        match round % 3 {
            0 => assert_eq!(daemon.exec(&id, &["true"]).0, 0),
            1 => assert_ne!(daemon.exec(&id, &["false"]).0, 0),
            _ => {
                let path = format!("/containers/{id}/attach?stream=1&stdout=1");
                drop(daemon.http().upgrade(&path, None).expect(101));
                let path = format!("/containers/{id}/logs?stdout=1&follow=1");
                drop(daemon.http().open("GET", &path, &[], b""));
                drop(daemon.http().open("GET", "/events", &[], b""));
                drop(daemon.http().open("POST", &format!("/containers/{id}/wait"), &[], b""));
            }
        }
    }
    before.must_return(&daemon);
}

#[test]
fn after_the_daemon_is_killed_in_the_middle() {
    let Some(mut daemon) = Daemon::ours() else { return };
    once(&daemon, "bridge");
    daemon.kill9();
    daemon.start_again(&Options::new());
    let before = Audit::settled(&daemon);
    for round in 0..6 {
        let socket = daemon.socket().to_owned();
        let workers: Vec<_> = (0..3).map(|_| start_and_forget(&socket)).collect();
        std::thread::sleep(Duration::from_millis(40 + 35 * round));
        daemon.kill9();
        for worker in workers {
            let _its_connection_broke = worker.join();
        }
        daemon.start_again(&Options::new());
        for container in daemon.list_all() {
            let state = container["State"].as_str().unwrap_or_default().to_owned();
            assert!(["created", "running", "exited"].contains(&state.as_str()), "{container}");
            daemon.remove(container["Id"].as_str().expect("an id"));
        }
        before.must_return(&daemon);
    }
    once(&daemon, "bridge");
}

/// A client that goes on starting containers until its daemon is gone.
fn start_and_forget(socket: &std::path::Path) -> std::thread::JoinHandle<()> {
    let client = harness::Client::new(socket);
    std::thread::spawn(move || {
        let body = json!({ "Image": harness::IMAGE, "Cmd": ["sleep", "0.05"],
            "HostConfig": { "NetworkMode": "bridge" } });
        loop {
            let made = client.post_json("/containers/create", &body).json();
            let id = made["Id"].as_str().expect("an id");
            client.post(&format!("/containers/{id}/start"));
        }
    })
}

#[test]
fn after_pulls_that_fail_and_images_that_go() {
    let Some(daemon) = Daemon::ours() else { return };
    let registry = Registry::start();
    let image = {
        use harness::image::{Compression, Files, Flavour, Image};
        let layer = Files::new().file("f", 0o644, &[7; 300_000]).layer(Compression::Plain);
        Image::new(Flavour::Oci, vec![layer], &json!({}))
    };
    let reference = registry.push("leak", "v1", &image);
    let path = format!("/images/create?fromImage={reference}");
    let round = || {
        registry.fail(&image.layers[0].digest, 50, FaultKind::Flip);
        daemon.http().post(&path);
        registry.heal();
        daemon.http().post(&path).expect(200);
        daemon.http().delete(&format!("/images/{reference}")).expect(200);
    };
    round();
    let before = Audit::settled(&daemon);
    (0..3).for_each(|_| round());
    before.must_return(&daemon);
}
