//! A place in a log: reads on from there, over rotations, piece by piece. Blocking.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Options, Rendered, render, tail};

/// Bytes read at once, and about the size of the pieces that are sent.
const CHUNK: usize = 64 * 1024;
/// Longest line of a log file; a longer one is passed over.
const LINE_MAX: usize = 1024 * 1024;

/// Where reading goes on.
#[derive(Debug)]
pub(crate) struct Cursor {
    path: PathBuf,
    options: Options,
    /// Older files that are still to be read, newest last.
    rest: Vec<(File, u64)>,
    file: Option<File>,
    /// The beginning of a line whose end was not written yet.
    partial: Vec<u8>,
    past: bool,
}

impl Cursor {
    /// The beginning of what `options` asks of the log at `path`. A log that is not there yet is empty.
    pub(crate) fn open(path: &Path, options: Options) -> io::Result<Self> {
        let mut rest = tail::files(path)?;
        if let Some(count) = options.tail {
            rest = tail::last(rest, count)?;
        }
        // Popped from the end: the oldest has to be there.
        rest.reverse();
        Ok(Self {
            path: path.to_owned(),
            options,
            rest,
            file: None,
            partial: Vec::new(),
            past: false,
        })
    }

    /// The next piece; empty at the end of what is written so far.
    pub(crate) fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut buffer = vec![0; CHUNK];
        while out.is_empty() && !self.past {
            if self.file.is_none() && !self.open_next()? {
                break;
            }
            let Some(file) = self.file.as_mut() else { break };
            let read = file.read(&mut buffer)?;
            if read == 0 {
                if self.rest.is_empty() && !self.is_rotated()? {
                    break;
                }
                (self.file, self.partial) = (None, Vec::new());
                continue;
            }
            self.take(&buffer[..read], &mut out);
        }
        Ok(out)
    }

    /// Whether everything later is beyond `until`.
    pub(crate) fn is_past(&self) -> bool {
        self.past
    }

    fn open_next(&mut self) -> io::Result<bool> {
        let (mut file, offset) = match self.rest.pop() {
            Some(next) => next,
            None => match File::open(&self.path) {
                Ok(file) => (file, 0),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error),
            },
        };
        file.seek(SeekFrom::Start(offset))?;
        self.file = Some(file);
        Ok(true)
    }

    /// Whether the log's path means another file by now than the one that is read.
    fn is_rotated(&self) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        match std::fs::metadata(&self.path) {
            Ok(now) => Ok(now.ino() != file.metadata()?.ino()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(end) = piece.strip_suffix(b"\n") else {
                if self.partial.len() + piece.len() <= LINE_MAX {
                    self.partial.extend_from_slice(piece);
                }
                return;
            };
            let rendered = match self.partial.is_empty() {
                true => render(end, &self.options, out),
                false => {
                    self.partial.extend_from_slice(end);
                    let line = std::mem::take(&mut self.partial);
                    render(&line, &self.options, out)
                }
            };
            if rendered == Rendered::Past {
                self.past = true;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::super::tests::ALL;
    use super::*;

    fn line(text: &str) -> String {
        format!(
            "{{\"log\":\"{text}\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:00Z\"}}\n"
        )
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
        let mut cursor = Cursor::open(&path, ALL).unwrap();
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
            all(&mut Cursor::open(&path, options).unwrap())
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
        let mut cursor = Cursor::open(&path, ALL).unwrap();
        assert_eq!(all(&mut cursor), "");
        fs::write(&path, line("a")).unwrap();
        assert_eq!(all(&mut cursor), "a\n");
    }
}
