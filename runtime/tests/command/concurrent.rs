//! Many commands on one container at once: each does its work or says why not, the state directory stays readable, and
//! nothing is left.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use crate::bed::{Bed, possible};

const WORKERS: u32 = 8;
const ROUNDS: u32 = 50;

const VERBS: [&[&str]; 12] = [
    &["create", "ID"],
    &["run", "--detach", "ID"],
    &["start", "ID"],
    &["state", "ID"],
    &["list"],
    &["ps", "ID"],
    &["exec", "ID", "true"],
    &["pause", "ID"],
    &["resume", "ID"],
    &["kill", "ID", "KILL"],
    &["delete", "ID"],
    &["delete", "--force", "ID"],
];

/// What a command may answer that came too early or too late.
const REFUSALS: [&str; 14] = [
    "already exists",
    "does not exist",
    "not running",
    "not paused",
    "is paused",
    "a paused container",
    "a stopped container",
    "that has stopped",
    "already running container",
    "in the creating state",
    "in the paused state",
    "that is not stopped",
    // Killed on its way.
    "unable to start container process",
    "connect to the init of",
];

#[test]
fn commands_at_once_leave_a_container_whole() {
    if !possible() {
        return;
    }
    let bed = Bed::new("exec sleep 100");
    fs::write(bed.path("bundle/config.json"), bed.spec.to_string()).unwrap();
    let (made, removed) = (AtomicU32::new(0), AtomicU32::new(0));
    let odd = Mutex::new(BTreeSet::new());
    let work = |worker: u32| {
        let mut chance = worker * 7919 + 1;
        let errors = bed.path(&format!("errors-{worker}"));
        for _ in 0..ROUNDS {
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let verb = VERBS[(chance >> 16) as usize % VERBS.len()];
            let file = fs::File::create(&errors).unwrap();
            let mut command = bed.command(verb);
            let status = command.stdout(Stdio::null()).stderr(file).status().unwrap();
            let said = fs::read_to_string(&errors).unwrap();
            if status.success() {
                match verb[0] {
                    "create" | "run" => made.fetch_add(1, Ordering::Relaxed),
                    "delete" if verb.len() == 2 => removed.fetch_add(1, Ordering::Relaxed),
                    _ => 0,
                };
            } else if status.code().is_none()
                || !REFUSALS.iter().any(|refusal| said.contains(refusal))
            {
                odd.lock().unwrap().insert(format!("{verb:?}: {status}: {said}"));
            }
        }
    };
    thread::scope(|scope| (0..WORKERS).for_each(|worker| drop(scope.spawn(move || work(worker)))));
    assert_eq!(odd.into_inner().unwrap(), BTreeSet::new());
    let (made, removed) = (made.into_inner(), removed.into_inner());
    assert!(made > 0 && removed <= made, "{made} made, {removed} removed");
    bed.must(&["delete", "--force", "ID"]);
    assert!(!bed.path("state").join(&bed.id).exists());
    for hierarchy in fs::read_dir("/sys/fs/cgroup").unwrap() {
        let group = hierarchy.unwrap().path().join("jocker-runtime").join(&bed.id);
        assert!(!group.exists(), "{group:?} is left");
    }
    assert!(Path::new("/sys/fs/cgroup").exists());
    // It is as good as new.
    bed.start();
    assert_eq!(bed.status(), "running");
}
