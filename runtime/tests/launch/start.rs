//! Starts, exits, failures, and that nothing is left.

use runtime::StepErrorKind;
use runtime::monitor::protocol::State;

use crate::bed::{Bed, Control, Order, attach, order, shell, wait_until};

#[test]
fn output_and_exit_code() {
    let bed = Bed::new();
    let (out, err, exit) = bed.run(shell("echo out; echo err >&2; exit 7"));
    assert_eq!((out.as_slice(), err.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
    assert_eq!((exit.exit_code, exit.signal, exit.oom_killed), (7, None, false));
    assert!(exit.started_at < exit.finished_at);
}

#[test]
fn a_signal_ends_it() {
    let bed = Bed::new();
    let (started, mut control) = bed.start_controlled(order(&["/bin/sleep", "1000"]));
    let pid = control.running();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let exit = control.exit();
    assert_eq!((exit.exit_code, exit.signal), (137, Some(9)));
    assert_eq!(started.exit_record(), exit);
    started.wait_gone(&bed);
}

#[test]
fn the_record_is_there_before_anybody_is_told() {
    let bed = Bed::new();
    let (started, mut control) = bed.start_controlled(order(&["/bin/true"]));
    let exit = loop {
        match control.next().unwrap() {
            State::Exited { exit } => break exit,
            _ => assert!(!matches!(control.next(), Some(State::Failed { .. }))),
        }
    };
    assert_eq!(started.exit_record(), exit);
}

#[test]
fn what_can_not_be_run_is_told() {
    let bed = Bed::new();
    let cases =
        [("/bin/missing", StepErrorKind::ExecNotFound), ("/etc", StepErrorKind::ExecIsDirectory)];
    for (program, kind) in cases {
        let error = failure(&bed, order(&[program]), |_| ());
        assert_eq!(error.kind, kind, "{error}");
    }
}

#[test]
fn nothing_is_left_after_many_starts() {
    let bed = Bed::new();
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    let started: Vec<_> = (0..12).map(|_| bed.start(shell("sleep 0.2 & echo x"))).collect();
    for started in &started {
        started.wait_gone(&bed);
        assert_eq!(started.exit_record().exit_code, 0);
    }
    assert_eq!(descriptors(), before);
    let children = format!("/proc/{0}/task/{0}/children", bed.launcher.pid());
    // The spare monitor stays.
    wait_until("the launcher's children", || {
        std::fs::read_to_string(&children).unwrap().split_whitespace().count() == 1
    });
}

#[test]
fn the_launcher_survives_bad_requests() {
    let bed = Bed::new();
    let mut bad = shell("true");
    bad.args = vec!["/bin/true".to_owned()];
    let started = bed.start_after(bad, |socket| {
        // A first line that is no hello, and one of a later version.
        let mut nonsense = std::os::unix::net::UnixStream::connect(socket).unwrap();
        std::io::Write::write_all(&mut nonsense, b"GET / HTTP/1.1\r\n\r\n").unwrap();
    });
    started.wait_gone(&bed);
    assert!(bed.launcher.is_alive());
}

#[test]
fn later_versions_are_told_ours() {
    let bed = Bed::new();
    let started = bed.start(order(&["/bin/sleep", "1"]));
    let mut client = std::os::unix::net::UnixStream::connect(&started.socket).unwrap();
    std::io::Write::write_all(&mut client, b"{\"version\":2,\"role\":\"control\"}\n").unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut client, &mut answer).unwrap();
    assert_eq!(answer, "{\"state\":\"unsupported\",\"version\":1}\n");
    started.wait_gone(&bed);
}

#[test]
fn who_connects_first_misses_nothing() {
    let bed = Bed::new();
    for _ in 0..5 {
        let mut client = None;
        let started = bed.start_after(order(&["/bin/echo", "first"]), |socket| {
            client = Some(attach(socket, false));
        });
        let (out, _) = crate::bed::frames(client.unwrap());
        assert_eq!(out, b"first\n");
        started.wait_gone(&bed);
    }
}

/// The error of a start that must fail, with the client connected before it.
fn failure(bed: &Bed, order: Order, spoil: impl FnOnce(&std::path::Path)) -> runtime::StepError {
    let mut client = None;
    let started = bed.start_after(order, |socket| {
        client = Some(Control::new(socket));
        spoil(socket);
    });
    let mut control = client.unwrap();
    let error = loop {
        match control.next().unwrap() {
            State::Starting => {}
            State::Failed { error } => break error,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(control.next(), None);
    assert!(!started.record.exists());
    started.wait_gone(bed);
    error
}

#[test]
fn each_step_that_fails_is_undone() {
    let bed = Bed::new();
    let resources = serde_json::json!({ "cpu": { "cpus": "4000" } });
    let error = failure(&bed, Order { resources, ..order(&["/bin/true"]) }, |_| ());
    assert!(error.to_string().starts_with("control groups: write \"4000\""), "{error}");

    let error = failure(&bed, order(&["/bin/true"]), |socket| {
        std::fs::create_dir(socket.with_extension("log")).unwrap();
    });
    assert!(error.to_string().starts_with("log file"), "{error}");

    let root = bed.directory.path().join("root");
    let away = bed.directory.path().join("away");
    std::fs::rename(&root, &away).unwrap();
    failure(&bed, order(&["/bin/true"]), |_| ());
    std::fs::rename(&away, &root).unwrap();
    assert_eq!(bed.run(order(&["/bin/true"])).2.exit_code, 0);
}
