use serde_json::json;

use super::*;
use crate::error::StepErrorKind;

fn process(script: &str) -> Value {
    let container = Container::new("");
    let mut process = container.spec["process"].clone();
    process["args"] = json!(["sh", "-c", script]);
    process
}

#[test]
fn a_process_joins_a_running_container() {
    if !possible() {
        return;
    }
    let container = Container::new("echo 1 > /tmp/mark; sleep 100");
    let (_, outcome) = container.run_and(|pidfd| {
        while !container.path("tmp/mark").exists() {
            std::thread::yield_now();
        }
        let script = "hostname; cat /tmp/mark; cat /proc/1/comm; cat /proc/self/status; id; ls /proc/self/fd | cat";
        let extras = Extras { user: Some("www".to_owned()), ..Extras::default() };
        let outcome = container.exec(pidfd, process(script), &extras);
        let ending = rustix::process::Signal::KILL;
        rustix::process::pidfd_send_signal(pidfd, ending).unwrap();
        outcome
    });
    assert_eq!((outcome.failed, outcome.status), (None, 0));
    let output = outcome.output;
    assert!(
        output.starts_with("box\n1\nsh\n") || output.starts_with("box\n1\nsleep\n"),
        "{output}"
    );
    assert!(
        output.contains("CapBnd:\t00000000a80425fb") && output.contains("Seccomp:\t2"),
        "{output}"
    );
    assert!(output.contains("uid=33(www)"), "{output}");
}

#[test]
fn terminals_and_failures_of_a_joined_process() {
    if !possible() {
        return;
    }
    let container = Container::new("echo 1 > /tmp/mark; sleep 100");
    let (_, (terminal, missing, leaked)) = container.run_and(|pidfd| {
        while !container.path("tmp/mark").exists() {
            std::thread::yield_now();
        }
        let extras = Extras { user: Some(String::new()), ..Extras::default() };
        let mut with_terminal = process("tty");
        with_terminal["terminal"] = json!(true);
        let terminal = container.exec(pidfd, with_terminal, &extras);
        let mut nothing = process("");
        nothing["args"] = json!(["nothing"]);
        let missing = container.exec(pidfd, nothing, &extras);
        let mut leaking = process("pwd");
        leaking["cwd"] = json!("/proc/self/fd/7");
        let leaked = container.exec(pidfd, leaking, &extras);
        rustix::process::pidfd_send_signal(pidfd, rustix::process::Signal::KILL).unwrap();
        (terminal, missing, leaked)
    });
    assert_eq!((terminal.failed, terminal.output.as_str()), (None, "/dev/pts/0\n"));
    assert_eq!(missing.failed.unwrap().kind, StepErrorKind::ExecNotFound);
    assert_eq!(leaked.failed.unwrap().kind, StepErrorKind::BadCwd);
}
