//! Random lives of a container, with deaths of the daemon and of the machine: every turn is legal, and nothing is
//! started, kept or removed that nobody wants so.

use api_spec::container::{HostConfig, RestartPolicy};
use proptest::prelude::*;

use super::*;
use crate::containers::state::{Admission, Exit, Refusal, Request, Running};

/// What happens to a container.
#[derive(Debug, Clone, Copy)]
enum Happens {
    Asked(Request),
    /// The start under way comes to its program, or does not.
    Comes(bool),
    Ends(i32),
    /// The pause before a restart is over.
    PauseEnds,
    Death {
        with_monitor: bool,
        with_machine: bool,
    },
}

fn happens() -> impl Strategy<Value = Happens> {
    use Request::{Kill, Pause, Remove, Restart, Start, Stop, Unpause};
    let requests = [
        Start,
        Start,
        Stop,
        Kill,
        Restart,
        Pause,
        Unpause,
        Remove { force: false },
        Remove { force: true },
    ];
    prop_oneof![
        4 => proptest::sample::select(requests.to_vec()).prop_map(Happens::Asked),
        3 => proptest::bool::weighted(0.8).prop_map(Happens::Comes),
        2 => proptest::sample::select(vec![0, 1, 137]).prop_map(Happens::Ends),
        1 => Just(Happens::PauseEnds),
        2 => (any::<bool>(), any::<bool>())
            .prop_map(|(with_monitor, with_machine)| Happens::Death { with_monitor, with_machine }),
    ]
}

fn host_config() -> impl Strategy<Value = HostConfig> {
    let policies = ["no", "always", "unless-stopped", "on-failure", "removed"];
    (proptest::sample::select(policies.to_vec()), 0..3_i64).prop_map(|(name, count)| {
        let auto_remove = name == "removed";
        let name = if auto_remove { "no" } else { name }.to_owned();
        let restart_policy = RestartPolicy { name, maximum_retry_count: count };
        HostConfig { auto_remove, restart_policy, ..HostConfig::default() }
    })
}

/// A container and what is wanted of it, as its actor keeps it.
#[derive(Debug)]
struct Life {
    host_config: HostConfig,
    progress: Progress,
    last_run: bool,
    restart_asked: bool,
    removal_asked: bool,
    /// A restart is due when a pause is over.
    due: bool,
    runs: u64,
}

impl Life {
    fn new(host_config: HostConfig) -> Self {
        Self {
            host_config,
            progress: Progress::default(),
            last_run: false,
            restart_asked: false,
            removal_asked: false,
            due: false,
            runs: 0,
        }
    }

    fn turn(&mut self, next: State) {
        let state = &self.progress.state;
        assert!(state.may_become(&next), "from {state:?} to {next:?}");
        self.progress.state = next;
    }

    fn is_running(&self) -> bool {
        self.progress.state.running().is_some()
    }

    /// Nobody asked for this start.
    fn begin_by_policy(&mut self) {
        let policy = self.host_config.restart_policy.name.as_str();
        assert!(restart::has_policy(&self.host_config.restart_policy), "{self:?}");
        assert!(policy != "unless-stopped" || !self.progress.stopped_by_client, "{self:?}");
        self.begin();
    }

    fn begin(&mut self) {
        assert!(!self.is_running(), "{self:?}");
        self.turn(State::Starting);
        self.progress.stopped_by_client = false;
        (self.last_run, self.restart_asked, self.due) = (false, false, false);
    }

    fn remove(&mut self) {
        let exit = self.progress.state.exit().cloned().unwrap_or_default();
        self.due = false;
        self.turn(State::Removing(exit.clone()));
        self.turn(State::Removed(exit));
    }

    fn wanted_down(&mut self) {
        self.progress.stopped_by_client = true;
        self.last_run = true;
    }

    fn asked(&mut self, request: Request) {
        // Whatever else is asked during a start waits for its end.
        if self.progress.state == State::Starting && request != Request::Start {
            return;
        }
        let admission = self.progress.state.admit(request);
        if matches!(self.progress.state, State::Removed(_)) {
            assert_eq!(admission, Admission::Refuse(Refusal::Gone));
        }
        if admission != Admission::Accept {
            return;
        }
        match request {
            Request::Start => {
                self.progress.restart_count = 0;
                self.begin();
            }
            Request::Stop | Request::Kill => {
                self.wanted_down();
                if let State::Restarting(exit) = self.progress.state.clone() {
                    self.turn(State::Exited(exit));
                    self.due = false;
                }
            }
            Request::Restart if self.is_running() => {
                (self.last_run, self.restart_asked) = (true, true);
            }
            Request::Restart => self.begin(),
            Request::Remove { .. } if self.is_running() => {
                self.wanted_down();
                self.removal_asked = true;
            }
            Request::Remove { .. } => self.remove(),
            Request::Pause | Request::Unpause => {
                let running = self.progress.state.running().cloned().expect("it runs");
                let paused = request == Request::Pause;
                self.turn(if paused { State::Paused(running) } else { State::Running(running) });
            }
            _ => unreachable!("not asked here: {request:?}"),
        }
    }

