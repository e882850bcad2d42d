//! Reading a container's log from the files that its monitor writes, or from systemd's [`journal`], as the stream that
//! clients of `GET /containers/{id}/logs` get.
//!
//! A log is one file and, if it was rotated, `<file>.1` (the latest), `<file>.2`…, or `<file>.1.gz`…: [`parts`].
//! [`begin`] finds the place in them that a client wants to read from, without reading what is before it;
//! [`cursor`] reads on from there. Entries are those of [`json`] or of [`local`].

mod begin;
mod cursor;
mod entry;
mod journal;
mod json;
mod local;
mod parts;
mod past;
mod watch;

use std::io::BufRead;
use std::path::PathBuf;

use jiff::Timestamp;

pub(crate) use cursor::Cursor;
pub(crate) use journal::Journal;
pub(crate) use past::Past;
pub(crate) use watch::Watch;

/// The drivers that there are.
pub(crate) const DRIVERS: [&str; 4] = ["journald", "json-file", "local", "none"];
/// Longest entry that is read, in bytes; the monitor's are far shorter.
const ENTRY_MAX: usize = 1024 * 1024;

/// How entries look in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Local,
}

/// A log: its newest file, and the form of all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) form: Form,
}

/// Where a log can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Files(Place),
    /// The journal, by the container's id.
    Journal(String),
}

/// What a client wants of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    /// Put each entry's time before it.
    pub(crate) timestamps: bool,
    /// Put each entry's attributes before it.
    pub(crate) details: bool,
    /// Only so many of the last entries.
    pub(crate) tail: Option<usize>,
    /// stdcopy frames; else the bare text, as from a terminal.
    pub(crate) framed: bool,
}

/// Where the first such byte is.
fn find(byte: u8, bytes: &[u8]) -> Option<usize> {
    // The C library's memchr(3) behind this looks at many bytes at once.
    let skipped = { bytes }.skip_until(byte).ok()?;
    let last = skipped.checked_sub(1)?;
    (bytes[last] == byte).then_some(last)
}

/// A time as clients send it: Unix seconds with an optional fraction. 0 and nothing mean none.
pub(crate) fn parse_time(text: &str) -> Result<Option<Timestamp>, String> {
    let wrong = || format!("strconv.ParseInt: parsing {text:?}: invalid syntax");
    if text.is_empty() {
        return Ok(None);
    }
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = seconds.parse().map_err(|_| wrong())?;
    let nanos = match fraction {
        "" => 0,
        digits if digits.len() <= 9 => format!("{digits:0<9}").parse().map_err(|_| wrong())?,
        _ => return Err(wrong()),
    };
    if (seconds, nanos) == (0, 0) {
        return Ok(None);
    }
    Timestamp::new(seconds, nanos).map(Some).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const ALL: Options = Options {
        stdout: true,
        stderr: true,
        since: None,
        until: None,
        timestamps: false,
        details: false,
        tail: None,
        framed: false,
    };

    #[test]
    fn bytes_are_found() {
        let in_text = |text: &[u8]| find(b'x', text);
        assert_eq!([in_text(b"x"), in_text(b"axx"), in_text(b"ax")], [Some(0), Some(1), Some(1)]);
        assert_eq!([in_text(b""), in_text(b"a")], [None, None]);
    }

    #[test]
    fn times_as_clients_send_them() {
        assert_eq!(parse_time(""), Ok(None));
        assert_eq!(parse_time("0"), Ok(None));
        let half = Timestamp::new(5, 500_000_000).ok();
        assert_eq!(parse_time("5.5"), Ok(half));
        assert!(parse_time("abc").is_err() && parse_time("1.x").is_err());
    }
}
