//! Further processes in a running container.

use runtime::launch::StdioConfig;

use crate::bed::{Bed, Order, order, shell};

#[test]
fn joins_the_container() {
    let bed = Bed::new();
    let (container, mut control) = bed.start_controlled(shell("echo mark >/tmp/mark; sleep 1000"));
    let pid = control.running();
    crate::bed::wait_until("the mark", || bed.directory.path().join("root/tmp/mark").exists());

    let (exec, mut exec_control) =
        bed.exec(&container, pid, shell("cat /tmp/mark; cat /proc/1/comm; exit 9"));
    let exit = exec_control.exit();
    assert_eq!(exit.exit_code, 9);
    assert_eq!(exec.exit_record(), exit);
    let log = std::fs::read_to_string(&exec.log).unwrap();
    assert!(log.contains(r#""mark\n""#) && log.contains(r#""sleep\n""#), "{log}");
    exec_gone(&exec.monitor.0.to_string());

    assert!(!container.groups(&bed).is_empty());
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert_eq!(control.exit().exit_code, 137);
    container.wait_gone(&bed);
}

#[test]
fn is_in_the_containers_groups_and_dies_with_it() {
    let bed = Bed::new();
    let (container, mut control) = bed.start_controlled(order(&["/bin/sleep", "1000"]));
    let pid = control.running();
    let (_, mut exec_control) = bed.exec(&container, pid, order(&["/bin/sleep", "1000"]));
    let exec_pid = exec_control.running();
    let groups = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert_eq!(groups(pid), groups(exec_pid));
    assert!(groups(pid).contains(&container.id));

    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert_eq!(exec_control.exit().exit_code, 137);
    control.exit();
    container.wait_gone(&bed);
}

#[test]
fn with_a_terminal() {
    let bed = Bed::new();
    let (container, mut control) = bed.start_controlled(order(&["/bin/sleep", "1000"]));
    let pid = control.running();
    let stdio =
        StdioConfig { tty: true, stdin: true, stdin_once: true, console_size: Some((10, 20)) };
    let (exec, mut exec_control) = bed.exec(&container, pid, Order { stdio, ..shell("stty size") });
    assert_eq!(exec_control.exit().exit_code, 0);
    let log = std::fs::read_to_string(&exec.log).unwrap();
    assert!(log.contains(r"10 20\r\n"), "{log}");
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    control.exit();
    container.wait_gone(&bed);
}

fn exec_gone(monitor: &str) {
    let process = std::path::PathBuf::from("/proc").join(monitor);
    crate::bed::wait_until("the exec's monitor", || !process.exists());
}
