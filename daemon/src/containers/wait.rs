//! Waiting for a container's end.

use super::handle::{Handle, Snapshot};
use super::state::State;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// It does not run: at once if it does not run now.
    NotRunning,
    /// It ends the next time.
    NextExit,
    /// It is gone.
    Removed,
}

impl Condition {
    /// Reads the query's `condition`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "not-running" => Some(Self::NotRunning),
            "next-exit" => Some(Self::NextExit),
            "removed" => Some(Self::Removed),
            _ => None,
        }
    }

    /// The exit code, if the condition holds. `exits` is the count when waiting began.
    fn holds(self, snapshot: &Snapshot, exits: u64) -> Option<i32> {
        let progress = &snapshot.progress;
        let last = || progress.last_exit.as_ref().map_or(0, |exit| exit.exit_code);
        let code = progress.state.exit().map_or_else(last, |exit| exit.exit_code);
        let holds = match (&progress.state, self) {
            (State::Removed(_), _) => true,
            (_, Self::Removed) => false,
            (_, Self::NextExit) => snapshot.exits > exits,
            // An end that is followed by a new start ends a wait too, if it was waited for.
            (State::Restarting(_), Self::NotRunning) => snapshot.exits > exits,
            (state, Self::NotRunning) => !state.is_live() || snapshot.exits > exits,
        };
        holds.then_some(code)
    }
}

/// A wait that has begun: what happens from now on is not missed.
#[derive(Debug)]
pub(crate) struct Wait {
    handle: Handle,
    condition: Condition,
    exits: u64,
}

impl Handle {
    /// Begins to wait.
    pub(crate) fn wait(&self, condition: Condition) -> Wait {
        Wait { exits: self.snapshot().exits, handle: self.clone(), condition }
    }

    /// Why the last start failed, if it did; nobody asks any more about a container that is removed.
    pub(crate) fn start_error(&self) -> Option<String> {
        let seen = self.snapshot();
        if matches!(seen.progress.state, State::Removing(_) | State::Removed(_)) {
            return None;
        }
        let error = seen.progress.state.exit().map(|exit| exit.error.clone());
        error.filter(|error| !error.is_empty())
    }
}

impl Wait {
    /// The exit code, when the condition holds; `None` if the daemon ends before.
    pub(crate) async fn done(self) -> Option<i32> {
        let Self { handle, condition, exits } = self;
        let mut seen = handle.snapshot;
        let snapshot = seen.wait_for(|snapshot| condition.holds(snapshot, exits).is_some()).await;
        condition.holds(&*snapshot.ok()?, exits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::record::Progress;
    use crate::containers::state::Exit;

    fn snapshot(state: State, exits: u64) -> Snapshot {
        let progress = Progress { state, ..Progress::default() };
        Snapshot { name: String::new(), progress, exits, timeline: Default::default() }
    }

    #[test]
    fn conditions() {
        let exit = Exit { exit_code: 7, ..Exit::default() };
        let exited = snapshot(State::Exited(exit.clone()), 1);
        assert_eq!(Condition::NotRunning.holds(&exited, 1), Some(7));
        assert_eq!(Condition::NextExit.holds(&exited, 1), None);
        assert_eq!(Condition::NextExit.holds(&exited, 0), Some(7));
        assert_eq!(Condition::Removed.holds(&exited, 0), None);
        let removed = snapshot(State::Removed(exit.clone()), 1);
        assert_eq!(Condition::Removed.holds(&removed, 1), Some(7));
        let restarting = snapshot(State::Restarting(exit), 1);
        assert_eq!(Condition::NotRunning.holds(&restarting, 1), None);
        assert_eq!(Condition::NotRunning.holds(&restarting, 0), Some(7));
        assert_eq!(Condition::NotRunning.holds(&snapshot(State::Created, 0), 0), Some(0));
    }
}
