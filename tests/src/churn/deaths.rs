//! Who kills: `kill -9` of the daemon, which is started again, and of its launcher, which it has to replace.

use std::fmt;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::random::Random;
use super::world::World;
use crate::daemon::{Daemon, Options};

/// Shortest and longest time between two deaths, in milliseconds.
const PAUSE: (u64, u64) = (200, 3_600);
/// Of a hundred deaths, those that are the launcher's alone.
const LAUNCHERS: u64 = 35;

/// How often whom.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    daemons: u32,
    launchers: u32,
}

impl fmt::Display for Deaths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { daemons, launchers } = self;
        write!(f, "kill -9: {daemons} of the daemon, {launchers} of the launcher alone")
    }
}

/// Kills at random moments; the daemon lives when it returns.
pub(super) fn kill_until(
    daemon: &mut Daemon,
    world: &World,
    mut random: Random,
    end: Instant,
) -> Deaths {
    let mut deaths = Deaths::default();
    loop {
        let (least, most) = PAUSE;
        let next = Instant::now() + Duration::from_millis(least + random.below(most - least));
        while Instant::now() < next.min(end) && !world.is_stopped() {
            thread::sleep(Duration::from_millis(5));
        }
        if Instant::now() >= end || world.is_stopped() {
            return deaths;
        }
        if random.chance(LAUNCHERS) {
            deaths.launchers += kill_launchers(daemon.pid(), world);
            continue;
        }
        deaths.daemons += 1;
        world.turn();
        world.trace("DEATH of the daemon");
        daemon.kill9();
        daemon.start_again(&Options::new());
        world.trace("the daemon answers again");
        world.turn();
    }
}

fn kill_launchers(daemon: u32, world: &World) -> u32 {
    let mut killed = 0;
    for pid in launchers(daemon) {
        world.trace("DEATH of the launcher");
        killed += u32::from(kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok());
    }
    killed
}

/// Pids of the children of the daemon that are launchers.
pub fn launchers(daemon: u32) -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("/proc");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        // proc_pid_stat(5): the name in parentheses, the state, the parent.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let Some((name, rest)) = stat.rsplit_once(')') else { return false };
        let parent = rest.split_whitespace().nth(1).and_then(|parent| parent.parse().ok());
        name.ends_with("jocker-launcher") && parent == Some(daemon)
    })
    .collect()
}
