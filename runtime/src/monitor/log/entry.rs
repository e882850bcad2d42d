//! One log entry, and its JSON text as Docker writes it.

use super::stamp::Stamp;
use crate::monitor::output::Stream;

/// A line, or a piece of a long one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    /// The text is both together, without a line feed.
    pub(super) parts: [&'a [u8]; 2],
    /// The line ends here.
    pub(super) complete: bool,
    /// How many pieces of the line came before.
    pub(super) ordinal: u32,
    pub(super) stream: Stream,
    pub(super) stamp: Stamp,
}

impl Entry<'_> {
    /// Whether it is one piece of several, or of a line that never ended.
    pub(super) fn is_partial(&self) -> bool {
        self.ordinal > 0 || !self.complete
    }

    /// Bytes of text.
    pub(super) fn length(&self) -> usize {
        self.parts[0].len() + self.parts[1].len()
    }

    /// What names all pieces of one line.
    pub(super) fn line_id(&self) -> String {
        format!("{:016x}{:x}", self.stamp.nanoseconds, self.stream.number())
    }
}

/// Appends `{"log":"…","stream":"…","time":"…"}` and a line feed; `attributes` (empty, or
/// `,"attrs":{…}`) goes before the time.
pub(super) fn append(out: &mut Vec<u8>, entry: &Entry<'_>, attributes: &str) {
    out.extend_from_slice(b"{\"log\":\"");
    match entry.parts {
        [b"", one] | [one, b""] => escape(out, one),
        // A character may lie across the two.
        [first, second] => escape(out, &[first, second].concat()),
    }
    if entry.complete {
        out.extend_from_slice(b"\\n");
    }
    out.extend_from_slice(b"\",\"stream\":\"");
    out.extend_from_slice(entry.stream.name().as_bytes());
    out.push(b'"');
    out.extend_from_slice(attributes.as_bytes());
    out.extend_from_slice(b",\"time\":\"");
    out.extend_from_slice(entry.stamp.text());
    out.extend_from_slice(b"\"}\n");
}

/// `,"attrs":{…}`, or nothing if there are none.
pub(super) fn attributes(attributes: &std::collections::BTreeMap<String, String>) -> String {
    let text = |text: &str| {
        let mut out = Vec::new();
        escape(&mut out, text.as_bytes());
        String::from_utf8(out).unwrap_or_default()
    };
    let pairs =
        attributes.iter().map(|(key, value)| format!("\"{}\":\"{}\"", text(key), text(value)));
    match pairs.collect::<Vec<_>>().join(",") {
        none if none.is_empty() => none,
        pairs => format!(",\"attrs\":{{{pairs}}}"),
    }
}

/// JSON's escapes, the way Docker's log writer has them: control characters but line feed and
/// return as `\u00xx`, also `<`, `>`, `&`, U+2028 and U+2029; each byte that is not UTF-8 as
/// `\ufffd`.
fn escape(out: &mut Vec<u8>, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        escape_valid(out, chunk.valid());
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
}

fn escape_valid(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let length = match byte {
            0..=0x1f | b'"' | b'\\' | b'<' | b'>' | b'&' => 1,
            0xe2 if matches!(bytes.get(at + 1..at + 3), Some([0x80, 0xa8 | 0xa9])) => 3,
            _ => continue,
        };
        out.extend_from_slice(&bytes[start..at]);
        start = at + length;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0xe2 => {
                out.extend_from_slice(b"\\u202");
                out.push(HEX[usize::from(bytes[at + 2] & 15)]);
            }
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &[u8]) -> String {
        let mut out = Vec::new();
        escape(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn escapes() {
        assert_eq!(escaped(b"a\"b\\c\td\re"), r#"a\"b\\c\u0009d\re"#);
        assert_eq!(escaped(b"<&>\x1b[0m"), r"\u003c\u0026\u003e\u001b[0m");
        assert_eq!(escaped("é\u{2028}\u{2029}\u{202a}".as_bytes()), "é\\u2028\\u2029\u{202a}");
        assert_eq!(escaped(b"x\xff\xe2\x28y\xe2\x80"), r"x\ufffd\ufffd(y\ufffd\ufffd");
        assert_eq!(escaped(b""), "");
    }

    #[test]
    fn attributes_are_json() {
        let pairs = [("a", "x\"y"), ("b", "2")].map(|(key, value)| (key.into(), value.into()));
        assert_eq!(attributes(&pairs.into()), r#","attrs":{"a":"x\"y","b":"2"}"#);
        assert_eq!(attributes(&std::collections::BTreeMap::new()), "");
    }
}
