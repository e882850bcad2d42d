//! One entry of a log, whatever its form, and how a client sees it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use api_spec::stdcopy::{self, Stream};
use jiff::Timestamp;

use super::Options;

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// Without the line feed that `complete` stands for, if the form leaves it out.
    pub(super) text: Cow<'a, [u8]>,
    /// A line feed is to be put behind the text.
    pub(super) line_feed: bool,
    pub(super) stream: Stream,
    pub(super) time: Time<'a>,
    pub(super) attributes: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

/// When it was; read only if it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Time<'a> {
    /// RFC 3339, UTC.
    Text(Cow<'a, str>),
    /// Since 1970.
    Nanoseconds(i64),
}

impl Time<'_> {
    pub(super) fn value(&self) -> Option<Timestamp> {
        match self {
            Self::Text(text) => text.parse().ok(),
            Self::Nanoseconds(count) => Timestamp::from_nanosecond(i128::from(*count)).ok(),
        }
    }

    /// With nine digits of a second, as `logs --timestamps` shows it.
    fn nine_digits(&self) -> String {
        let text = match self {
            Self::Text(text) => Cow::Borrowed(&**text),
            Self::Nanoseconds(_) => self.value().unwrap_or_default().to_string().into(),
        };
        let bare = text.strip_suffix('Z').unwrap_or(&text);
        let (seconds, fraction) = bare.split_once('.').unwrap_or((bare, ""));
        format!("{seconds}.{fraction:0<9}Z")
    }
}

/// What an entry came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rendered {
    Done,
    /// This and all later entries are beyond `until`.
    Past,
}

/// Renders an entry behind `out`, if the client wants it.
pub(super) fn render(entry: &Entry<'_>, options: &Options, out: &mut Vec<u8>) -> Rendered {
    if options.since.is_some() || options.until.is_some() {
        let time = entry.time.value();
        if time.zip(options.until).is_some_and(|(time, until)| time > until) {
            return Rendered::Past;
        }
        if time.zip(options.since).is_some_and(|(time, since)| time < since) {
            return Rendered::Done;
        }
    }
    let wanted = if entry.stream == Stream::Stderr { options.stderr } else { options.stdout };
    if !wanted {
        return Rendered::Done;
    }
    let mut head = String::new();
    if options.timestamps {
        head = entry.time.nine_digits();
        head.push(' ');
    }
    if options.details {
        head.push_str(&details(entry));
        head.push(' ');
    }
    let end: &[u8] = if entry.line_feed { b"\n" } else { b"" };
    if options.framed {
        // An entry is far shorter than a frame can be.
        let length = head.len() + entry.text.len() + end.len();
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        out.extend_from_slice(&stdcopy::header(entry.stream, length));
    }
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(&entry.text);
    out.extend_from_slice(end);
    Rendered::Done
}

/// `a=1,b=x%2Fy`: as a query of a URL writes them.
fn details(entry: &Entry<'_>) -> String {
    let pairs = entry.attributes.iter();
    let pairs = pairs.map(|(key, value)| format!("{}={}", query_escape(key), query_escape(value)));
    pairs.collect::<Vec<_>>().join(",")
}

fn query_escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::json;
    use super::super::tests::ALL;
    use super::*;

    const LINE: &[u8] = br#"{"log":"a \"b\"\n","stream":"stderr","attrs":{"k":"x y/z","b":"1"},"time":"2026-11-22T02:05:19.5Z"}"#;

    fn rendered(options: &Options) -> Vec<u8> {
        let mut out = Vec::new();
        render(&json::entry(LINE).unwrap(), options, &mut out);
        out
    }

    #[test]
    fn entries_are_rendered() {
        assert_eq!(rendered(&ALL), b"a \"b\"\n");
        let framed = rendered(&Options { framed: true, ..ALL });
        assert_eq!(framed, b"\x02\0\0\0\0\0\0\x06a \"b\"\n");
        let timed = rendered(&Options { timestamps: true, ..ALL });
        assert_eq!(timed, b"2026-11-22T02:05:19.500000000Z a \"b\"\n");
        let detailed = rendered(&Options { details: true, ..ALL });
        assert_eq!(detailed, b"b=1,k=x+y%2Fz a \"b\"\n");
        assert!(rendered(&Options { stderr: false, ..ALL }).is_empty());
    }

    #[test]
    fn times_bound_the_entries() {
        let at = |text: &str| text.parse::<Timestamp>().ok();
        let late = Options { since: at("2026-11-22T02:05:20Z"), ..ALL };
        assert!(rendered(&late).is_empty());
        let early = Options { until: at("2026-11-22T02:05:19Z"), ..ALL };
        let entry = json::entry(LINE).unwrap();
        assert_eq!(render(&entry, &early, &mut Vec::new()), Rendered::Past);
        assert_eq!(
            Time::Nanoseconds(1_500_000_000).nine_digits(),
            "1970-01-01T00:00:01.500000000Z"
        );
    }
}
