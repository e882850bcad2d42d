//! Errors: texts, statuses, the log; fields by their JSON path.

use std::fs;

use serde_json::{Value, json};

use crate::bed::{Bed, possible, text};

#[test]
fn fields_are_named() {
    if !possible() {
        return;
    }
    for (pointer, value, expected) in [
        ("/process/args", json!([1]), "process.args[0]: invalid type"),
        ("/process/user/uid", json!("x"), "process.user.uid: invalid type"),
        ("/ociVersion", json!("2.0.0"), "ociVersion is not valid"),
        ("/root/path", json!("missing"), "root.path is not valid"),
        ("/linux/intelRdt", json!({"closID": "x"}), "linux.intelRdt is not supported"),
        (
            "/hooks",
            json!({"prestart": [{"path": "relative"}]}),
            "hooks.prestart[0].path is not valid",
        ),
    ] {
        let mut bed = Bed::new("true");
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        bed.spec.pointer_mut(parent).unwrap()[name] = value;
        let (done, errors) = bed.run_detached(&["create", "ID"]);
        assert!(!done && errors.contains(expected), "{pointer}: {errors}");
        assert!(!bed.path("state").join(&bed.id).exists(), "{pointer}");
    }
}

#[test]
fn unknown_fields_are_no_errors() {
    if !possible() {
        return;
    }
    let mut bed = Bed::new("true");
    bed.spec["unknown"] = json!({"a": 1});
    bed.must(&["run", "ID"]);
}

#[test]
fn the_log_in_both_formats() {
    if !possible() {
        return;
    }
    let bed = Bed::new("true");
    let output = bed.run(&["--log", "../log", "--log-format", "json", "state", "nope"]);
    assert_eq!(output.status.code(), Some(1));
    let line: Value = serde_json::from_slice(&fs::read(bed.path("log")).unwrap()).unwrap();
    assert_eq!(line["level"], "error");
    assert_eq!(line["msg"], "container does not exist: nope");
    assert_eq!(text(&output.stderr), "container does not exist: nope\n");
    let plain = text(&bed.run(&["state", "nope"]).stderr);
    assert!(plain.contains("level=error msg=\"container does not exist: nope\""), "{plain}");
}

#[test]
fn ids_and_bundles() {
    if !possible() {
        return;
    }
    let bed = Bed::new("true");
    for id in ["a/b", "..", "", "a b"] {
        let output = bed.run(&["create", id]);
        assert!(text(&output.stderr).contains("invalid container ID format"), "{id:?}");
    }
    assert!(!bed.run(&["create", "--bundle", "/none", "ID"]).status.success());
    assert!(!bed.run(&["create", "--nope", "ID"]).status.success());
    assert!(!bed.run(&["create"]).status.success());
    assert!(bed.run(&["delete", "--force", "ID"]).status.success());
    assert!(!bed.run(&["delete", "ID"]).status.success());
}

#[test]
fn a_program_that_can_not_run() {
    if !possible() {
        return;
    }
    let mut bed = Bed::new("");
    bed.spec["process"]["args"] = json!(["nope"]);
    let (done, errors) = bed.run_detached(&["create", "ID"]);
    assert!(!done);
    assert!(errors.contains("unable to start container process: exec: "), "{errors}");
    assert!(errors.contains("executable file not found in $PATH"), "{errors}");
    // What the kernel itself refuses shows at the exec: `start` hears of it.
    fs::write(bed.inside("bin/text"), "no program").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(bed.inside("bin/text"), mode).unwrap();
    bed.spec["process"]["args"] = json!(["text"]);
    bed.create();
    let output = bed.run(&["start", "ID"]);
    assert!(text(&output.stderr).contains("exec format error"), "{}", text(&output.stderr));
    bed.wait_for_status("stopped");
}
