//! A program with a terminal.

use std::io::{Read, Write};

use runtime::launch::StdioConfig;

use crate::bed::{Bed, Control, Order, attach, shell};

fn with_terminal(command: &str) -> Order {
    let stdio =
        StdioConfig { tty: true, stdin: true, stdin_once: true, console_size: Some((33, 101)) };
    Order { stdio, ..shell(command) }
}

#[test]
fn size_at_the_start_and_later() {
    let bed = Bed::new();
    let mut client = None;
    let command = "stty size; read x; stty size; test -t 0 && test -t 1 && echo tty; exit 5";
    let started = bed.start_after(with_terminal(command), |socket| {
        client = Some(attach(socket, true));
    });
    let mut client = client.unwrap();
    let mut control = Control::new(&started.socket);
    control.running();
    let mut first = [0; 8];
    client.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"33 101\r\n");
    control.say(r#"{"unknown":1}"#);
    control.say(r#"{"resize":{"rows":40,"cols":120}}"#);
    std::thread::sleep(std::time::Duration::from_millis(200));
    client.write_all(b"go\n").unwrap();
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "go\r\n40 120\r\ntty\r\n");
    assert_eq!(control.exit().exit_code, 5);
    let log = std::fs::read_to_string(&started.log).unwrap();
    assert!(log.starts_with(r#"{"log":"33 101\r\n","stream":"stdout","time":""#), "{log}");
}

#[test]
fn raw_output_to_the_end() {
    let bed = Bed::new();
    let mut client = None;
    let started = bed.start_after(with_terminal("echo out; echo err >&2; exit 6"), |socket| {
        client = Some(attach(socket, false));
    });
    let mut out = String::new();
    client.unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(out, "out\r\nerr\r\n");
    started.wait_gone(&bed);
    assert_eq!(started.exit_record().exit_code, 6);
}
