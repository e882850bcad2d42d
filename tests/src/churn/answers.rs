//! What may be answered to what, whatever else is going on at the same time. Everything else is a finding.

/// A kind of request: its name, and the statuses that are answers to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) statuses: &'static [u16],
}

const fn kind(name: &'static str, statuses: &'static [u16]) -> Kind {
    Kind { name, statuses }
}

pub(super) const CREATE: Kind = kind("create", &[201, 409]);
pub(super) const START: Kind = kind("start", &[204, 304, 404, 409]);
/// Of a program that cannot be executed.
pub(super) const START_MISSING: Kind = kind("start", &[304, 400, 404, 409]);
pub(super) const STOP: Kind = kind("stop", &[204, 304, 404]);
pub(super) const KILL: Kind = kind("kill", &[204, 404, 409]);
pub(super) const RESTART: Kind = kind("restart", &[204, 404, 409]);
pub(super) const RESTART_MISSING: Kind = kind("restart", &[400, 404, 409]);
pub(super) const PAUSE: Kind = kind("pause", &[204, 404, 409]);
/// 500: it is not paused.
pub(super) const UNPAUSE: Kind = kind("unpause", &[204, 404, 500]);
/// 400: it is called so already.
pub(super) const RENAME: Kind = kind("rename", &[204, 400, 404, 409]);
pub(super) const UPDATE: Kind = kind("update", &[200, 404, 409]);
pub(super) const EXEC_CREATE: Kind = kind("exec create", &[201, 404, 409]);
pub(super) const EXEC_START: Kind = kind("exec start", &[200, 404, 409]);
pub(super) const EXEC_ATTACHED: Kind = kind("exec start", &[101, 404, 409]);
pub(super) const EXEC_INSPECT: Kind = kind("exec inspect", &[200, 404]);
pub(super) const ATTACH: Kind = kind("attach", &[101, 404, 409]);
pub(super) const LOGS: Kind = kind("logs", &[200, 404]);
pub(super) const WAIT: Kind = kind("wait", &[200, 404]);
pub(super) const REMOVE: Kind = kind("rm", &[204, 404, 409]);
pub(super) const TOP: Kind = kind("top", &[200, 404, 409]);
pub(super) const STATS: Kind = kind("stats", &[200, 404]);
pub(super) const INSPECT: Kind = kind("inspect", &[200, 404]);
pub(super) const LIST: Kind = kind("ps", &[200]);
pub(super) const RESIZE: Kind = kind("resize", &[200, 404, 409]);

/// What is wrong with an answer.
pub(super) fn judge(kind: Kind, status: u16, text: &str) -> Option<String> {
    let known = kind.statuses.contains(&status);
    // Docker has no better status for this one.
    let other_failure = status == 500 && !text.contains("is not paused");
    (!known || other_failure).then(|| format!("{status} {}", text.trim()))
}
