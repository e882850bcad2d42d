//! The timeline of a start: when each step was done. It travels with the start, from the daemon through the monitor
//! into init, in messages that are sent anyway, and comes back with the word that the program runs. A mark is one
//! `clock_gettime`, which enters no kernel; vdso(7).

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Marks of a start for which room is made at once.
const USUAL: usize = 32;

/// A step that is done. Its name on the wire is its own in snake case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Daemon: the start is taken up; all that follows is measured from here.
    Asked,
    /// Daemon: a thread is at work on it.
    Begun,
    /// Daemon: networks have given addresses and ports.
    Leased,
    /// Daemon: the state is stored.
    Recorded,
    /// Daemon: the network namespace is there, with its interfaces.
    Connected,
    /// Daemon: the files of `/etc` and the sources of binds are there.
    Filed,
    /// Daemon: the OCI spec is built and compiled to a plan.
    Compiled,
    /// Monitor: a spare one has received the request.
    Received,
    /// Monitor: the request is read.
    Read,
    /// Monitor: the root file system is mounted, detached.
    RootMounted,
    /// Monitor: the control groups are made.
    GroupsMade,
    /// Init: the process exists, in its new namespaces.
    Cloned,
    /// Init: it is in its control groups.
    GroupsEntered,
    /// Init: a session and, in a user namespace, ids of its own.
    SessionMade,
    /// Init: the session keyring is a new one.
    KeyringMade,
    /// Init: namespaces that exist already are joined.
    NamespacesJoined,
    /// Init: host and domain name are set, the root is at its place.
    RootAttached,
    /// Init: the file systems are mounted.
    Mounted,
    /// Init: the device nodes are made.
    DevicesMade,
    /// Init: the terminal is open.
    TerminalOpened,
    /// Init: kernel parameters and resource limits are set.
    ParametersSet,
    /// Init: paths are masked or read-only.
    Masked,
    /// Init: the control groups' file system is mounted, in a namespace of its own.
    GroupsMounted,
    /// Init: the hooks of the host and of the container are run.
    HooksRun,
    /// Init: the root is entered, the host's is gone.
    RootEntered,
    /// Init: the standard streams are the program's.
    StreamsTaken,
    /// Init: the user is found, the working directory entered.
    UserFound,
    /// Init: ids and capabilities are the program's, which is found.
    IdentityAssumed,
    /// Monitor: the filter of system calls is loaded, the program executed.
    Executed,
    /// Daemon: it has heard that the program runs.
    Heard,
    /// A step that another build knows.
    #[serde(other)]
    Unknown,
}

/// One step and when it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark(
    pub Step,
    /// Nanoseconds since the timeline began.
    pub u64,
);

/// The marks of one start, in their order. Times are the wall clock's: that one is the same in every namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// Nanoseconds since 1970; 0 before the first mark.
    began: u64,
    marks: Vec<Mark>,
}

impl Timeline {
    /// A timeline that begins with this step.
    pub fn begin(step: Step) -> Self {
        let mut timeline = Self { began: 0, marks: Vec::with_capacity(USUAL) };
        timeline.mark(step);
        timeline
    }

    /// The step is done now.
    pub fn mark(&mut self, step: Step) {
        self.mark_at(step, SystemTime::now());
    }

    /// The step was done then.
    pub fn mark_at(&mut self, step: Step, when: SystemTime) {
        let now = when.duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        if self.began == 0 {
            self.began = now;
        }
        // A clock that is set back stands still here.
        let last = self.marks.last().map_or(0, |mark| mark.1);
        self.marks.push(Mark(step, now.saturating_sub(self.began).max(last)));
    }

    /// When it began, in nanoseconds since 1970.
    pub fn began(&self) -> u64 {
        self.began
    }

    /// Whether nothing is known of the start.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }
}

impl Step {
    /// The process that did it, and what was done.
    pub fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::Asked => ("daemon", "start asked for"),
            Self::Begun => ("daemon", "thread found"),
            Self::Leased => ("daemon", "addresses and ports leased"),
            Self::Recorded => ("daemon", "state stored"),
            Self::Connected => ("daemon", "network namespace connected"),
            Self::Filed => ("daemon", "files of /etc written"),
            Self::Compiled => ("daemon", "plan compiled"),
            Self::Received => ("monitor", "request received"),
            Self::Read => ("monitor", "request read"),
            Self::RootMounted => ("monitor", "root file system mounted"),
            Self::GroupsMade => ("monitor", "control groups made"),
            Self::Cloned => ("init", "process cloned"),
            Self::GroupsEntered => ("init", "control groups entered"),
            Self::SessionMade => ("init", "session made"),
            Self::KeyringMade => ("init", "keyring made"),
            Self::NamespacesJoined => ("init", "namespaces joined"),
            Self::RootAttached => ("init", "names set, root attached"),
            Self::Mounted => ("init", "file systems mounted"),
            Self::DevicesMade => ("init", "devices made"),
            Self::TerminalOpened => ("init", "terminal opened"),
            Self::ParametersSet => ("init", "parameters and limits set"),
            Self::Masked => ("init", "paths masked"),
            Self::GroupsMounted => ("init", "control groups mounted"),
            Self::HooksRun => ("init", "hooks run"),
            Self::RootEntered => ("init", "root entered"),
            Self::StreamsTaken => ("init", "streams taken"),
            Self::UserFound => ("init", "user and directory found"),
            Self::IdentityAssumed => ("init", "identity assumed, program found"),
            Self::Executed => ("monitor", "filter loaded, program executed"),
            Self::Heard => ("daemon", "heard that it runs"),
            Self::Unknown => ("unknown", "a step of another build"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_in_order_and_travel() {
        let mut timeline = Timeline::begin(Step::Asked);
        timeline.mark(Step::Cloned);
        timeline.mark(Step::Executed);
        let times: Vec<u64> = timeline.marks().iter().map(|mark| mark.1).collect();
        assert!(times[0] == 0 && times.is_sorted(), "{times:?}");
        let text = serde_json::to_string(&timeline).unwrap();
        assert!(text.contains(r#"["cloned","#), "{text}");
        assert_eq!(serde_json::from_str::<Timeline>(&text).unwrap(), timeline);
    }

    #[test]
    fn steps_of_other_builds_are_passed_over() {
        let text = r#"{"began":5,"marks":[["asked",0],["flown",7]]}"#;
        let timeline: Timeline = serde_json::from_str(text).unwrap();
        assert_eq!(timeline.marks(), [Mark(Step::Asked, 0), Mark(Step::Unknown, 7)]);
    }

    #[test]
    fn a_clock_that_is_set_back_stands_still() {
        let mut timeline = Timeline { began: u64::MAX, marks: vec![Mark(Step::Asked, 3)] };
        timeline.mark(Step::Read);
        assert_eq!(timeline.marks()[1], Mark(Step::Read, 3));
    }
}
