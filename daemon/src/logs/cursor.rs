//! A place in a log: reads on from there, over rotations, piece by piece. Blocking.

use std::collections::VecDeque;
use std::io::{self, Read};

use super::entry::{Entry, Rendered, render};
use super::local::{self, Split};
use super::parts::{self, Part, Reader};
use super::{ENTRY_MAX, Form, Options, Place, begin, json};

/// Bytes read at once, and about the size of the pieces that are sent.
const CHUNK: usize = 128 * 1024;

/// Where reading goes on.
#[derive(Debug)]
pub(crate) struct Cursor {
    place: Place,
    options: Options,
    /// Files that are still to be read, oldest first, and from where on.
    rest: VecDeque<(Part, u64)>,
    current: Option<Current>,
    /// The beginning of an entry whose end was not written yet.
    partial: Vec<u8>,
    buffer: Vec<u8>,
    past: bool,
}

/// The file that is read.
#[derive(Debug)]
struct Current {
    reader: Reader,
    inode: u64,
    /// It was read to its end after the log went on in another file: nothing more comes to it.
    drained: bool,
    /// Its entries can not be told apart any more.
    broken: bool,
}

impl Cursor {
    /// The beginning of what `options` asks of a log. A log that is not there yet is empty.
    pub(crate) fn open(place: Place, options: Options) -> io::Result<Self> {
        let newest_first = begin::choose(&place.path, place.form, &options)?;
        let rest = newest_first.into_iter().rev().collect();
        let (partial, buffer) = (Vec::new(), vec![0; CHUNK]);
        Ok(Self { place, options, rest, current: None, partial, buffer, past: false })
    }

