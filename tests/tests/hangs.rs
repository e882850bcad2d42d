//! Starts that hang where a file system does not answer: the client hears where, and nothing is left.
//!
//! The file system is one in user space whose other side says nothing, fuse(4).

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::audit::{cgroups_of_container, pids_of_container};
use harness::daemon::Options;
use harness::isolation::monitors;
use harness::{Client, Daemon, becomes, eventually};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A mount that answers nothing until it is dropped; what waits for it fails then.
struct Silent {
    device: Option<File>,
    place: PathBuf,
}

impl Silent {
    #[track_caller]
    fn at(place: &Path) -> Self {
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse");
        let device = device.expect("/dev/fuse");
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("silent"), place, Some("fuse"), flags, Some(options.as_str())).expect("mount");
        Self { device: Some(device), place: place.to_owned() }
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        drop(self.device.take());
        let _gone_already = umount2(&self.place, MntFlags::MNT_DETACH);
    }
}

fn daemon() -> Option<Daemon> {
    Options::new().arg("--start-timeout").arg("2").start()
}

/// A start that is given up: its text, and what must hold afterwards.
#[track_caller]
fn is_given_up(daemon: &Daemon, id: &str, what: &str) {
    let begin = Instant::now();
    let text = daemon.http().post(&format!("/containers/{id}/start")).expect(500).message();
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    let expected = format!("start of container: {what}");
    assert!(text.starts_with(&expected) && text.ends_with("no answer after 2 s"), "{text}");
    let state = daemon.inspect(id)["State"].clone();
    let shown = (&state["Status"], &state["ExitCode"], &state["Error"]);
    assert_eq!(shown, (&json!("created"), &json!(128), &json!(text)), "{state}");
    assert_eq!(pids_of_container(id), [0_u32; 0]);
    let gone = becomes(Duration::from_secs(5), || cgroups_of_container(id).is_empty());
    assert!(gone, "{:?}", cgroups_of_container(id));
}

fn bind(source: &Path) -> Value {
    json!({ "Binds": [format!("{}:/bound", source.display())] })
}

#[test]
fn a_source_of_a_bind_does_not_answer() {
    let Some(daemon) = daemon() else { return };
    let place = TempDir::new().expect("a directory");
    let id = daemon.create(&json!({ "Cmd": ["true"],
        "HostConfig": bind(&place.path().join("below")) }));
    let silent = Silent::at(place.path());
    is_given_up(&daemon, &id, "sources of binds and volumes");
    let text = daemon.http().post(&format!("/containers/{id}/start")).expect(409).message();
    assert_eq!(text, format!("an earlier start of container {id} still hangs"));
    // Others do not notice.
    assert_eq!(daemon.run(&json!({ "Cmd": ["sh", "-c", "exit 4"] })).code, 4);
    drop(silent);
    fs::create_dir_all(place.path().join("below")).expect("a directory");
    eventually("a start", Duration::from_secs(10), || {
        let answer = daemon.http().post(&format!("/containers/{id}/start"));
        (answer.status == 204).then_some(())
    });
    assert_eq!(daemon.wait(&id), 0);
}

#[test]
fn the_program_s_file_system_does_not_answer() {
    let Some(daemon) = daemon() else { return };
    let place = TempDir::new().expect("a directory");
    fs::create_dir(place.path().join("silent")).expect("a directory");
    let _silent = Silent::at(&place.path().join("silent"));
    let id = daemon.create(&json!({ "Cmd": ["/bound/silent/program"],
        "HostConfig": bind(place.path()) }));
    is_given_up(&daemon, &id, "init, mounts and program (pid ");
}

#[test]
fn the_root_s_file_system_does_not_answer() {
    let Some(daemon) = daemon() else { return };
    let id = daemon.create(&json!({ "Cmd": ["true"] }));
    let upper = daemon.data_root().join("containers").join(&id).join("upper");
    let silent = Silent::at(&upper);
    is_given_up(&daemon, &id, "monitor, root file system and control groups (pid ");
    drop(silent);
    daemon.start_container(&id);
    assert_eq!(daemon.wait(&id), 0);
}

