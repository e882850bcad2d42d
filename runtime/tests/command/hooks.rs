//! Hooks: moments, order, state, failures.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bed::{Bed, possible, text};

fn hook(script: &str) -> Value {
    json!({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]})
}

#[test]
fn all_six_in_order() {
    if !possible() {
        return;
    }
    let mut bed = Bed::new("exec true");
    let log = bed.path("log").display().to_string();
    let note = |name: &str| {
        hook(&format!(
            "echo {name} $(tr -d '\\n' | sed 's/.*\"status\":\"\\([a-z]*\\)\".*/\\1/') >> {log}"
        ))
    };
    let inside = json!({"path": "/bin/sh", "args": ["sh", "-c", "cat > /tmp/startContainer"], "env": ["PATH=/bin"]});
    bed.spec["hooks"] = json!({
        "poststop": [note("poststop")],
        "poststart": [note("poststart")],
        "startContainer": [inside],
        "createContainer": [note("createContainer"), hook("test -e rootfs/proc/self")],
        "createRuntime": [note("createRuntime")],
        "prestart": [note("prestart")],
    });
    bed.create();
    let before = "prestart creating\ncreateRuntime creating\ncreateContainer creating\n";
    assert_eq!(fs::read_to_string(bed.path("log")).unwrap(), before);
    assert!(!bed.inside("tmp/startContainer").exists());
    bed.must(&["start", "ID"]);
    let state: Value =
        serde_json::from_slice(&fs::read(bed.inside("tmp/startContainer")).unwrap()).unwrap();
    assert_eq!(state["status"], "created");
    assert_eq!(state["annotations"]["org.example.note"], "value");
    bed.wait_for_status("stopped");
    bed.must(&["delete", "ID"]);
    let all = format!("{before}poststart running\npoststop stopped\n");
    assert_eq!(fs::read_to_string(bed.path("log")).unwrap(), all);
}

#[test]
fn a_failure_ends_the_container() {
    if !possible() {
        return;
    }
    for name in ["prestart", "createRuntime", "createContainer"] {
        let mut bed = Bed::new("touch /tmp/ran");
        let log = bed.path("log").display().to_string();
        bed.spec["hooks"] = json!({
            name: [hook("exit 3"), hook(&format!("echo second >> {log}"))],
            "poststop": [hook(&format!("echo poststop >> {log}"))],
        });
        let (done, errors) = bed.run_detached(&["create", "ID"]);
        assert!(!done);
        assert!(errors.contains(&format!("{name} hook #0: /bin/sh: exit status: 3")), "{errors}");
        assert_eq!(fs::read_to_string(bed.path("log")).unwrap(), "poststop\n");
        assert!(text(&bed.run(&["state", "ID"]).stderr).contains("does not exist"));
    }
    // Inside, once the program was to run: it does not.
    let mut bed = Bed::new("touch /tmp/ran");
    let inside = json!({"path": "/bin/sh", "args": ["sh", "-c", "exit 5"], "env": ["PATH=/bin"]});
    let log = bed.path("log").display().to_string();
    let poststop = hook(&format!("echo poststop >> {log}"));
    bed.spec["hooks"] = json!({"startContainer": [inside], "poststop": [poststop]});
    bed.create();
    let error = text(&bed.run(&["start", "ID"]).stderr);
    assert!(error.contains("startContainer hook #0: /bin/sh: exit status: 5"), "{error}");
    bed.wait_for_status("stopped");
    bed.must(&["delete", "ID"]);
    assert_eq!(fs::read_to_string(bed.path("log")).unwrap(), "poststop\n");
    assert!(!bed.inside("tmp/ran").exists());
    let mut bed = Bed::new("exec sleep 100");
    bed.spec["hooks"] = json!({"poststart": [hook("exit 4")]});
    bed.create();
    assert!(text(&bed.run(&["start", "ID"]).stderr).contains("poststart hook #0"));
    assert!(text(&bed.run(&["state", "ID"]).stderr).contains("does not exist"));
}

#[test]
fn a_slow_hook_is_killed() {
    if !possible() {
        return;
    }
    let mut bed = Bed::new("true");
    bed.spec["hooks"] =
        json!({"prestart": [{"path": "/bin/sleep", "args": ["sleep", "60"], "timeout": 1}]});
    let (done, errors) = bed.run_detached(&["create", "ID"]);
    assert!(!done && errors.contains("timed out after 1 s"), "{errors}");
    // It does not read its input, and that is longer than a pipe.
    bed.spec["annotations"]["org.example.long"] = json!("x".repeat(200_000));
    let begin = Instant::now();
    let (done, errors) = bed.run_detached(&["create", "ID"]);
    assert!(!done && errors.contains("timed out after 1 s"), "{errors}");
    assert!(begin.elapsed() < Duration::from_secs(30));
}

#[test]
fn hooks_may_ask_for_the_state() {
    if !possible() {
        return;
    }
    let mut bed = Bed::new("true");
    let binary = env!("CARGO_BIN_EXE_jocker-runtime");
    let root = bed.path("state").display().to_string();
    let ask = format!("{binary} --root {root} state {} | grep -q '\"creating\"'", bed.id);
    bed.spec["hooks"] = json!({"createRuntime": [hook(&ask)]});
    bed.create();
}
