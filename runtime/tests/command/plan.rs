//! Plans and the other verbs that start nothing; no root is needed.

use serde_json::Value;

use crate::bed::{Bed, text};

#[test]
fn a_plan_as_text_and_as_json() {
    let bed = Bed::new("true");
    let plan = bed.must(&["plan"]);
    for line in ["namespaces: ", "  new mount, uts, pid, ipc, network", "  host box", "exec: "] {
        assert!(plan.lines().any(|one| one.starts_with(line)), "{line}: {plan}");
    }
    assert!(plan.contains("\n  deny all devices rwm\n  allow c *:* m\n"), "{plan}");
    let plan: Value = serde_json::from_str(&bed.must(&["plan", "--format", "json"])).unwrap();
    assert_eq!(plan["hostname"], "box");
    assert_eq!(plan["process"]["args"][0], "sh");
}

#[test]
fn a_spec_to_start_from() {
    let bed = Bed::new("true");
    let directory = bed.path("fresh");
    std::fs::create_dir_all(directory.join("rootfs")).unwrap();
    let path = directory.display().to_string();
    bed.must(&["spec", "--bundle", &path]);
    let plan = bed.must(&["plan", "--bundle", &path]);
    assert!(plan.contains("a terminal of its own"));
    assert!(!bed.run(&["spec", "--bundle", &path]).status.success(), "it is there already");
}

#[test]
fn features_and_help() {
    let bed = Bed::new("true");
    let features: Value = serde_json::from_str(&bed.must(&["features"])).unwrap();
    assert_eq!(features["hooks"].as_array().unwrap().len(), 6);
    assert!(bed.must(&["--version"]).contains("spec: 1."));
    for verb in ["create", "exec", "update"] {
        assert!(bed.must(&[verb, "--help"]).contains("Flags:"));
    }
    assert!(text(&bed.run(&["nope"]).stderr).contains("nope"));
}
