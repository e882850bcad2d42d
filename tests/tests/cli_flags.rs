//! Flags of `docker run` and `docker create` that few people type, through the stock client: what they do, and
//! what is said to values that can not be.

use std::fs;

use harness::{Daemon, IMAGE, name};

/// The lines of a command's output.
fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn values_that_can_not_be_are_told_in_docker_s_words() {
    let daemon = Daemon::start();
    for (flags, why) in [
        (
            &["--annotation", "=b"] as &[&str],
            "invalid Annotations: the empty string is not permitted as an annotation key",
        ),
        (
            &["--cpu-rt-runtime", "95000", "--cpu-rt-period", "1000"],
            "cpu real-time runtime cannot be higher than cpu real-time period",
        ),
        (&["--group-add", "nosuch"], "Unable to find group nosuch: no matching entries in group"),
        (&["--group-add", "-1"], "uids and gids must be in range 0-2147483647"),
        (
            &["--ipc", "container:"],
            "failed to join IPC namespace: invalid name or ID supplied: \"\"",
        ),
        (
            &["--network", "container:"],
            "Invalid network mode: invalid container format container:<name|id>",
        ),
        (&["--network", "nosuch"], "Error response from daemon: network nosuch not found"),
        (
            &["--link-local-ip", "foo"],
            "invalid config for network bridge: invalid endpoint settings:\ninvalid link-local IP address: foo",
        ),
        (&["--link-local-ip", "10.1.1.1"], "invalid link local IP address: 10.1.1.1"),
        (
            &["--mount", "type=npipe,source=a,target=/x"],
            "invalid mount config for type \"npipe\": mount type unknown",
        ),
        (&["--security-opt", "systempaths=x"], "invalid --security-opt 2: \"systempaths=x\""),
        (&["-v", "/etc:/x:ro,rw"], "invalid mode: ro,rw"),
        (&["-v", "/etc:/x:z,Z"], "invalid mode: z,Z"),
        (
            &["-v", "/etc:/x:nocopy"],
            "invalid volume specification: '/etc:/x:nocopy': invalid mount config for type \"bind\": field \
             VolumeOptions must not be specified",
        ),
        (&["-w", "/etc/passwd"], "Cannot mkdir: /etc/passwd is not a directory"),
    ] {
        let run = [&["run", "--rm"], flags, &[IMAGE, "true"]].concat();
        let said = daemon.docker(&run).fails(125);
        assert!(said.contains(why), "{flags:?}: {said}");
    }
}

#[test]
fn devices_of_drivers_are_a_matter_of_the_start() {
    let daemon = Daemon::start();
    let name = name();
    daemon.docker(&["create", "--name", &name, "--gpus", "all", IMAGE, "true"]).ok();
    let why = "could not select device driver \"\" with capabilities: [[gpu]]";
    assert!(daemon.docker(&["start", &name]).fails(1).contains(why));
    let seen = daemon.inspect(&name);
    let request = &seen["HostConfig"]["DeviceRequests"][0];
    assert_eq!((&request["Count"], &request["Capabilities"][0][0]), (&(-1).into(), &"gpu".into()));
    assert_eq!((&seen["State"]["Error"], &seen["State"]["ExitCode"]), (&why.into(), &128.into()));
    let said =
        daemon.docker(&["run", "--rm", "--device", "vendor.org/class=x", IMAGE, "true"]).fails(125);
    assert!(
        said.contains("could not select device driver \"cdi\" with capabilities: []"),
        "{said}"
    );
    daemon.docker(&["rm", &name]).ok();
}

#[test]
fn hosts_have_names_in_the_host_s_network_too() {
    let daemon = Daemon::start();
    let host = ["run", "--rm", "--network", "host"];
    let names = ["--add-host", "web:10.1.2.3", IMAGE, "cat", "/etc/hosts"];
    let seen = daemon.docker(&[&host[..], &names].concat()).ok();
    assert_eq!(lines(&seen).last(), Some(&"10.1.2.3\tweb"), "{seen}");
    assert!(seen.starts_with("127.0.0.1\tlocalhost\n"), "{seen}");
    let plain = daemon.docker(&[&host[..], &[IMAGE, "cat", "/etc/hosts"]].concat()).ok();
    let hosts = fs::read_to_string("/etc/hosts").expect("the host has hosts");
    assert_eq!(plain, hosts.trim_end());
}

#[test]
fn a_working_directory_is_there_before_the_first_start() {
    let daemon = Daemon::start();
    let name = name();
    let script = "pwd; cat work; stat -c '%u %a' .";
    daemon.docker(&["create", "--name", &name, "-w", "/srv/a/b", IMAGE, "sh", "-c", script]).ok();
    let changed = daemon.docker(&["diff", &name]).ok();
    assert!(changed.ends_with("A /srv/a\nA /srv/a/b"), "{changed}");
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), "to do\n").expect("written");
    let path = file.path().to_str().expect("a path");
    daemon.docker(&["cp", path, &format!("{name}:/srv/a/b/work")]).ok();
    let seen = daemon.docker(&["start", "-a", &name]).ok();
    assert_eq!(lines(&seen), ["/srv/a/b", "to do", "0 755"]);
    daemon.docker(&["rm", &name]).ok();
}

/// Route: POST /networks/{id}/connect
#[test]
fn addresses_of_the_link_are_beside_the_network_s() {
    let daemon = Daemon::start();
    let (network, sleeper) = (name(), name());
    daemon.docker(&["network", "create", &network]).ok();
    let flags = ["--network", &network, "--link-local-ip", "169.254.7.7"];
    let address = "ip -4 -o address show | grep -o '169.254[^ ]*' | head -1";
    let run = [&["run", "--rm"], &flags[..], &[IMAGE, "sh", "-c", address]].concat();
    assert_eq!(daemon.docker(&run).ok(), "169.254.7.7/16");
    daemon.docker(&["run", "-d", "--name", &sleeper, IMAGE, "sleep", "1000"]).ok();
    let connect = ["network", "connect", "--link-local-ip", "169.254.8.8", &network, &sleeper];
    daemon.docker(&connect).ok();
    let seen = daemon.docker(&["exec", &sleeper, "sh", "-c", address]).ok();
    assert_eq!(seen, "169.254.8.8/16");
    let endpoint = &daemon.inspect(&sleeper)["NetworkSettings"]["Networks"][&network];
    assert_eq!(endpoint["IPAMConfig"]["LinkLocalIPs"][0], "169.254.8.8");
    daemon.docker(&["rm", "-f", &sleeper]).ok();
    daemon.docker(&["network", "rm", &network]).ok();
}

#[test]
fn binds_propagate_only_what_their_source_does() {
    let daemon = Daemon::start();
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let root = mounts.lines().rfind(|line| line.split(' ').nth(4) == Some("/")).expect("a root");
    let (tags, _) = root.split_once(" - ").expect("optional fields");
    for (mode, tag, what) in [
        ("rshared", &["shared:"] as &[&str], "shared mount"),
        ("slave", &["shared:", "master:"], "shared or slave mount"),
    ] {
        let run = daemon.docker(&["run", "--rm", "-v", &format!("/etc:/x:{mode}"), IMAGE, "true"]);
        if tag.iter().any(|tag| tags.contains(&format!(" {tag}"))) {
            run.ok();
        } else {
            let why = format!("path /etc is mounted on / but it is not a {what}");
            let said = run.fails(125);
            assert!(said.contains(&why), "{said}");
        }
    }
}
