//! Entries of json-file: one JSON object a line,
//! `{"log":"text\n","stream":"stdout","attrs":{…},"time":"RFC 3339"}`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use api_spec::stdcopy::Stream;
use serde::Deserialize;

use super::entry::{Entry, Time};
use super::find;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow, default)]
    attrs: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

/// The first entry of `bytes` and what follows it; `None` if its end is not there.
pub(super) fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = find(b'\n', bytes)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// Reads a line. What is no entry is passed over: a power cut may have torn one.
pub(super) fn entry(line: &[u8]) -> Option<Entry<'_>> {
    plain(line).or_else(|| any(line))
}

/// Nearly every line: whole, with no other escape than its line feed, and without attributes.
fn plain(line: &[u8]) -> Option<Entry<'_>> {
    let rest = line.strip_prefix(b"{\"log\":\"")?;
    let (text, rest) = rest.split_at(find(b'\\', rest)?);
    let rest = rest.strip_prefix(b"\\n\",\"stream\":\"std")?;
    let (stream, rest) = match rest.split_first_chunk()? {
        (b"out", rest) => (Stream::Stdout, rest),
        (b"err", rest) => (Stream::Stderr, rest),
        _ => return None,
    };
    let time = rest.strip_prefix(b"\",\"time\":\"")?.strip_suffix(b"\"}")?;
    let is_plain = time.iter().all(|byte| byte.is_ascii_digit() || b"-+.:TZ".contains(byte));
    if !is_plain || find(b'"', text).is_some() {
        return None;
    }
    let (text, time) = (Cow::Borrowed(text), Time::Text(str::from_utf8(time).ok()?.into()));
    Some(Entry { text, line_feed: true, stream, time, attributes: BTreeMap::new() })
}

fn any(line: &[u8]) -> Option<Entry<'_>> {
    let Line { log, stream, time, attrs } = serde_json::from_slice(line).ok()?;
    let text = match log {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    };
    let stream = if stream == "stderr" { Stream::Stderr } else { Stream::Stdout };
    Some(Entry { text, line_feed: false, stream, time: Time::Text(time), attributes: attrs })
}

#[cfg(test)]
mod tests {
    use super::super::entry::render;
    use super::super::tests::ALL;
    use super::*;

    /// What a client sees, and whether it was read the short way.
    fn read(line: &str) -> (Option<String>, bool) {
        let seen = entry(line.as_bytes()).map(|entry| {
            let mut out = Vec::new();
            render(
                &entry,
                &super::super::Options { timestamps: true, framed: true, ..ALL },
                &mut out,
            );
            String::from_utf8(out).unwrap()
        });
        (seen, plain(line.as_bytes()).is_some())
    }

    #[test]
    fn both_ways_of_reading_agree() {
        let time = r#""time":"2026-11-22T02:05:19.5Z"}"#;
        let stamp = "2026-11-22T02:05:19.500000000Z";
        for (line, seen, short) in [
            (format!(r#"{{"log":"a b\n","stream":"stdout",{time}"#), "a b\n", true),
            (format!(r#"{{"log":"\n","stream":"stdout",{time}"#), "\n", true),
            (format!(r#"{{"log":"no end","stream":"stdout",{time}"#), "no end", false),
            (format!(r#"{{"log":"a\"\n","stream":"stdout",{time}"#), "a\"\n", false),
            (format!(r#"{{"log":"a","stream":"stdout","attrs":{{"k":"x\n"}},{time}"#), "a", false),
            (format!(r#"{{ "log":"a\n","stream":"stdout",{time}"#), "a\n", false),
        ] {
            let length = stamp.len() + 1 + seen.len();
            let expected = format!("\x01\0\0\0\0\0\0{}{stamp} {seen}", char::from(length as u8));
            assert_eq!(read(&line), (Some(expected), short), "{line}");
        }
        for broken in [
            r#"{"log":"a\n","stream":"stdout","time":"20"#,
            r#"{"log":"a\n","stream":"stdx"}"#,
            "x",
            "",
        ] {
            assert_eq!(read(broken), (None, false), "{broken}");
        }
    }
}
