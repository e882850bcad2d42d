//! Many running containers, and a daemon that comes up. `JOCKER_ADOPT` says how many containers: a thousand on the
//! optimised build is the measure.

use std::thread;
use std::time::{Duration, Instant};

use harness::Daemon;
use harness::daemon::Options;
use serde_json::json;

/// Containers when nobody says.
const CONTAINERS: usize = 48;
/// Clients that start them.
const CLIENTS: usize = 4;
/// What the daemon may take from its start to a list that shows all of them running.
const LIMIT: Duration = Duration::from_secs(2);

#[test]
fn many_containers_are_taken_over_soon() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let number = std::env::var("JOCKER_ADOPT").ok().and_then(|text| text.parse().ok());
    let number: usize = number.unwrap_or(CONTAINERS);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let daemon = &daemon;
            scope.spawn(move || {
                for _ in (client..number).step_by(CLIENTS) {
                    daemon.launch(&json!({ "Cmd": ["sleep", "100000"], "StopSignal": "SIGKILL",
                        "HostConfig": { "RestartPolicy": { "Name": "always" } } }));
                }
            });
        }
    });
    let mut before: Vec<_> = running(&daemon);
    assert_eq!(before.len(), number);
    daemon.kill9();
    let begin = Instant::now();
    daemon.start_again(&Options::new());
    let answers = begin.elapsed();
    let mut after = running(&daemon);
    let took = begin.elapsed();
    eprintln!("adoption of {number}: answers after {answers:?}, all listed after {took:?}");
    before.sort();
    after.sort();
    assert_eq!(after, before);
    assert!(took < LIMIT, "{took:?} for {number}");
    let begin = Instant::now();
    assert_eq!(daemon.exec(after.last().expect("a container"), &["true"]).0, 0);
    eprintln!("an exec then: {:?}", begin.elapsed());
}

fn running(daemon: &Daemon) -> Vec<String> {
    let listed = daemon.http().get("/containers/json").expect(200).json();
    let rows = listed.as_array().expect("a list").iter();
    rows.map(|row| row["Id"].as_str().expect("an id").to_owned()).collect()
}
