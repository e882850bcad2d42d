//! Our answers beside a real dockerd's: `tests/differences/*.txt` is played against both, and what
//! differs beyond `allowed.txt` is told. `JOCKER_REFERENCE=unix://…` names the dockerd (26.1), without
//! which nothing can be compared; `make diff` says how to get one.

use std::path::Path;

use harness::Client;
use harness::daemon::Options;
use harness::differ::{self, Allowances, Report, image, play};

/// Where the daemon to compare with listens.
const REFERENCE: &str = "JOCKER_REFERENCE";

fn reference() -> Option<Client> {
    let Some(host) = std::env::var(REFERENCE).ok().filter(|host| !host.is_empty()) else {
        eprintln!("SKIPPED: nothing is compared, because {REFERENCE}=unix://… names no dockerd");
        return None;
    };
    let path = host.strip_prefix("unix://").unwrap_or_else(|| panic!("{REFERENCE}: {host}"));
    Some(Client::new(Path::new(path)))
}

fn load_image(client: &Client) {
    let kind = [("Content-Type", "application/x-tar")];
    let archive = image().archive(differ::IMAGE);
    client.send("POST", "/images/load?quiet=1", &kind, &archive).expect(200);
}

/// `JOCKER_DIFFER=text` plays only the scenarios whose titles have the text.
#[track_caller]
fn compare(text: &str) {
    let Some(theirs) = reference() else { return };
    let daemon = Options::new().without_image().start().expect("a jockerd of the test's own");
    let ours = daemon.http();
    load_image(&theirs);
    load_image(ours);
    let allowed = Allowances::parse(include_str!("../differences/allowed.txt"));
    let only = std::env::var("JOCKER_DIFFER").unwrap_or_default();
    let mut report = Report::default();
    for scenario in differ::parse(text).iter().filter(|each| each.title.contains(&only)) {
        for version in &scenario.versions {
            let name = differ::fresh_name();
            let answers = std::thread::scope(|scope| {
                let first = scope.spawn(|| play(&theirs, scenario, version, &name));
                let second = play(ours, scenario, version, &name);
                (first.join().expect("the reference answers"), second)
            });
            report.add(scenario, version, (&answers.0, &answers.1), &allowed);
        }
    }
    println!("{report}");
    assert!(report.lines.is_empty(), "{report}");
}

macro_rules! compared {
    ($($name:ident),*) => {$(
        #[test]
        fn $name() {
            compare(include_str!(concat!("../differences/", stringify!($name), ".txt")));
        }
    )*};
}

compared!(
    containers, creation, files, images, listing, networks, outside, streams, system, volumes
);
