//! Churn: many clients that ask for random things at the same time, while the daemon and its launcher are killed, and
//! then an audit of everything that must hold whatever happened.
//!
//! - [`random`]: numbers that a seed fixes. [`program`]: what runs in the containers, and how to tell the truth of it.
//! - `world`: what the clients share. `client`: one of them. `answers`: what may be answered to what.
//! - `deaths`: who kills the daemon. `audit`: what must hold at the end.

mod answers;
mod audit;
mod client;
mod deaths;
pub mod program;
pub mod random;
mod world;

use std::thread;
use std::time::{Duration, Instant};

pub use deaths::launchers;
use random::Random;
use world::World;

use crate::daemon::Daemon;

/// How long the clients go on when nobody says, in seconds.
const SECONDS: u64 = 40;
/// Findings that end the churn early: one fault may show in many places.
const ENOUGH: usize = 20;

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Churn {
    /// `JOCKER_CHURN_SEED`, else from the clock.
    pub seed: u64,
    /// `JOCKER_CHURN` seconds.
    pub length: Duration,
    /// Clients at the same time.
    pub clients: u64,
}

impl Churn {
    /// As the environment says.
    pub fn from_environment(clients: u64) -> Self {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let clock = clock.map_or(0, |since| u64::from(since.subsec_nanos()));
        Self {
            seed: number("JOCKER_CHURN_SEED").unwrap_or(clock),
            length: Duration::from_secs(number("JOCKER_CHURN").unwrap_or(SECONDS)),
            clients,
        }
    }

    /// Churns, and audits. Panics with everything that was found wrong.
    #[track_caller]
    pub fn run(self, daemon: &mut Daemon) {
        let Self { seed, length, clients } = self;
        eprintln!("churn: JOCKER_CHURN_SEED={seed} JOCKER_CHURN={}", length.as_secs());
        let before = audit::begin(daemon);
        let world = World::new(daemon.http());
        let end = Instant::now() + length;
        let deaths = thread::scope(|scope| {
            for number in 0..clients {
                let mut client = client::Client::new(&world, seed, number);
                scope.spawn(move || client.work_until(end));
            }
            let deaths = deaths::kill_until(daemon, &world, Random::new(seed, u64::MAX), end);
            world.stop();
            deaths
        });
        eprintln!("churn: {deaths}; requests: {}", world.summary());
        if world.findings().is_empty() {
            audit::all(daemon, &world, &before);
        }
        let findings = world.findings();
        assert!(findings.is_empty(), "JOCKER_CHURN_SEED={seed}:\n{}", findings.join("\n"));
    }
}
