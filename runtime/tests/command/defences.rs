//! What a container must not get from the command line that starts it.

use std::fs;
use std::os::fd::AsRawFd;

use serde_json::json;

use crate::bed::{Bed, possible};

#[test]
fn no_descriptor_leaks() {
    if !possible() {
        return;
    }
    let bed = Bed::new("ls /proc/self/fd; readlink /proc/self/cwd");
    fs::write(bed.path("bundle/config.json"), bed.spec.to_string()).unwrap();
    let secret = fs::File::open("/etc").unwrap();
    rustix::io::fcntl_setfd(&secret, rustix::io::FdFlags::empty()).unwrap();
    let output = bed.command(&["run", "ID"]).output().unwrap();
    drop(secret);
    // The fourth is the directory that `ls` reads.
    assert_eq!(crate::bed::text(&output.stdout), "0\n1\n2\n3\n/\n");
}

#[test]
fn wanted_descriptors_pass_and_no_others() {
    if !possible() {
        return;
    }
    let bed = Bed::new("cat <&3");
    fs::write(bed.path("bundle/config.json"), bed.spec.to_string()).unwrap();
    fs::write(bed.path("given"), "given").unwrap();
    let given = fs::File::open(bed.path("given")).unwrap();
    rustix::io::fcntl_setfd(&given, rustix::io::FdFlags::empty()).unwrap();
    let script = format!(
        "exec 3<&{}; exec {} --root {} run --preserve-fds 1 {}",
        given.as_raw_fd(),
        env!("CARGO_BIN_EXE_jocker-runtime"),
        bed.path("state").display(),
        bed.id,
    );
    let mut shell = std::process::Command::new("sh");
    let output = shell.args(["-c", &script]).current_dir(bed.path("bundle")).output().unwrap();
    assert_eq!(crate::bed::text(&output.stdout), "given");
    let gap = bed.run(&["run", "--preserve-fds", "9", "ID"]);
    assert!(crate::bed::text(&gap.stderr).contains("is present"));
}

#[test]
fn the_binary_can_not_be_overwritten() {
    if !possible() {
        return;
    }
    // Held by a handle until nothing runs from it any more: only then could it be written to.
    let mut bed = Bed::new("exec sleep 100");
    let binary = bed.path("binary");
    fs::copy(&bed.binary, &binary).unwrap();
    bed.binary = binary;
    bed.create();
    let handle = rustix::fs::open(
        format!("/proc/{}/exe", bed.pid()),
        rustix::fs::OFlags::PATH,
        rustix::fs::Mode::empty(),
    )
    .unwrap();
    bed.must(&["delete", "ID"]);
    let again = format!("/proc/self/fd/{}", handle.as_raw_fd());
    crate::bed::wait(
        || match fs::File::options().write(true).open(&again) {
            Err(error) => error.raw_os_error() == Some(libc::EROFS),
            Ok(_) => panic!("the binary is open for writing"),
        },
        "a refusal because of the read-only mount",
    );
    // A container that executes init's own binary.
    let mut bed = Bed::new("");
    bed.spec["process"]["args"] = json!(["/proc/self/exe", "events", "nothing"]);
    let before = fs::read(env!("CARGO_BIN_EXE_jocker-runtime")).unwrap().len();
    let _ = bed.run(&["run", "ID"]);
    assert_eq!(fs::read(env!("CARGO_BIN_EXE_jocker-runtime")).unwrap().len(), before);
}

#[test]
fn devices_are_denied_by_default() {
    if !possible() {
        return;
    }
    // A device that asks for no capability to be opened: nothing but its group is in the way.
    let mut bed = Bed::new("(: < /dev/other); echo > /dev/null && echo null works");
    bed.spec["linux"]["devices"] =
        json!([{"path": "/dev/other", "type": "c", "major": 10, "minor": 229, "fileMode": 0o666}]);
    let output = bed.run(&["run", "ID"]);
    assert_eq!(crate::bed::text(&output.stdout), "null works\n");
    assert!(crate::bed::text(&output.stderr).contains("not permitted"));
}

#[test]
fn a_dev_that_is_a_link_gets_no_nodes() {
    if !possible() {
        return;
    }
    let mut bed = Bed::new("true");
    let outside = bed.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::remove_dir(bed.inside("dev")).unwrap();
    std::os::unix::fs::symlink(&outside, bed.inside("dev")).unwrap();
    bed.spec["mounts"] = json!([{"destination": "/proc", "type": "proc", "source": "proc"}]);
    let output = bed.run(&["run", "ID"]);
    assert!(!output.status.success());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

/// The caller has a key that only those see who have its session's keyring.
#[test]
#[cfg(target_arch = "x86_64")]
fn keys_of_the_caller_s_session_stay_there() {
    // Perl is on every Debian, keyctl(1) is not. Calls: 250 is keyctl(2) (1: new session, 5: permissions), 248 add_key(2).
    const WITH_A_KEY: &str = r#"
        my ($type, $name, $data) = ("user", "secret-of-the-host", "x");
        syscall(250, 1, 0) > 0 or die "session: $!";
        my $key = syscall(248, $type, $name, $data, 1, -3);
        $key > 0 or die "key: $!";
        syscall(250, 5, $key, 0x3f000000) == 0 or die "permissions: $!";
        exec @ARGV;
    "#;
    if !possible() {
        return;
    }
    let bed = Bed::new("grep -c secret-of-the-host /proc/keys");
    fs::write(bed.path("bundle/config.json"), bed.spec.to_string()).unwrap();
    let seen = |bed: &Bed, arguments: &[&str]| {
        let command = bed.command(arguments);
        let mut perl = std::process::Command::new("perl");
        perl.args(["-e", WITH_A_KEY]).arg(command.get_program()).args(command.get_args());
        let output = perl.current_dir(bed.path("bundle")).output().unwrap();
        assert_eq!(crate::bed::text(&output.stderr), "");
        crate::bed::text(&output.stdout).trim().to_owned()
    };
    assert_eq!(seen(&bed, &["run", "--no-new-keyring", "ID"]), "1");
    assert_eq!(seen(&bed, &["run", "ID"]), "0");
    let running = Bed::new("exec sleep 100");
    running.start();
    let grep = ["exec", "ID", "sh", "-c", "grep -c secret-of-the-host /proc/keys"];
    assert_eq!(seen(&running, &grep), "0");
}