    fn comes(&mut self, comes: bool) {
        if self.progress.state != State::Starting {
            return;
        }
        if comes {
            self.runs += 1;
            let started_at = self.runs.to_string();
            return self.turn(State::Running(Running {
                pid: 1,
                start_ticks: self.runs,
                started_at,
            }));
        }
        let before = self.progress.last_exit.as_ref();
        let started_at = before.and_then(|exit| exit.started_at.clone());
        let exit = Exit { exit_code: 128, error: "no".into(), started_at, ..Exit::default() };
        self.turn(State::Exited(exit));
        if self.host_config.auto_remove {
            self.remove();
        }
    }

    fn ends(&mut self, exit_code: i32) {
        let Some(running) = self.progress.state.running().cloned() else { return };
        let exit = Exit { exit_code, started_at: Some(running.started_at), ..Exit::default() };
        self.progress.last_exit = Some(exit.clone());
        let sequel = of(&End {
            host_config: &self.host_config,
            progress: &self.progress,
            exit_code,
            last_run: self.last_run,
            restart_asked: self.restart_asked,
            removal_asked: self.removal_asked,
        });
        self.turn(match sequel {
            Sequel::Restarting => State::Restarting(exit),
            _ => State::Exited(exit),
        });
        match sequel {
            Sequel::Restarting => {
                assert!(!self.last_run && !self.host_config.auto_remove);
                self.due = true;
            }
            Sequel::Restart => {
                assert!(self.restart_asked && !self.removal_asked);
                self.begin();
            }
            Sequel::Removal => {
                assert!(self.removal_asked || self.host_config.auto_remove);
                self.remove();
            }
            Sequel::Rest => assert!(!self.removal_asked && !self.host_config.auto_remove),
        }
    }

    /// The daemon dies; the next one knows what is stored.
    fn death(&mut self, with_monitor: bool, with_machine: bool) {
        if matches!(self.progress.state, State::Removed(_)) {
            return;
        }
        let stored = serde_json::to_string(&self.progress).expect("it can be stored");
        self.progress = serde_json::from_str(&stored).expect("it can be read");
        self.last_run = self.progress.stopped_by_client;
        (self.restart_asked, self.removal_asked, self.due) = (false, false, false);
        let has_monitor = self.progress.state.is_live() && !with_monitor && !with_machine;
        match first(&self.host_config, &self.progress, has_monitor, with_machine) {
            First::GoOn => assert!(has_monitor),
            First::FindEnd | First::Lost if self.is_running() => self.ends(255),
            First::FindEnd | First::Lost => {
                let before = self.progress.last_exit.clone();
                self.turn(before.map_or(State::Created, State::Exited));
                if self.host_config.auto_remove {
                    self.remove();
                } else if restart::applies_at_boot(&self.host_config, &self.progress) {
                    self.begin_by_policy();
                }
            }
            First::Remove => self.remove(),
            First::Start => self.begin_by_policy(),
            First::Nothing => assert!(!self.progress.state.is_live()),
        }
        let rests = matches!(self.progress.state, State::Exited(_));
        assert!(!(rests && self.host_config.auto_remove), "{self:?}");
    }

    fn happens(&mut self, what: Happens) {
        match what {
            Happens::Asked(request) => self.asked(request),
            Happens::Comes(comes) => self.comes(comes),
            Happens::Ends(exit_code) => self.ends(exit_code),
            Happens::PauseEnds => {
                if std::mem::take(&mut self.due) {
                    assert!(matches!(self.progress.state, State::Restarting(_)), "{self:?}");
                    self.progress.restart_count += 1;
                    self.begin_by_policy();
                }
            }
            Happens::Death { with_monitor, with_machine } => self.death(with_monitor, with_machine),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_life_is_legal(config in host_config(), story in proptest::collection::vec(happens(), 1..60)) {
        let mut life = Life::new(config);
        for what in story {
            life.happens(what);
        }
    }
}
