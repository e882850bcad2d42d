//! One log entry: JSON text as Docker writes it, and its time.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Appends `{"log":"…","stream":"…","time":"…"}` and a line feed. The text is `parts` together,
/// with a line feed if the line is `complete`.
pub(super) fn append(
    out: &mut Vec<u8>,
    parts: [&[u8]; 2],
    complete: bool,
    stream: &str,
    time: &str,
) {
    out.extend_from_slice(b"{\"log\":\"");
    match parts {
        [b"", one] | [one, b""] => escape(out, one),
        // A character may lie across the two.
        [first, second] => escape(out, &[first, second].concat()),
    }
    if complete {
        out.extend_from_slice(b"\\n");
    }
    out.extend_from_slice(b"\",\"stream\":\"");
    out.extend_from_slice(stream.as_bytes());
    out.extend_from_slice(b"\",\"time\":\"");
    out.extend_from_slice(time.as_bytes());
    out.extend_from_slice(b"\"}\n");
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

/// Times as text. The part down to the second is kept from one entry to the next.
#[derive(Debug, Default)]
pub(super) struct Clock {
    second: Option<u64>,
    /// `2024-02-03T04:05:06`
    text: String,
}

impl Clock {
    /// Now, in RFC 3339 with up to nine digits of a second (zeros at the end are left out), UTC.
    pub(super) fn now(&mut self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.at(now.as_secs(), now.subsec_nanos())
    }

    fn at(&mut self, second: u64, nanoseconds: u32) -> String {
        if self.second != Some(second) {
            let time = i64::try_from(second).ok().and_then(|s| Timestamp::from_second(s).ok());
            self.text = time.unwrap_or_default().to_string().trim_end_matches('Z').to_owned();
            self.second = Some(second);
        }
        if nanoseconds == 0 {
            return format!("{}Z", self.text);
        }
        let fraction = format!("{nanoseconds:09}");
        format!("{}.{}Z", self.text, fraction.trim_end_matches('0'))
    }
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
    fn times() {
        let mut clock = Clock::default();
        assert_eq!(clock.at(1_706_933_106, 120_000_000), "2024-02-03T04:05:06.12Z");
        assert_eq!(clock.at(1_706_933_106, 5), "2024-02-03T04:05:06.000000005Z");
        assert_eq!(clock.at(1_706_933_107, 0), "2024-02-03T04:05:07Z");
    }
}
