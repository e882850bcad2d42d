//! Standard streams without a terminal, and the log.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use runtime::launch::StdioConfig;

use crate::bed::{Bed, Control, Order, attach, frames, shell, wait_until};

fn with_stdin(command: &str, stdin_once: bool) -> Order {
    let stdio = StdioConfig { stdin: true, stdin_once, ..StdioConfig::default() };
    Order { stdio, ..shell(command) }
}

#[test]
fn half_close_ends_standard_input() {
    let bed = Bed::new();
    let mut client = None;
    let started = bed.start_after(with_stdin("cat; echo end", true), |socket| {
        let mut stream = attach(socket, true);
        stream.write_all(b"in\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        client = Some(stream);
    });
    let (out, _) = frames(client.unwrap());
    assert_eq!(out, b"in\nend\n");
    started.wait_gone(&bed);
}

#[test]
fn much_goes_through_both_ways() {
    let bed = Bed::new();
    let started = bed.start(with_stdin("cat", true));
    let mut writer = attach(&started.socket, true);
    let reader = writer.try_clone().unwrap();
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let expected = sent.clone();
    let feeder = std::thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let (out, _) = frames(reader);
    feeder.join().unwrap();
    assert!(out == expected);
    started.wait_gone(&bed);
}

#[test]
fn without_stdin_once_the_client_is_detached_and_the_program_goes_on() {
    let bed = Bed::new();
    let started = bed.start(with_stdin("head -n 2", false));
    for line in ["one\n", "two\n"] {
        let mut client = attach(&started.socket, true);
        client.write_all(line.as_bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        client.read_to_end(&mut Vec::new()).unwrap();
    }
    started.wait_gone(&bed);
    assert_eq!(started.exit_record().exit_code, 0);
}

#[test]
fn without_open_stdin_it_is_empty() {
    let bed = Bed::new();
    let (out, _, exit) = bed.run(shell("cat; echo done"));
    assert_eq!((out.as_slice(), exit.exit_code), (&b"done\n"[..], 0));
}

#[test]
fn a_client_that_dies_ends_stdin_once() {
    let bed = Bed::new();
    let started = bed.start(with_stdin("cat >/dev/null; exit 3", true));
    let client = attach(&started.socket, true);
    Control::new(&started.socket).running();
    drop(client);
    started.wait_gone(&bed);
    assert_eq!(started.exit_record().exit_code, 3);
}

#[test]
fn a_program_that_does_not_read_blocks_nobody() {
    let bed = Bed::new();
    let started = bed.start(with_stdin("sleep 1000", true));
    let mut client = attach(&started.socket, true);
    client.set_nonblocking(true).unwrap();
    let block = vec![0; 65536];
    let mut fed = 0;
    wait_until("back pressure", || {
        match client.write(&block) {
            Ok(count) => fed += count,
            Err(_) => return fed > 100_000,
        }
        false
    });
    let pid = Control::new(&started.socket).running();
    assert!(pid > 0);
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    started.wait_gone(&bed);
}

#[test]
fn a_slow_client_loses_nothing() {
    let bed = Bed::new();
    let mut client = None;
    let started =
        bed.start_after(shell("dd if=/dev/zero bs=1000 count=2000 2>/dev/null"), |socket| {
            client = Some(attach(socket, false));
        });
    // Longer than output is drained after an end: the program can not have ended yet.
    std::thread::sleep(Duration::from_secs(3));
    assert!(!started.record.exists());
    let (out, _) = frames(client.unwrap());
    assert_eq!(out.len(), 2_000_000);
    started.wait_gone(&bed);
}

#[test]
fn grandchildren_that_hold_the_streams_do_not_hold_the_end() {
    let bed = Bed::new();
    let namespaces: &[_] = &["mount", "ipc", "uts"];
    let (started, mut control) =
        bed.start_controlled(Order { namespaces, ..shell("sleep 1000 & echo x") });
    let exit = control.exit();
    assert_eq!(exit.exit_code, 0);
    started.wait_gone(&bed);
}

#[test]
fn the_log_is_dockers() {
    let bed = Bed::new();
    let (_, _, exit) = bed.run(shell("true"));
    assert_eq!(exit.exit_code, 0);
    let started = bed.start(shell("printf 'a\\t<b>\\n'; sleep 0.1; echo err >&2; printf end"));
    started.wait_gone(&bed);
    let log = std::fs::read_to_string(&started.log).unwrap();
    let lines: Vec<_> = log.lines().collect();
    let expected = [
        r#"{"log":"a\u0009\u003cb\u003e\n","stream":"stdout","time":""#,
        r#"{"log":"err\n","stream":"stderr","time":""#,
        r#"{"log":"end","stream":"stdout","time":""#,
    ];
    assert_eq!(lines.len(), expected.len(), "{log}");
    for (line, start) in lines.iter().zip(expected) {
        let time = line.strip_prefix(start).unwrap_or_else(|| panic!("{line}"));
        assert!(time.ends_with("Z\"}") && time.len() <= 33 && time.len() >= 23, "{line}");
    }
}

#[test]
fn the_log_is_written_while_the_program_runs() {
    let bed = Bed::new();
    let started = bed.start(shell("echo now; sleep 1000"));
    wait_until("the log entry", || {
        std::fs::read_to_string(&started.log).is_ok_and(|log| log.contains("now"))
    });
    let pid = Control::new(&started.socket).running();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    started.wait_gone(&bed);
}

#[test]
fn the_log_is_rotated() {
    let bed = Bed::new();
    let command = "i=0; while [ $i -lt 1000 ]; do echo $i; i=$((i+1)); done";
    let started = bed.start(Order { log_max: Some((10_000, 3)), ..shell(command) });
    started.wait_gone(&bed);
    let size = |suffix: &str| {
        let path = format!("{}{suffix}", started.log.display());
        std::fs::metadata(path).map(|file| file.len()).unwrap_or(0)
    };
    assert!((10_000..11_000).contains(&size(".1")) && (10_000..11_000).contains(&size(".2")));
    assert!(size("") < 11_000 && size(".3") == 0);
}
