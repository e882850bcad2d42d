//! The form in which `journalctl --output=export` writes entries: a line `NAME=value` a field, or, for values with line
//! feeds, the name, the length (64 bits, little-endian), the value, each with its line feed; an empty line ends the
//! entry. systemd: "Journal Export Formats".

use std::borrow::Cow;
use std::collections::BTreeMap;

use api_spec::stdcopy::Stream;

use crate::logs::entry::{Entry, Time};
use crate::logs::find;

/// The fields that matter to everybody.
pub(super) const FIELDS: [&str; 4] =
    ["MESSAGE", "PRIORITY", "SYSLOG_TIMESTAMP", "CONTAINER_PARTIAL_MESSAGE"];
/// Fields that are no attributes of the container.
const OTHERS: [&str; 9] = [
    "CONTAINER_ID",
    "CONTAINER_ID_FULL",
    "CONTAINER_NAME",
    "CONTAINER_TAG",
    "CONTAINER_LOG_ORDINAL",
    "CONTAINER_PARTIAL_ID",
    "CONTAINER_PARTIAL_LAST",
    "CONTAINER_PARTIAL_ORDINAL",
    "IMAGE_NAME",
];
/// Priority of standard error: syslog(3), an error.
const ERROR: &[u8] = b"3";

/// What is at the beginning of some bytes.
#[derive(Debug)]
pub(super) enum Split<'a> {
    /// An entry, and what follows it.
    Entry(Fields<'a>, &'a [u8]),
    /// Its end is not there.
    Incomplete,
    Broken,
}

/// Names and values of one entry.
#[derive(Debug)]
pub(super) struct Fields<'a>(Vec<(&'a [u8], &'a [u8])>);

pub(super) fn split(mut bytes: &[u8]) -> Split<'_> {
    let mut fields = Vec::new();
    loop {
        let Some(end) = find(b'\n', bytes) else { return Split::Incomplete };
        let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
        if line.is_empty() {
            return Split::Entry(Fields(fields), rest);
        }
        if let Some(at) = find(b'=', line) {
            fields.push((&line[..at], &line[at + 1..]));
            bytes = rest;
            continue;
        }
        let Some((length, rest)) = rest.split_first_chunk() else { return Split::Incomplete };
        let Ok(length) = usize::try_from(u64::from_le_bytes(*length)) else { return Split::Broken };
        match rest.split_at_checked(length) {
            Some((value, [b'\n', rest @ ..])) => {
                fields.push((line, value));
                bytes = rest;
            }
            Some((_, [_, ..])) => return Split::Broken,
            Some((_, [])) | None => return Split::Incomplete,
        }
    }
}

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&'a [u8]> {
        let field = self.0.iter().find(|(known, _)| *known == name.as_bytes());
        field.map(|(_, value)| *value)
    }

    pub(super) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).map(String::from_utf8_lossy)
    }

    /// As a log entry; its attributes only with `details`.
    pub(super) fn entry(&self, details: bool) -> Entry<'a> {
        let time = match self.text("SYSLOG_TIMESTAMP") {
            Some(text) => Time::Text(text),
            None => {
                let microseconds = self.text("__REALTIME_TIMESTAMP").unwrap_or_default();
                let microseconds: i64 = microseconds.parse().unwrap_or_default();
                Time::Nanoseconds(microseconds.saturating_mul(1000))
            }
        };
        let stream = match self.get("PRIORITY") {
            Some(ERROR) => Stream::Stderr,
            _ => Stream::Stdout,
        };
        let attributes = match details {
            true => self.attributes(),
            false => BTreeMap::new(),
        };
        let text = Cow::Borrowed(self.get("MESSAGE").unwrap_or_default());
        let line_feed = self.get("CONTAINER_PARTIAL_MESSAGE") != Some(b"true");
        Entry { text, line_feed, stream, time, attributes }
    }

    /// The journal's own begin with an underscore.
    fn attributes(&self) -> BTreeMap<Cow<'a, str>, Cow<'a, str>> {
        let pairs = self
            .0
            .iter()
            .map(|(name, value)| (String::from_utf8_lossy(name), String::from_utf8_lossy(value)));
        pairs
            .filter(|(name, _)| !name.starts_with('_') && !name.starts_with("SYSLOG_"))
            .filter(|(name, _)| !FIELDS.contains(&&**name) && !OTHERS.contains(&&**name))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &[u8] =
        b"__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1795384932844449\n_UID=0\nA=x=y\n\
        PRIORITY=3\nMESSAGE\n\x05\0\0\0\0\0\0\0a\nb\xff\n\nCONTAINER_ID=1\n\n__CURSOR=";

    #[test]
    fn entries_are_read() {
        let Split::Entry(fields, rest) = split(WRITTEN) else { panic!("an entry") };
        assert_eq!((rest, &*fields.text("__CURSOR").unwrap()), (&b"__CURSOR="[..], "s=1;i=2"));
        let entry = fields.entry(true);
        assert_eq!((&*entry.text, entry.stream), (&b"a\nb\xff\n"[..], Stream::Stderr));
        assert_eq!(entry.time, Time::Nanoseconds(1_795_384_932_844_449_000));
        assert!(entry.line_feed);
        assert_eq!(entry.attributes, [("A".into(), "x=y".into())].into());
        assert!(fields.entry(false).attributes.is_empty());
    }

    #[test]
    fn pieces_have_no_line_feed_and_times_come_from_the_monitor() {
        let written = b"SYSLOG_TIMESTAMP=2026-11-22T02:05:19.5Z\nCONTAINER_PARTIAL_MESSAGE=true\nMESSAGE=x\n\n";
        let Split::Entry(fields, _) = split(written) else { panic!("an entry") };
        let entry = fields.entry(false);
        assert_eq!((entry.line_feed, entry.stream), (false, Stream::Stdout));
        assert_eq!(entry.time, Time::Text("2026-11-22T02:05:19.5Z".into()));
    }

    #[test]
    fn what_is_cut_off_is_awaited() {
        let end = WRITTEN.len() - b"\n__CURSOR=".len();
        for length in 0..end {
            assert!(matches!(split(&WRITTEN[..length]), Split::Incomplete), "{length}");
        }
        assert!(matches!(split(b"M\n\x01\0\0\0\0\0\0\0ab\n\n"), Split::Broken));
        assert!(matches!(split(b"M\n\xff\xff\xff\xff\xff\xff\xff\xff\n\n"), Split::Incomplete));
    }
}
