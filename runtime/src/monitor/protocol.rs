//! What clients say to a monitor on its socket (`monitor.sock`, unix stream).
//!
//! A client first sends one line of JSON, [`Hello`]:
//!
//! ```text
//! {"version":1,"role":"control"}
//! {"version":1,"role":"attach","stdin":true,"stdout":true,"stderr":true}
//! ```
//!
//! **control**: the monitor sends one line of JSON a state, [`State`]: the current one at once, then
//! every change. The client may send [`Command`]s, one a line; unknown ones are passed over. End of
//! file means that the container can be started again: exit record written, log flushed, control group
//! removed, root file system let go. Attached clients that are slow may still be served.
//!
//! **attach**: raw bytes from here on. To the client: with a tty the terminal's output as it is;
//! else frames `[1|2, 0, 0, 0, length (be32)]` + payload (1 standard output, 2 standard error) of
//! the streams that were asked for. From the client: standard input. The client's half close
//! (`shutdown(SHUT_WR)`) closes the program's standard input if the container was made with
//! `stdin_once` and has no tty; otherwise it detaches this client. The monitor closes the
//! connection when the output has ended and all of it was delivered.
//!
//! The output from the first byte is delivered to every client whose connection was waiting when
//! the launch request arrived.
//!
//! Versions: a monitor answers a hello of a version that it does not know with
//! [`State::Unsupported`] and closes. A newer daemon must go on speaking every version that a
//! running monitor may have.

use serde::{Deserialize, Serialize};

use crate::error::StepError;
use crate::timeline::Timeline;

/// Version of this protocol.
pub const VERSION: u32 = 1;

/// Longest line that a client may send (hello or command), in bytes, with its newline.
pub const LINE_MAX: usize = 4096;

/// The first line of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub version: u32,
    #[serde(flatten)]
    pub role: Role,
}

/// What a client wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Role {
    /// States out, commands in.
    Control,
    /// Standard streams.
    Attach {
        #[serde(default)]
        stdin: bool,
        #[serde(default)]
        stdout: bool,
        #[serde(default)]
        stderr: bool,
    },
}

/// How it goes, to control clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Being started.
    Starting,
    /// The program runs.
    Running {
        /// On the host.
        pid: i32,
        /// Start of the process in clock ticks since boot (field 22 of proc_pid_stat(5)): with the
        /// pid, it names the process for good.
        start_ticks: u64,
        /// RFC 3339 with nanoseconds, UTC.
        started_at: String,
        /// When each step of the start was done.
        #[serde(default, skip_serializing_if = "Timeline::is_empty")]
        timeline: Timeline,
    },
    /// The program was never run. The last state.
    Failed { error: StepError },
    /// The program has ended and its output is read to the end. The last state.
    Exited { exit: ExitRecord },
    /// Output is not kept: the log can not be written. Told when that begins and when it is over,
    /// between the other states.
    LogLost {
        error: String,
        /// Bytes of entries so far.
        lost: u64,
        /// Output is kept again.
        over: bool,
    },
    /// The hello was of an unknown version; the monitor speaks this one.
    Unsupported { version: u32 },
}

/// What a control client asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// The size of the terminal: `{"resize":{"rows":24,"cols":80}}`.
    Resize { rows: u16, cols: u16 },
}

/// How the program ended. Written to the launch request's `record` before any client is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// 0 to 255; 128 + number for a signal.
    pub exit_code: i32,
    /// The signal that ended the program.
    pub signal: Option<i32>,
    /// The kernel killed a process of the container for lack of memory.
    pub oom_killed: bool,
    /// RFC 3339 with nanoseconds, UTC.
    pub started_at: String,
    pub finished_at: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_forms() {
        let hello: Hello =
            serde_json::from_str(r#"{"version":1,"role":"attach","stdin":true,"new":0}"#).unwrap();
        assert_eq!(hello.role, Role::Attach { stdin: true, stdout: false, stderr: false });
        let control = Hello { version: VERSION, role: Role::Control };
        assert_eq!(serde_json::to_string(&control).unwrap(), r#"{"version":1,"role":"control"}"#);
        assert_eq!(serde_json::to_string(&State::Starting).unwrap(), r#"{"state":"starting"}"#);
        let resize = Command::Resize { rows: 24, cols: 80 };
        assert_eq!(serde_json::to_string(&resize).unwrap(), r#"{"resize":{"rows":24,"cols":80}}"#);
    }

    /// Monitors of version 1 may still run when this build comes: their lines are understood, and said the same way.
    #[test]
    fn recorded_lines_of_version_1() {
        let recorded = include_str!("../../tests/data/monitor-1.txt");
        let (mut hellos, mut states) = (0, 0);
        for line in recorded.lines() {
            if let Some(said) = line.strip_prefix("> {\"version\"") {
                let hello: Hello = serde_json::from_str(&format!("{{\"version\"{said}")).unwrap();
                assert_eq!(format!("> {}", serde_json::to_string(&hello).unwrap()), line);
                hellos += 1;
            } else if let Some(said) = line.strip_prefix("< ") {
                let state: State = serde_json::from_str(said).unwrap();
                assert_eq!(serde_json::to_string(&state).unwrap(), said);
                states += 1;
            }
        }
        assert_eq!((hellos, states), (5, 8));
    }
}