#[test]
fn a_start_that_was_begun_by_a_daemon_before_is_given_up_too() {
    let options = Options::new().arg("--start-timeout").arg("4");
    let Some(mut daemon) = options.clone().start() else { return };
    let place = TempDir::new().expect("a directory");
    fs::create_dir(place.path().join("silent")).expect("a directory");
    let _silent = Silent::at(&place.path().join("silent"));
    let id = daemon.create(&json!({ "Cmd": ["/bound/silent/program"],
        "HostConfig": bind(place.path()) }));
    let (socket, path) = (daemon.socket().to_owned(), format!("/containers/{id}/start"));
    // Its connection ends with the daemon.
    let starting = std::thread::spawn(move || Client::new(&socket).post(&path).status);
    eventually("init", Duration::from_secs(10), || {
        (!pids_of_container(&id).is_empty()).then_some(())
    });
    daemon.kill9();
    let _no_answer = starting.join();
    daemon.start_again(&options);
    let error = eventually("the end of the start", Duration::from_secs(20), || {
        let error = daemon.inspect(&id)["State"]["Error"].as_str().map(str::to_owned);
        error.filter(|error| !error.is_empty())
    });
    assert!(error.ends_with("no answer after 4 s"), "{error}");
    assert_eq!(daemon.inspect(&id)["State"]["Status"], "created");
    let gone = becomes(Duration::from_secs(5), || pids_of_container(&id).is_empty());
    assert!(gone, "{:?}", pids_of_container(&id));
    assert_eq!(daemon.run(&json!({ "Cmd": ["sh", "-c", "exit 4"] })).code, 4);
}

/// Nobody but the daemon before knew its pid.
#[test]
fn a_monitor_that_hung_before_there_was_an_init_is_ended_by_the_next_daemon() {
    let options = Options::new().arg("--start-timeout").arg("4");
    let Some(mut daemon) = options.clone().start() else { return };
    let id = daemon.create(&json!({ "Cmd": ["true"] }));
    let others = daemon.sleeper();
    let before = monitors();
    let silent = Silent::at(&daemon.data_root().join("containers").join(&id).join("upper"));
    let (socket, path) = (daemon.socket().to_owned(), format!("/containers/{id}/start"));
    let starting = std::thread::spawn(move || Client::new(&socket).post(&path).status);
    let hung = eventually("a monitor", Duration::from_secs(10), || {
        monitors().into_iter().find(|pid| !before.contains(pid))
    });
    daemon.kill9();
    let _no_answer = starting.join();
    assert_eq!(pids_of_container(&id), [0_u32; 0]);
    daemon.start_again(&options);
    let error = eventually("the end of the start", Duration::from_secs(20), || {
        let error = daemon.inspect(&id)["State"]["Error"].as_str().map(str::to_owned);
        error.filter(|error| !error.is_empty())
    });
    let what = format!("monitor, root file system and control groups (pid {hung}: ");
    assert!(error.contains(&what) && error.ends_with("no answer after 4 s"), "{error}");
    let gone = becomes(Duration::from_secs(5), || monitors() == before);
    assert!(gone, "{:?} beside {before:?}", monitors());
    assert_eq!(daemon.inspect(&others)["State"]["Running"], true);
    drop(silent);
    daemon.start_container(&id);
    assert_eq!(daemon.wait(&id), 0);
}

#[test]
fn a_container_is_killed_whose_monitor_hangs() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let others = daemon.sleeper();
    let before = monitors();
    let id = daemon.sleeper();
    let hung = monitors().into_iter().find(|pid| !before.contains(pid));
    let hung = i32::try_from(hung.expect("a monitor")).expect("a pid");
    kill(Pid::from_raw(hung), Signal::SIGSTOP).expect("kill");
    daemon.kill9();
    daemon.start_again(&Options::new());
    assert_eq!(daemon.inspect(&id)["State"]["Running"], true);
    let begin = Instant::now();
    daemon.http().post(&format!("/containers/{id}/kill")).expect(204);
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    let state = daemon.inspect(&id)["State"].clone();
    let shown = (&state["Status"], &state["ExitCode"], &state["Error"]);
    let gone = "the container's monitor has gone";
    assert_eq!(shown, (&json!("exited"), &json!(137), &json!(gone)), "{state}");
    let gone = becomes(Duration::from_secs(5), || monitors() == before);
    assert!(gone, "{:?} beside {before:?}", monitors());
    assert_eq!(daemon.inspect(&others)["State"]["Running"], true);
    daemon.start_container(&id);
    daemon.http().delete(&format!("/containers/{id}?force=1")).expect(204);
}
