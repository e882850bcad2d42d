//! Terminals over a console socket.

use std::fs::File;
use std::io::{IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixListener;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::json;

use crate::bed::{Bed, possible};

/// Takes the master that comes with one message.
fn master(listener: &UnixListener) -> File {
    let (connection, _) = listener.accept().unwrap();
    let mut name = [0; 64];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut name)];
    recvmsg(&connection, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC).unwrap();
    let rights = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
        _ => None,
    });
    File::from(rights.unwrap())
}

#[test]
fn the_master_goes_to_the_console_socket() {
    if !possible() {
        return;
    }
    let mut bed = Bed::new("tty; read line; echo got $line");
    bed.spec["process"]["terminal"] = json!(true);
    let (done, errors) = bed.run_detached(&["create", "ID"]);
    assert!(!done && errors.contains("console socket"), "{errors}");
    let path = bed.path("console");
    let listener = UnixListener::bind(&path).unwrap();
    let path = path.display().to_string();
    let (done, errors) = bed.run_detached(&["create", "--console-socket", &path, "ID"]);
    assert!(done, "{errors}");
    let mut master = master(&listener);
    bed.must(&["start", "ID"]);
    master.write_all(b"typed\n").unwrap();
    let mut seen = Vec::new();
    let mut piece = [0; 256];
    while let Ok(count @ 1..) = master.read(&mut piece) {
        seen.extend_from_slice(&piece[..count]);
    }
    let seen = String::from_utf8_lossy(&seen).replace('\r', "");
    assert!(seen.contains("/dev/pts/0\n") && seen.contains("got typed\n"), "{seen}");
}

#[test]
fn exec_with_a_terminal_in_the_foreground() {
    if !possible() {
        return;
    }
    let bed = Bed::new("exec sleep 100");
    bed.start();
    let output = bed.must(&["exec", "--tty", "ID", "tty"]);
    assert_eq!(output.replace('\r', ""), "/dev/pts/0\n");
}
