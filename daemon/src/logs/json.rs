//! Entries of json-file: one JSON object a line,
//! `{"log":"text\n","stream":"stdout","attrs":{…},"time":"RFC 3339"}`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use api_spec::stdcopy::Stream;
use serde::Deserialize;

use super::entry::{Entry, Time};

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
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// Reads a line. What is no entry is passed over: a power cut may have torn one.
pub(super) fn entry(line: &[u8]) -> Option<Entry<'_>> {
    let Line { log, stream, time, attrs } = serde_json::from_slice(line).ok()?;
    let text = match log {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    };
    let stream = if stream == "stderr" { Stream::Stderr } else { Stream::Stdout };
    Some(Entry { text, line_feed: false, stream, time: Time::Text(time), attributes: attrs })
}
