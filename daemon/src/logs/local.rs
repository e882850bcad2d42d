//! Entries of the `local` driver: a protocol buffer between its length and its length again (four bytes, big-endian).
//! The monitor says what is in it: `runtime`, `monitor/log/local`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use api_spec::stdcopy::Stream;

use super::ENTRY_MAX;
use super::entry::{Entry, Time};

/// Bytes of a length.
pub(super) const LENGTH: usize = 4;

/// What is at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Split<'a> {
    /// An entry, and what follows it.
    Entry(&'a [u8], &'a [u8]),
    /// The end of the entry is not there.
    Incomplete,
    /// No entry; what follows can not be told apart any more.
    Broken,
}

pub(super) fn split(bytes: &[u8]) -> Split<'_> {
    let Some(length) = length_at(bytes, 0) else { return Split::Incomplete };
    if length > ENTRY_MAX {
        return Split::Broken;
    }
    match length_at(bytes, LENGTH + length) {
        None => Split::Incomplete,
        Some(again) if again != length => Split::Broken,
        Some(_) => {
            let (entry, rest) = bytes.split_at(length + 2 * LENGTH);
            Split::Entry(&entry[LENGTH..LENGTH + length], rest)
        }
    }
}

/// The length that stands at `at`.
pub(super) fn length_at(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at + LENGTH)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(four)).ok()
}

/// Reads an entry, without its lengths.
pub(super) fn entry(bytes: &[u8]) -> Option<Entry<'_>> {
    let mut entry = Entry {
        text: Cow::Borrowed(b""),
        line_feed: true,
        stream: Stream::Stdout,
        time: Time::Nanoseconds(0),
        attributes: BTreeMap::new(),
    };
    let mut partial = false;
    let mut last = false;
    each_field(bytes, |field| match field {
        (1, Value::Bytes(b"stderr")) => entry.stream = Stream::Stderr,
        (2, Value::Number(time)) => entry.time = Time::Nanoseconds(time.cast_signed()),
        (3, Value::Bytes(line)) => entry.text = Cow::Borrowed(line),
        (4, Value::Number(flag)) => partial = flag != 0,
        (5, Value::Bytes(part)) => {
            // A part that can not be read says nothing of its end.
            let _ = each_field(part, |field| {
                if let (1, Value::Number(flag)) = field {
                    last = flag != 0;
                }
            });
        }
        _ => {}
    })?;
    entry.line_feed = !partial || last;
    Some(entry)
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Calls `take` for each field: its number and value. `None` if this is no protocol buffer.
fn each_field<'a>(mut bytes: &'a [u8], mut take: impl FnMut((u64, Value<'a>))) -> Option<()> {
    while !bytes.is_empty() {
        let (key, rest) = varint(bytes)?;
        let (value, rest) = match key & 7 {
            0 => {
                let (number, rest) = varint(rest)?;
                (Value::Number(number), rest)
            }
            2 => {
                let (length, rest) = varint(rest)?;
                let (text, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                (Value::Bytes(text), rest)
            }
            _ => return None,
        };
        take((key >> 3, value));
        bytes = rest;
    }
    Some(())
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by dockerd 26.1.
    const RECORDED: &[u8] = b"\x00\x00\x00\x19\n\x06stdout\x10\xfd\xaa\x9a\x81\x9a\x8c\x9a\xf5\x18\x1a\x05hello\x00\x00\x00\x19";

    #[test]
    fn entries_of_docker_are_read() {
        let Split::Entry(bytes, rest) = split(RECORDED) else { panic!("an entry") };
        assert!(rest.is_empty());
        let entry = entry(bytes).unwrap();
        assert_eq!(
            (&*entry.text, entry.line_feed, entry.stream),
            (&b"hello"[..], true, Stream::Stdout)
        );
        let time = entry.time.value().unwrap().to_string();
        assert_eq!(time, "2026-11-22T15:42:49.968563581Z");
    }

    #[test]
    fn pieces_of_lines_have_no_line_feed() {
        let read = |part: &[u8]| {
            let bytes = [b"\x1a\x01x\x20\x01\x2a".as_slice(), &[part.len() as u8], part].concat();
            entry(&bytes).map(|entry| entry.line_feed)
        };
        assert_eq!([read(b"\x18\x01"), read(b"\x08\x01\x18\x02")], [Some(false), Some(true)]);
    }

    #[test]
    fn what_is_no_entry_is_told() {
        assert_eq!(split(&RECORDED[..20]), Split::Incomplete);
        assert_eq!(split(b"\xff\xff\xff\xffxxxx"), Split::Broken);
        assert_eq!(split(b"\0\0\0\x01x\0\0\0\x02"), Split::Broken);
        assert_eq!(entry(b"\x1a\x7fx"), None);
        assert_eq!(entry(&[0xff; 20]), None);
    }
}