    /// The next piece; empty at the end of what is written so far.
    pub(crate) fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut buffer = std::mem::take(&mut self.buffer);
        let read = self.read_into(&mut out, &mut buffer);
        self.buffer = buffer;
        read.map(|()| out)
    }

    fn read_into(&mut self, out: &mut Vec<u8>, buffer: &mut [u8]) -> io::Result<()> {
        while out.is_empty() && !self.past {
            if self.current.is_none() && !self.open_next()? {
                break;
            }
            let Some(current) = self.current.as_mut() else { break };
            let read = current.reader.read(buffer)?;
            if read > 0 {
                if !current.broken {
                    // What clients see of entries is shorter.
                    out.reserve(read);
                    self.take(&buffer[..read], out);
                }
            } else if !self.at_end()? {
                break;
            }
        }
        Ok(())
    }

    /// Whether everything later is beyond `until`.
    pub(crate) fn is_past(&self) -> bool {
        self.past
    }

    fn open_next(&mut self) -> io::Result<bool> {
        if self.rest.is_empty() {
            // The log was not there when this began.
            self.rest = parts::list(&self.place.path)?.into_iter().rev().map(|p| (p, 0)).collect();
        }
        let Some((part, offset)) = self.rest.pop_front() else { return Ok(false) };
        let inode = part.inode;
        let reader = part.reader(offset)?;
        self.current = Some(Current { reader, inode, drained: false, broken: false });
        self.partial.clear();
        Ok(true)
    }

    /// The current file has no more: whether there is anything else to read now.
    fn at_end(&mut self) -> io::Result<bool> {
        let Some(current) = &mut self.current else { return Ok(false) };
        if self.rest.is_empty() {
            let newest = parts::newest(&self.place.path)?;
            if newest.is_none_or(|newest| newest == current.inode) {
                return Ok(false);
            }
            if !current.drained {
                // It may have grown between the last read and the rotation.
                current.drained = true;
                return Ok(true);
            }
            let inode = current.inode;
            let newer = parts::list(&self.place.path)?;
            let newer = newer.into_iter().take_while(|part| part.inode != inode);
            self.rest = newer.map(|part| (part, 0)).collect::<Vec<_>>().into_iter().rev().collect();
        }
        self.current = None;
        Ok(!self.rest.is_empty())
    }

    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let held = match self.partial.is_empty() {
            true => None,
            false => {
                self.partial.extend_from_slice(bytes);
                Some(std::mem::take(&mut self.partial))
            }
        };
        let mut bytes = held.as_deref().unwrap_or(bytes);
        while let Some((entry, behind)) = self.split(bytes) {
            bytes = behind;
            // What is no entry is passed over.
            let Some(entry) = entry else { continue };
            if render(&entry, &self.options, out) == Rendered::Past {
                self.past = true;
                return;
            }
        }
        if bytes.len() <= ENTRY_MAX {
            self.partial = bytes.to_vec();
        }
    }

    fn split<'a>(&mut self, bytes: &'a [u8]) -> Option<(Option<Entry<'a>>, &'a [u8])> {
        if self.place.form == Form::Json {
            let (line, behind) = json::split(bytes)?;
            return Some((json::entry(line), behind));
        }
        match local::split(bytes) {
            Split::Entry(entry, behind) => Some((local::entry(entry), behind)),
            Split::Incomplete => None,
            Split::Broken => {
                if let Some(current) = &mut self.current {
                    current.broken = true;
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use flate2::{Compression, GzBuilder};

    use super::super::tests::ALL;
    use super::*;

    fn line(text: &str) -> String {
        format!(
            "{{\"log\":\"{text}\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:00Z\"}}\n"
        )
    }

    fn open(path: &Path, options: Options) -> Cursor {
        Cursor::open(Place { path: path.to_owned(), form: Form::Json }, options).unwrap()
    }

    fn all(cursor: &mut Cursor) -> String {
        let mut text = Vec::new();
        loop {
            let piece = cursor.read().unwrap();
            if piece.is_empty() {
                return String::from_utf8(text).unwrap();
            }
            text.extend(piece);
        }
    }

    #[test]
    fn reads_rotated_files_in_order_and_follows() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x-json.log");
        fs::write(path.with_extension("log.2"), line("a")).unwrap();
        fs::write(path.with_extension("log.1"), line("b")).unwrap();
        fs::write(&path, line("c")).unwrap();
        let mut cursor = open(&path, ALL);
        assert_eq!(all(&mut cursor), "a\nb\nc\n");

        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        let next = line("d");
        let (first, second) = next.split_at(9);
        file.write_all(first.as_bytes()).unwrap();
        assert_eq!(all(&mut cursor), "");
        file.write_all(second.as_bytes()).unwrap();
        assert_eq!(all(&mut cursor), "d\n");

        fs::rename(&path, path.with_extension("log.1")).unwrap();
        fs::write(&path, line("e")).unwrap();
        assert_eq!(all(&mut cursor), "e\n");
    }

    #[test]
    fn tail_counts_over_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x-json.log");
        fs::write(path.with_extension("log.1"), line("a") + &line("b")).unwrap();
        fs::write(&path, line("c") + &line("d")).unwrap();
        let tail = |count| {
            let options = Options { tail: Some(count), ..ALL };
            all(&mut open(&path, options))
        };
        assert_eq!(tail(0), "");
        assert_eq!(tail(1), "d\n");
        assert_eq!(tail(3), "b\nc\nd\n");
        assert_eq!(tail(9), "a\nb\nc\nd\n");
    }

    #[test]
    fn no_log_is_an_empty_log() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x-json.log");
        let mut cursor = open(&path, ALL);
        assert_eq!(all(&mut cursor), "");
        fs::write(&path, line("a")).unwrap();
        assert_eq!(all(&mut cursor), "a\n");
    }

    fn compress(from: &Path, to: &Path) {
        let inode = fs::metadata(from).unwrap().ino().to_string();
        let file = fs::File::create(to).unwrap();
        let mut writer = GzBuilder::new().comment(inode).write(file, Compression::fast());
        writer.write_all(&fs::read(from).unwrap()).unwrap();
        writer.finish().unwrap();
        fs::remove_file(from).unwrap();
    }

    #[test]
    fn several_rotations_at_once_lose_and_repeat_nothing() {
        for compressed in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("x-json.log");
            let part = |number: u32| directory.path().join(format!("x-json.log.{number}"));
            let gz = |number: u32| directory.path().join(format!("x-json.log.{number}.gz"));
            fs::write(&path, line("a")).unwrap();
            let mut cursor = open(&path, ALL);
            assert_eq!(all(&mut cursor), "a\n");
            let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
            file.write_all(line("b").as_bytes()).unwrap();
            fs::rename(&path, part(2)).unwrap();
            fs::write(part(1), line("c")).unwrap();
            fs::write(&path, line("d")).unwrap();
            if compressed {
                compress(&part(2), &gz(2));
                compress(&part(1), &gz(1));
            }
            assert_eq!(all(&mut cursor), "b\nc\nd\n", "{compressed}");
            assert_eq!(all(&mut open(&path, ALL)), "a\nb\nc\nd\n", "{compressed}");
            let tail = Options { tail: Some(3), ..ALL };
            assert_eq!(all(&mut open(&path, tail)), "b\nc\nd\n", "{compressed}");
        }
    }

    #[test]
    fn a_time_is_found_by_halves() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x-json.log");
        let at = |second: i64| jiff::Timestamp::from_second(1_800_000_000 + second).unwrap();
        let text = |range: std::ops::Range<i64>| -> String {
            let line = |n| {
                format!("{{\"log\":\"{n}\\n\",\"stream\":\"stdout\",\"time\":\"{}\"}}\n", at(n))
            };
            range.map(line).collect()
        };
        fs::write(path.with_extension("log.1"), text(0..5000)).unwrap();
        fs::write(&path, text(5000..10_000)).unwrap();
        for (second, expected) in [
            (0, 10_000),
            (1, 9999),
            (2500, 7500),
            (4999, 5001),
            (5000, 5000),
            (9999, 1),
            (10_000, 0),
        ] {
            let since = Some(at(second));
            let mut cursor = open(&path, Options { since, ..ALL });
            let read = all(&mut cursor);
            assert_eq!(read.lines().count(), expected, "since {second}");
        }
        let half = Options { since: Some(at(7000)), until: Some(at(7002)), ..ALL };
        assert_eq!(all(&mut open(&path, half)), "7000\n7001\n7002\n");
        let (_, offset) =
            begin::choose(&path, Form::Json, &Options { since: Some(at(9000)), ..ALL })
                .unwrap()
                .remove(0);
        assert!(offset > 4000 * 60, "{offset}: all was read");
    }

    #[test]
    fn local_files_are_read_from_both_ends() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("container.log");
        let entry = |number: u8| {
            let text = [b"\x10".as_slice(), &[number], b"\x1a\x01", &[b'a' + number]].concat();
            let length = u32::try_from(text.len()).unwrap().to_be_bytes();
            [&length[..], &text, &length].concat()
        };
        fs::write(&path, (1..6).flat_map(entry).collect::<Vec<_>>()).unwrap();
        let read = |options| {
            let place = Place { path: path.clone(), form: Form::Local };
            all(&mut Cursor::open(place, options).unwrap())
        };
        assert_eq!(read(ALL), "b\nc\nd\ne\nf\n");
        for (count, expected) in [(0, ""), (1, "f\n"), (2, "e\nf\n"), (9, "b\nc\nd\ne\nf\n")] {
            assert_eq!(read(Options { tail: Some(count), ..ALL }), expected);
        }
        let since = jiff::Timestamp::from_nanosecond(4).ok();
        assert_eq!(read(Options { since, ..ALL }), "e\nf\n");
        let broken = [entry(1), b"\xff\xff\xff\xffgarbage".to_vec()].concat();
        fs::write(&path, broken).unwrap();
        assert_eq!(read(ALL), "b\n");
    }
}
