//! Reading a container's log: json-file entries, from the files that its monitor writes, as the stream that clients
//! of `GET /containers/{id}/logs` get.
//!
//! A log is `<id>-json.log` and, if it was rotated, `<id>-json.log.1` (older), `.2`…; one JSON object a line:
//! `{"log":"text\n","stream":"stdout","time":"RFC 3339"}`.

mod cursor;
mod tail;
mod watch;

use std::borrow::Cow;

use api_spec::stdcopy::{self, Stream};
use jiff::Timestamp;
use serde::Deserialize;

pub(crate) use cursor::Cursor;
pub(crate) use watch::Watch;

/// What a client wants of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    /// Put each entry's time before it.
    pub(crate) timestamps: bool,
    /// Only so many of the last entries.
    pub(crate) tail: Option<usize>,
    /// stdcopy frames; else the bare text, as from a terminal.
    pub(crate) framed: bool,
}

/// One entry. Times are compared as values, printed as they were written.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

/// What one line came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rendered {
    Done,
    /// This and all later entries are beyond `until`.
    Past,
}

/// Renders one line of a log file behind `out`. Lines that are no entries are passed over: a power cut may have torn
/// one.
fn render(line: &[u8], options: &Options, out: &mut Vec<u8>) -> Rendered {
    let Ok(entry) = serde_json::from_slice::<Entry<'_>>(line) else { return Rendered::Done };
    let (wanted, stream) = match &*entry.stream {
        "stderr" => (options.stderr, Stream::Stderr),
        _ => (options.stdout, Stream::Stdout),
    };
    if options.since.is_some() || options.until.is_some() {
        let time: Option<Timestamp> = entry.time.parse().ok();
        if time.zip(options.until).is_some_and(|(time, until)| time > until) {
            return Rendered::Past;
        }
        if time.zip(options.since).is_some_and(|(time, since)| time < since) {
            return Rendered::Done;
        }
    }
    if !wanted {
        return Rendered::Done;
    }
    let stamp =
        if options.timestamps { format!("{} ", nine_digits(&entry.time)) } else { String::new() };
    if options.framed {
        // A line of a log file is far shorter than a frame can be.
        let length = u32::try_from(stamp.len() + entry.log.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&stdcopy::header(stream, length));
    }
    out.extend_from_slice(stamp.as_bytes());
    out.extend_from_slice(entry.log.as_bytes());
    Rendered::Done
}

/// A log file's time, whose fraction ends with its last digit that is not 0, as `logs --timestamps` shows it.
fn nine_digits(time: &str) -> String {
    let bare = time.strip_suffix('Z').unwrap_or(time);
    let (seconds, fraction) = bare.split_once('.').unwrap_or((bare, ""));
    format!("{seconds}.{fraction:0<9}Z")
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
        tail: None,
        framed: false,
    };

    const LINE: &[u8] = br#"{"log":"a \"b\"\n","stream":"stderr","time":"2026-11-22T02:05:19.5Z"}"#;

    fn rendered(options: &Options) -> Vec<u8> {
        let mut out = Vec::new();
        render(LINE, options, &mut out);
        out
    }

    #[test]
    fn entries_are_rendered() {
        assert_eq!(rendered(&ALL), b"a \"b\"\n");
        let framed = rendered(&Options { framed: true, ..ALL });
        assert_eq!(framed, b"\x02\0\0\0\0\0\0\x06a \"b\"\n");
        let timed = rendered(&Options { timestamps: true, ..ALL });
        assert_eq!(timed, b"2026-11-22T02:05:19.500000000Z a \"b\"\n");
        assert!(rendered(&Options { stderr: false, ..ALL }).is_empty());
        let mut out = Vec::new();
        render(b"{torn", &ALL, &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn times_bound_the_entries() {
        let at = |text: &str| text.parse::<Timestamp>().ok();
        let late = Options { since: at("2026-11-22T02:05:20Z"), ..ALL };
        assert!(rendered(&late).is_empty());
        let early = Options { until: at("2026-11-22T02:05:19Z"), ..ALL };
        assert_eq!(render(LINE, &early, &mut Vec::new()), Rendered::Past);
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
