//! What follows: after an end, and when a daemon comes up. Pure; [`super::ended`] and [`super::adopt`] do it.

use api_spec::container::HostConfig;

use super::record::Progress;
use super::restart;
use super::state::State;

/// A run that has ended, and what is wanted of the container.
#[derive(Debug)]
pub(super) struct End<'a> {
    pub(super) host_config: &'a HostConfig,
    pub(super) progress: &'a Progress,
    pub(super) exit_code: i32,
    /// Somebody wanted it down: its policy does not matter.
    pub(super) last_run: bool,
    pub(super) restart_asked: bool,
    pub(super) removal_asked: bool,
}

/// What follows an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sequel {
    Rest,
    /// A start after a pause, by its policy.
    Restarting,
    /// A start at once, which a client asked for.
    Restart,
    Removal,
}

pub(super) fn of(end: &End<'_>) -> Sequel {
    let End { host_config, progress, exit_code, last_run, .. } = end;
    let applies = || {
        let policy = &host_config.restart_policy;
        restart::applies(policy, *exit_code, progress.restart_count, progress.stopped_by_client)
    };
    match end {
        End { removal_asked: true, .. } => Sequel::Removal,
        End { restart_asked: true, .. } => Sequel::Restart,
        _ if host_config.auto_remove => Sequel::Removal,
        _ if !last_run && applies() => Sequel::Restarting,
        _ => Sequel::Rest,
    }
}

/// What an adopted container needs first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// Its monitor tells how it is.
    GoOn,
    /// It ran, and its monitor is gone.
    FindEnd,
    /// It ran before the machine was started anew.
    Lost,
    /// Its removal was under way, or is due.
    Remove,
    /// Its restart policy wants it up.
    Start,
    Nothing,
}

/// `has_monitor`: the monitor of a live one answers. `anew`: the machine was started since.
pub(super) fn first(
    host_config: &HostConfig,
    progress: &Progress,
    has_monitor: bool,
    anew: bool,
) -> First {
    match &progress.state {
        state if state.is_live() && has_monitor => First::GoOn,
        state if state.is_live() && anew => First::Lost,
        state if state.is_live() => First::FindEnd,
        State::Removing(_) => First::Remove,
        State::Restarting(_) => First::Start,
        State::Exited(_) if host_config.auto_remove => First::Remove,
        State::Exited(exit)
            if exit.started_at.is_some() && restart::applies_at_boot(host_config, progress) =>
        {
            First::Start
        }
        _ => First::Nothing,
    }
}

#[cfg(test)]
mod tests;
