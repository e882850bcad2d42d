//! Calls of a container that another process answers.

use std::io::{IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::thread::{self, JoinHandle};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::{Value, json};

use crate::bed::{Bed, possible, text};

/// An agent that takes so many states, each with a descriptor that it answers nothing by and closes. Returns the states
/// and what the descriptors are.
fn agent(bed: &Bed, count: usize) -> JoinHandle<Vec<(Value, String)>> {
    let listener = UnixListener::bind(bed.path("agent.sock")).unwrap();
    thread::spawn(move || (0..count).map(|_| take(&listener)).collect())
}

fn take(listener: &UnixListener) -> (Value, String) {
    let (mut stream, _) = listener.accept().unwrap();
    let mut bytes = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let received = recvmsg(&stream, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC).unwrap();
    let right = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
        _ => None,
    });
    let mut whole = bytes[..received.bytes].to_vec();
    stream.read_to_end(&mut whole).unwrap();
    let right = right.expect("a descriptor");
    let link = std::fs::read_link(format!("/proc/self/fd/{}", right.as_raw_fd())).unwrap();
    (serde_json::from_slice(&whole).unwrap(), link.display().to_string())
}

/// A container whose `mkdir` is answered by an agent.
fn bed(script: &str) -> Bed {
    let mut bed = Bed::new(script);
    std::os::unix::fs::symlink("busybox", bed.inside("bin/mkdir")).unwrap();
    bed.spec["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": bed.path("agent.sock"),
        "listenerMetadata": "for the agent",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}],
    });
    bed
}

fn check(state: &Value, bed: &Bed, status: &str) {
    assert_eq!(state["ociVersion"], "1.2.0");
    assert_eq!(state["fds"], json!(["seccompFd"]));
    assert_eq!(state["metadata"], "for the agent");
    assert_eq!(state["state"]["id"], bed.id.as_str());
    assert_eq!(state["state"]["status"], status);
    assert_eq!(state["state"]["annotations"]["org.example.note"], "value");
    assert!(state["pid"].as_i64().unwrap() > 1, "{state}");
}

#[test]
fn an_agent_gets_the_descriptor_and_the_state() {
    if !possible() {
        return;
    }
    let bed = bed("mkdir /tmp/x 2>&1; echo and on");
    let agent = agent(&bed, 1);
    let output = bed.must(&["run", "ID"]);
    let (state, link) = agent.join().unwrap().remove(0);
    assert_eq!(link, "anon_inode:seccomp notify");
    check(&state, &bed, "created");
    // It closed its descriptor, so there is nobody to answer: ENOSYS; seccomp_unotify(2).
    assert!(output.contains("not implemented") && output.ends_with("and on\n"), "{output}");
}

#[test]
fn created_containers_and_execs_have_theirs() {
    if !possible() {
        return;
    }
    let bed = bed("exec sleep 100");
    let agent = agent(&bed, 2);
    bed.start();
    let output = bed.must(&["exec", "ID", "sh", "-c", "mkdir /tmp/x 2>&1 || echo refused"]);
    assert!(output.contains("not implemented"), "{output}");
    let states = agent.join().unwrap();
    check(&states[0].0, &bed, "created");
    assert_eq!(states[0].0["pid"], bed.pid());
    check(&states[1].0, &bed, "running");
    assert_ne!(states[1].0["pid"], bed.pid());
}

#[test]
fn without_an_agent_nothing_is_run() {
    if !possible() {
        return;
    }
    let mut bed = bed("echo never");
    let output = bed.run(&["run", "ID"]);
    assert!(!output.status.success() && output.stdout.is_empty());
    let errors = text(&output.stderr);
    assert!(errors.contains("agent.sock"), "{errors}");
    bed.spec["linux"]["seccomp"]["listenerPath"] = json!("agent.sock");
    let errors = text(&bed.run(&["run", "ID"]).stderr);
    assert!(errors.contains("linux.seccomp.listenerPath"), "{errors}");
}
