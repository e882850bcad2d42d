//! A pull in a process of its own: this test program again, with another environment.

use std::path::Path;
use std::process::{Command, Output};

use store::Store;
use store::pull::{PullOptions, pull};
use store::reference::Reference;
use store::registry::{Registries, RegistryConfig};

use crate::setting::impatient;

const ROOT: &str = "JOCKER_TEST_ROOT";
const REFERENCE: &str = "JOCKER_TEST_REFERENCE";
const INSECURE: &str = "JOCKER_TEST_INSECURE";

/// Pulls `reference` into the store at `root`, with `environment` added.
pub(crate) fn pull_in_child(
    root: &Path,
    reference: &str,
    insecure: &str,
    environment: &[(&str, &str)],
) -> Output {
    let mut command = Command::new(std::env::current_exe().expect("own program"));
    command
        .args(["--exact", "child::pull_once", "--ignored", "--nocapture"])
        .env(ROOT, root)
        .env(REFERENCE, reference)
        .env(INSECURE, insecure)
        .envs(environment.iter().copied());
    command.output().expect("child")
}

#[tokio::test]
#[ignore = "a part of other tests, run by them"]
async fn pull_once() {
    let variable = |name| std::env::var(name).expect(name);
    let store = Store::open(Path::new(&variable(ROOT))).expect("store");
    let insecure = vec![variable(INSECURE)];
    let registries = Registries::new(RegistryConfig { insecure, ..impatient() });
    let registries = registries.expect("registries");
    let reference = Reference::parse_normalized(&variable(REFERENCE)).expect("reference");
    let options = PullOptions::default();
    pull(&store, &registries, &reference, &options, |_| {}).await.expect("pull");
}
