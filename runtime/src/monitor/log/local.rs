//! Entries of Docker's `local` driver: a protocol buffer between its length and its length again
//! (four bytes, big-endian), so that a file can be read from both ends.
//!
//! ```text
//! message Entry   { string source = 1; int64 time_nano = 2; bytes line = 3; bool partial = 4; Part part = 5; }
//! message Part    { bool last = 1; string id = 2; int32 ordinal = 3; }
//! ```
//!
//! A line has no line feed; `part` says which piece of a long line it is. Encoding: protobuf.dev,
//! "Encoding".

use super::entry::Entry;

/// Wire types.
const VARINT: u8 = 0;
const BYTES: u8 = 2;

/// Appends one entry.
pub(super) fn append(out: &mut Vec<u8>, entry: &Entry<'_>) {
    let begin = out.len();
    out.extend_from_slice(&[0; 4]);
    bytes(out, 1, &[entry.stream.name().as_bytes()]);
    number(out, 2, entry.stamp.nanoseconds);
    bytes(out, 3, &entry.parts);
    if entry.is_partial() {
        let mut part = Vec::new();
        number(&mut part, 1, u64::from(entry.complete));
        bytes(&mut part, 2, &[entry.line_id().as_bytes()]);
        number(&mut part, 3, u64::from(entry.ordinal) + 1);
        number(out, 4, 1);
        bytes(out, 5, &[&part]);
    }
    // An entry is a piece of a line, far below 4 GiB.
    let length = u32::try_from(out.len() - begin - 4).unwrap_or(u32::MAX).to_be_bytes();
    out[begin..begin + 4].copy_from_slice(&length);
    out.extend_from_slice(&length);
}

fn bytes(out: &mut Vec<u8>, field: u8, parts: &[&[u8]]) {
    out.push(field << 3 | BYTES);
    varint(out, parts.iter().map(|part| part.len() as u64).sum());
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// Zeros are left out, as in every protocol buffer of version 3.
fn number(out: &mut Vec<u8>, field: u8, value: u64) {
    if value > 0 {
        out.push(field << 3 | VARINT);
        varint(out, value);
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::log::stamp::Clock;
    use crate::monitor::output::Stream;

    #[test]
    fn entries_are_those_of_docker() {
        let stamp = Clock::default().at(1_795_362_169, 968_563_581);
        let parts: [&[u8]; 2] = [b"hel", b"lo"];
        let entry = Entry { parts, complete: true, ordinal: 0, stream: Stream::Stdout, stamp };
        let mut out = Vec::new();
        append(&mut out, &entry);
        // Written by dockerd 26.1.
        let recorded = b"\x00\x00\x00\x19\n\x06stdout\x10\xfd\xaa\x9a\x81\x9a\x8c\x9a\xf5\x18\x1a\x05hello\x00\x00\x00\x19";
        assert_eq!(out, recorded);
    }
}
